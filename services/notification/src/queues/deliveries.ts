/** The work queue `delivery`: what is to be sent, to whom, when next. A row is sent by whoever claims it, for as long as the claim lasts. */
import type { Store } from '@understudy/event-log';
import type { CloudEvent } from '@understudy/messaging';
import { sourcePosition } from '@understudy/messaging';
import { derivedId } from '@understudy/runtime';

export interface DeliveryRow {
  readonly id: string;
  readonly subscriptionId: string;
  readonly type: string;
  readonly eventId: string;
  readonly source: string;
  readonly status: 'pending' | 'succeeded' | 'exhausted' | 'dropped';
  readonly round: number;
  readonly attempts: number;
  readonly nextAttemptAt: string;
  readonly lastReason: string | null;
  readonly createdAt: string;
  readonly endedAt: string | null;
}

export interface ClaimedDelivery {
  readonly id: string;
  readonly subscriptionId: string;
  readonly url: string;
  readonly event: CloudEvent;
  readonly round: number;
  /** This attempt's number within the round, from 1. */
  readonly attempts: number;
}

export interface ClaimOptions {
  readonly limit: number;
  readonly perSubscription: number;
  /** Subscriptions that have enough in flight. */
  readonly busy: readonly string[];
  readonly claimMs: number;
}

interface RawDelivery {
  readonly id: string;
  readonly subscription_id: string;
  readonly type: string;
  readonly event_id: string;
  readonly source: string;
  readonly status: DeliveryRow['status'];
  readonly round: number;
  readonly attempts: number;
  readonly next_attempt_at: Date;
  readonly last_reason: string | null;
  readonly created_ms: string;
  readonly ended_at: Date | null;
}

const PRUNE_BATCH = 1_000;
const KEPT = '30 days';

export class DeliveryQueue {
  constructor(private readonly store: Store) {}

  /** One row per subscription; a message heard twice finds its rows there. */
  async enqueue(event: CloudEvent, subscriptionIds: readonly string[]): Promise<void> {
    if (subscriptionIds.length === 0) return;
    const ids = subscriptionIds.map((subscription) => derivedId(subscription, event.source, event.id));
    await this.store.pool.query(
      `insert into ${this.store.schema}.delivery (id, subscription_id, source, event_id, source_position, type, event)
       select d.id, d.subscription_id, $3, $4, $5, $6, $7 from unnest($1::uuid[], $2::uuid[]) as d (id, subscription_id)
       on conflict on constraint delivery_once do nothing`,
      [ids, subscriptionIds, event.source, event.id, sourcePosition(event), event.type, JSON.stringify(event)],
    );
  }

  /**
   * Takes what is due and free: never claimed, claimed by a process that is no longer alive, or claimed too long ago. Each
   * subscription gives a few at a time, so that one slow receiver does not hold up the others.
   */
  async claim({ limit, perSubscription, busy, claimMs }: ClaimOptions): Promise<readonly ClaimedDelivery[]> {
    const { schema, pool, incarnation } = this.store;
    const free = `d.status = 'pending' and d.next_attempt_at <= clock_timestamp() and (d.claimed_until is null or d.claimed_until < clock_timestamp()
      or not exists (select from ${schema}.lease l where l.incarnation = d.claimed_by and l.ends_at > clock_timestamp()))`;
    const { rows } = await pool.query<{
      id: string;
      subscription_id: string;
      url: string;
      event: CloudEvent;
      round: number;
      attempts: number;
    }>(
      `with ranked as (
         select d.id, row_number() over (partition by d.subscription_id order by d.next_attempt_at, d.id) as place, d.next_attempt_at
         from ${schema}.delivery d join ${schema}.subscription_view s on s.id = d.subscription_id
         where s.enabled and ${free} and d.subscription_id <> all ($1::uuid[])),
       due as (
         select d.id from ${schema}.delivery d
         where d.id in (select id from ranked where place <= $2 order by next_attempt_at limit $3) and ${free}
         for update skip locked)
       update ${schema}.delivery d
       set claimed_by = $4, claimed_until = clock_timestamp() + $5 * interval '1 ms', attempts = d.attempts + 1
       from due, ${schema}.subscription_view s
       where d.id = due.id and s.id = d.subscription_id
       returning d.id, d.subscription_id, s.document ->> 'url' as url, d.event, d.round, d.attempts`,
      [busy, perSubscription, limit, incarnation, claimMs],
    );
    return rows.map(({ subscription_id: subscriptionId, ...row }) => ({ ...row, subscriptionId }));
  }

  /** Ends a round; only while nobody began another. */
  async end(
    delivery: Pick<ClaimedDelivery, 'id' | 'round'>,
    status: 'succeeded' | 'exhausted',
    reason: string | null,
  ): Promise<void> {
    await this.store.pool.query(
      `update ${this.store.schema}.delivery
       set status = $3, last_reason = $4, ended_at = clock_timestamp(), claimed_by = null, claimed_until = null where id = $1 and round = $2`,
      [delivery.id, delivery.round, status, reason],
    );
  }

  async retry(delivery: Pick<ClaimedDelivery, 'id' | 'round'>, afterMs: number, reason: string): Promise<void> {
    await this.store.pool.query(
      `update ${this.store.schema}.delivery
       set next_attempt_at = clock_timestamp() + $3 * interval '1 ms', last_reason = $4, claimed_by = null, claimed_until = null
       where id = $1 and round = $2 and status = 'pending'`,
      [delivery.id, delivery.round, afterMs, reason],
    );
  }

  /** Gives a claim back without counting the attempt: the process stops. */
  async giveBack(delivery: Pick<ClaimedDelivery, 'id' | 'round'>): Promise<void> {
    await this.store.pool.query(
      `update ${this.store.schema}.delivery set attempts = greatest(0, attempts - 1), claimed_by = null, claimed_until = null
       where id = $1 and round = $2 and status = 'pending' and claimed_by = $3`,
      [delivery.id, delivery.round, this.store.incarnation],
    );
  }

  /** Begins a round; once, however often it is asked for. */
  async begin(id: string, round: number): Promise<void> {
    await this.store.pool.query(
      `update ${this.store.schema}.delivery
       set status = 'pending', round = $2, attempts = 0, next_attempt_at = clock_timestamp(), last_reason = null, ended_at = null,
           claimed_by = null, claimed_until = null
       where id = $1 and round < $2`,
      [id, round],
    );
  }

  /** The subscription is gone: nothing more is sent to it. */
  async drop(subscriptionId: string): Promise<void> {
    await this.store.pool.query(
      `update ${this.store.schema}.delivery set status = 'dropped', last_reason = 'The subscription was removed.', ended_at = clock_timestamp()
       where subscription_id = $1 and status = 'pending'`,
      [subscriptionId],
    );
  }

  async one(id: string): Promise<DeliveryRow | undefined> {
    const { rows } = await this.store.pool.query<RawDelivery>(`select * from ${this.store.schema}.delivery where id = $1`, [id]);
    return rows[0] === undefined ? undefined : rowOf(rows[0]);
  }

  /** Oldest first, after the row with this time and id. */
  async page(
    filter: { readonly subscriptionId?: string | undefined; readonly status?: string | undefined },
    after: readonly (string | number)[] | undefined,
    limit: number,
  ): Promise<readonly DeliveryRow[]> {
    const { rows } = await this.store.pool.query<RawDelivery>(
      `select * from ${this.store.schema}.delivery
       where ($1::uuid is null or subscription_id = $1::uuid) and ($2::text is null or status = $2)
         and ($3::bigint is null or (created_ms, id::text) > ($3::bigint, $4::text))
       order by created_ms, id::text limit $5`,
      [filter.subscriptionId ?? null, filter.status ?? null, after?.[0] ?? null, after?.[1] ?? null, limit],
    );
    return rows.map(rowOf);
  }

  async counts(): Promise<{ readonly pending: number; readonly exhausted: number }> {
    const { rows } = await this.store.pool.query<{ pending: string; exhausted: string }>(
      `select count(*) filter (where status = 'pending') as pending, count(*) filter (where status = 'exhausted') as exhausted from ${this.store.schema}.delivery`,
    );
    return { pending: Number(rows[0]?.pending ?? 0), exhausted: Number(rows[0]?.exhausted ?? 0) };
  }

  /** Removes a batch of what ended 30 days ago. */
  async prune(): Promise<void> {
    const { schema, pool } = this.store;
    await pool.query(
      `delete from ${schema}.delivery where id in
         (select id from ${schema}.delivery where ended_at < clock_timestamp() - interval '${KEPT}' order by ended_at limit ${PRUNE_BATCH})`,
    );
  }
}

function rowOf(row: RawDelivery): DeliveryRow {
  return {
    id: row.id,
    subscriptionId: row.subscription_id,
    type: row.type,
    eventId: row.event_id,
    source: row.source,
    status: row.status,
    round: row.round,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at.toISOString(),
    lastReason: row.last_reason,
    createdAt: new Date(Number(row.created_ms)).toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}
