import type pg from 'pg';
import type { Verification } from './api.js';
import { EVENT_COPY, copyOut, rawEvent } from './copy.js';
import { CHAIN_START, type RawEvent, chainHash } from './row.js';

/** Streams are checked in runs of this many events, each its own short statement. */
const RUN_EVENTS = 50_000;

interface Damage {
  readonly position: number;
  readonly stream: string;
  readonly reason: string;
}

/** Follows streams one after the other, each from its first event, and keeps the damage with the lowest position. */
class ChainCheck {
  events = 0;
  last: RawEvent | undefined;
  damage: Damage | undefined;
  private previousHash = CHAIN_START;
  private skipping: string | undefined;

  see(event: RawEvent): void {
    this.events += 1;
    const fresh = this.last?.stream !== event.stream;
    if (fresh) this.skipping = undefined;
    if (this.skipping === undefined) this.check(event, fresh);
    this.previousHash = event.hash;
    this.last = event;
  }

  private check(event: RawEvent, fresh: boolean): void {
    const expected = fresh ? 1 : (this.last?.version ?? 0) + 1;
    if (event.version !== expected)
      this.note(event, `version ${expected} of the stream is missing before version ${event.version}`);
    else if (!fresh && event.position <= (this.last?.position ?? 0)) this.note(event, 'it stands before its predecessor');
    else if (chainHash(fresh ? CHAIN_START : this.previousHash, event) !== event.hash) {
      this.note(
        event,
        'its hash is not that of its content chained to the event before: the row, or the one before it, was changed',
      );
    }
  }

  private note(event: RawEvent, reason: string): void {
    this.skipping = event.stream;
    if (!this.damage || event.position < this.damage.position)
      this.damage = { position: event.position, stream: event.stream, reason };
  }
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The first position that no row has, below the head. */
async function firstGap(client: pg.ClientBase, schema: string): Promise<Damage | undefined> {
  const { rows } = await client.query<{ missing: string }>(
    `select before + 1 as missing
     from (select position, lag(position, 1, 0::bigint) over (order by position) as before from ${schema}.event) numbered
     where position <> before + 1 order by position limit 1`,
  );
  if (!rows[0]) return undefined;
  return { position: Number(rows[0].missing), stream: '', reason: 'no event has this position: a row was removed' };
}

async function checkChains(client: pg.ClientBase, schema: string, stream: string | undefined): Promise<ChainCheck> {
  const check = new ChainCheck();
  const only = stream === undefined ? 'true' : `stream = ${literal(stream)}`;
  for (;;) {
    const after = check.last ? `(stream, version) > (${literal(check.last.stream)}, ${check.last.version})` : 'true';
    const select = `select ${EVENT_COPY} from ${schema}.event where ${only} and ${after} order by stream, version limit ${RUN_EVENTS}`;
    const rows = await copyOut(client, select, (row) => check.see(rawEvent(row)));
    if (rows < RUN_EVENTS) return check;
  }
}

/**
 * Recomputes every link of every stream's chain (or of one), and looks for missing positions. Names the lowest damaged position.
 * What it cannot see by itself: a removed tail, a removed stream at the end, a chain recomputed by whoever owns the database;
 * that needs stream heads kept outside.
 */
export async function verifyLog(client: pg.ClientBase, schema: string, stream?: string): Promise<Verification> {
  // One snapshot for both looks: an append in between is seen by neither.
  await client.query('begin transaction isolation level repeatable read read only');
  try {
    await client.query(`set local statement_timeout = 0`);
    await client.query(`select set_config(name, '0', true) from pg_settings where name = 'transaction_timeout'`);
    const check = await checkChains(client, schema, stream);
    const gap = stream === undefined ? await firstGap(client, schema) : undefined;
    const head = await client.query<{ head: string }>(`select coalesce(max(position), 0) as head from ${schema}.event`);
    const damage = gap && (!check.damage || gap.position <= check.damage.position) ? named(gap, check.damage) : check.damage;
    if (damage) return { intact: false, ...damage };
    return { intact: true, events: check.events, headPosition: Number(head.rows[0]?.head ?? 0) };
  } finally {
    await client.query('rollback').catch(() => undefined);
  }
}

/** A hole in the positions belongs to the stream whose versions have a hole too, as far as that is known. */
function named(gap: Damage, chain: Damage | undefined): Damage {
  return chain ? { ...gap, stream: chain.stream, reason: `${gap.reason}; next in its stream: ${chain.reason}` } : gap;
}
