/** Read model `subscription_view`: the list, and who listens when a message is heard. */
import type { Projection, Store, StoredEvent } from '@understudy/event-log';
import { upcast } from '@understudy/notification-domain';
import type { SubscriptionDocument } from '@understudy/notification-domain';
import type pg from 'pg';
import { subscriptionStream } from '../../handle.js';

export interface SubscriptionRow {
  readonly id: string;
  readonly document: SubscriptionDocument;
  readonly enabled: boolean;
  readonly disabledReason: string | null;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly changedAt: string;
}

const PREFIX = subscriptionStream('');

export function subscriptionProjection(schema: string): Projection<pg.ClientBase> {
  return {
    name: 'projection/subscriptions',
    clear: async (tx) => {
      await tx.query(`truncate ${schema}.subscription_view`);
    },
    apply: async (stored, tx) => {
      if (stored.stream.startsWith(PREFIX)) await applyOne(schema, stored, tx);
    },
  };
}

async function applyOne(schema: string, stored: StoredEvent, tx: pg.ClientBase): Promise<void> {
  const id = stored.stream.slice(PREFIX.length);
  const event = upcast(stored);
  const update = (set: string, ...values: readonly unknown[]): Promise<unknown> =>
    tx.query(`update ${schema}.subscription_view set version = $2, changed_at = $3${set} where id = $1`, [
      id,
      stored.version,
      stored.time,
      ...values,
    ]);
  switch (event.type) {
    case 'SubscriptionCreated':
      await tx.query(
        `insert into ${schema}.subscription_view (id, document, enabled, version, created_by, created_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $6) on conflict (id) do nothing`,
        [
          id,
          JSON.stringify(event.data.document),
          event.data.document.enabled,
          stored.version,
          stored.metadata.actor.subject,
          stored.time,
        ],
      );
      return;
    case 'SubscriptionChanged':
      await update(
        ', document = $4, enabled = $5, disabled_reason = null',
        JSON.stringify(event.data.document),
        event.data.document.enabled,
      );
      return;
    case 'SubscriptionDisabled':
      await update(', enabled = false, disabled_reason = $4', event.data.reason);
      return;
    case 'SubscriptionRemoved':
      await tx.query(`delete from ${schema}.subscription_view where id = $1`, [id]);
      return;
    default:
      await update('');
  }
}

interface RawRow {
  readonly id: string;
  readonly document: SubscriptionDocument;
  readonly enabled: boolean;
  readonly disabled_reason: string | null;
  readonly version: number;
  readonly created_by: string;
  readonly created_at: Date;
  readonly changed_at: Date;
}

export class SubscriptionList {
  constructor(private readonly store: Store) {}

  /** By id after `after`; at most `limit`. */
  async page(after: string | undefined, limit: number): Promise<readonly SubscriptionRow[]> {
    const { schema, pool } = this.store;
    const { rows } = await pool.query<RawRow>(
      `select * from ${schema}.subscription_view where $1::text is null or id::text > $1 order by id::text limit $2`,
      [after ?? null, limit],
    );
    return rows.map(rowOf);
  }

  async one(id: string): Promise<SubscriptionRow | undefined> {
    const { rows } = await this.store.pool.query<RawRow>(`select * from ${this.store.schema}.subscription_view where id = $1`, [
      id,
    ]);
    return rows[0] === undefined ? undefined : rowOf(rows[0]);
  }

  /** Those that are switched on. */
  async listening(): Promise<readonly SubscriptionRow[]> {
    const { rows } = await this.store.pool.query<RawRow>(`select * from ${this.store.schema}.subscription_view where enabled`);
    return rows.map(rowOf);
  }
}

function rowOf(row: RawRow): SubscriptionRow {
  return {
    id: row.id,
    document: row.document,
    enabled: row.enabled,
    disabledReason: row.disabled_reason,
    version: row.version,
    createdBy: row.created_by,
    createdAt: row.created_at.toISOString(),
    changedAt: row.changed_at.toISOString(),
  };
}
