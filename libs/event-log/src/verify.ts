import type pg from 'pg';
import type { Verification } from './api.js';
import { compareClaims, exportSizes, type ComparedClaims, type SignedEvidence } from './checkpoints/claims.js';
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

export interface VerifyOptions {
  /** This stream alone. */
  readonly stream: string | undefined;
  /** Keys and exports that the log is compared with; undefined = its own chain alone. */
  readonly evidence: SignedEvidence | undefined;
}

/**
 * Recomputes every link of every stream's chain (or of one), looks for missing positions, and compares with what was signed.
 * Names the lowest damaged position. What the chain alone cannot see: a removed tail, a removed stream at the end, a chain
 * recomputed by whoever owns the database. Signed checkpoints see it, up to the position that they cover.
 */
export async function verifyLog(
  client: pg.ClientBase,
  schema: string,
  { stream, evidence }: VerifyOptions,
): Promise<Verification> {
  const sizes = evidence === undefined ? new Map<string, number>() : exportSizes(evidence);
  // One snapshot for all looks: an append in between is seen by none.
  await client.query('begin transaction isolation level repeatable read read only');
  try {
    await client.query(`set local statement_timeout = 0`);
    await client.query(`select set_config(name, '0', true) from pg_settings where name = 'transaction_timeout'`);
    const check = await checkChains(client, schema, stream);
    const gap = stream === undefined ? await firstGap(client, schema) : undefined;
    const head = await client.query<{ head: string }>(`select coalesce(max(position), 0) as head from ${schema}.event`);
    const signed = evidence && (await compareClaims(client, schema, evidence, sizes, stream));
    const inLog = gap && (!check.damage || gap.position <= check.damage.position) ? named(gap, check.damage) : check.damage;
    const damage = joined(inLog, signed?.damage);
    if (damage) return { intact: false, ...damage };
    const intact = { intact: true, events: check.events, headPosition: Number(head.rows[0]?.head ?? 0) } as const;
    if (signed === undefined) return intact;
    const after = await eventsAfter(client, schema, signed.extent.position, stream);
    return { ...intact, signed: { ...signed.extent, says: extentInWords(signed, after) } };
  } finally {
    await client.query('rollback').catch(() => undefined);
  }
}

async function eventsAfter(client: pg.ClientBase, schema: string, position: number, stream?: string): Promise<number> {
  const only = stream === undefined ? 'true' : 'stream = $2';
  const { rows } = await client.query<{ events: string }>(
    `select count(*) as events from ${schema}.event where position > $1 and ${only}`,
    stream === undefined ? [position] : [position, stream],
  );
  return Number(rows[0]?.events ?? 0);
}

/** What an intact verification proves, and what it cannot. */
function extentInWords({ extent: { position, keyId }, renewals }: ComparedClaims, after: number): string {
  const rest = `${after} ${after === 1 ? 'event' : 'events'} after that`;
  const chained =
    'chained, so a changed or missing event among them would be found, but whoever owns the database could have recomputed their chain or cut their end off';
  if (keyId === null) return `Nothing is signed yet. All ${after} events are ${chained}.`;
  const again = renewals.map(
    ({ number, time }) =>
      ` At checkpoint ${number} (${time}) the log went on under a new identity, as after a restore, with a new key: what had been signed later under the one before is not part of it.`,
  );
  const proven = `Up to position ${position} nothing was changed, added or removed since it was signed by the key ${keyId}.${again.join('')}`;
  return after === 0
    ? `${proven} That is everything there is.`
    : `${proven} The ${rest} are not signed yet: they are ${chained}.`;
}

/** A hole in the positions belongs to the stream whose versions have a hole too, as far as that is known. */
function named(gap: Damage, chain: Damage | undefined): Damage {
  return chain ? { ...gap, stream: chain.stream, reason: `${gap.reason}; next in its stream: ${chain.reason}` } : gap;
}

/** What the log shows by itself and what signatures show: the lowest position, and every name that is known. */
function joined(inLog: Damage | undefined, signed: Damage | undefined): Damage | undefined {
  if (inLog === undefined || signed === undefined) return inLog ?? signed;
  // Without a stream it is a checkpoint that is damaged; what is wrong in the log itself says more.
  const [first, second] = signed.stream !== '' && signed.position < inLog.position ? [signed, inLog] : [inLog, signed];
  const where = second.stream === '' ? `position ${second.position}` : `${second.stream} at position ${second.position}`;
  return {
    position: first.position,
    stream: first.stream === '' ? second.stream : first.stream,
    reason: `${first.reason}; and ${where}: ${second.reason}`,
  };
}
