import { setTimeout as delay } from 'node:timers/promises';
import type { ProbeSpec } from '../probe.js';
import { codeOf } from './attempt.js';
import { SqlConnection } from './sql.js';

/** Sequence numbers, kept as runs: hours of writes without a gap are one pair of numbers. */
export class Runs {
  readonly runs: [number, number][] = [];
  count = 0;

  /** Numbers come in rising order. */
  add(value: number): void {
    const last = this.runs.at(-1);
    if (last && last[1] === value - 1) last[1] = value;
    else this.runs.push([value, value]);
    this.count += 1;
  }

  /** Cut into pieces of at most `size` numbers. */
  *batches(size: number): Generator<readonly [number, number]> {
    for (const [first, last] of this.runs) {
      for (let from = first; from <= last; from += size) yield [from, Math.min(last, from + size - 1)];
    }
  }
}

export type LookupResult = { readonly lost: number; readonly reason: string } | { readonly lost: null; readonly reason: string };

const BATCH_ROWS = 5_000;
/** After a switchover the new active node may need a moment; longer than this is not waited for. */
const FIND_ACTIVE_LIMIT_MS = 15_000;
const FIND_ACTIVE_PAUSE_MS = 250;
const LOOKUP_LIMIT_MS = 40_000;
/** One question of the lookup; a whole batch takes longer than one operation of the probe. */
const QUESTION_TIMEOUT_MS = 5_000;

/** Looks for every acknowledged write on the node that is active now. What cannot be looked up is not counted as found. */
export async function lookUp(spec: ProbeSpec, probeId: string, acknowledged: Runs): Promise<LookupResult> {
  if (spec.kind !== 'sql-write') return { lost: null, reason: 'this probe does not write' };
  if (acknowledged.count === 0) return { lost: 0, reason: 'nothing was acknowledged' };
  const endsAt = performance.now() + LOOKUP_LIMIT_MS;
  const active = await findActive(spec);
  if ('reason' in active) return { lost: null, reason: active.reason };
  try {
    return await countMissing(active.connection, active.target, { spec, probeId, acknowledged, endsAt });
  } catch (error) {
    return { lost: null, reason: `the active node ${active.target} did not answer the lookup (${codeOf(error)})` };
  } finally {
    active.connection.destroy();
  }
}

interface Search {
  readonly spec: ProbeSpec;
  readonly probeId: string;
  readonly acknowledged: Runs;
  readonly endsAt: number;
}

async function countMissing(connection: SqlConnection, target: string, search: Search): Promise<LookupResult> {
  const text = `select count(distinct sequence)::int as found from ${search.spec.table ?? ''} where probe = $1 and sequence between $2 and $3`;
  let lost = 0;
  for (const [from, to] of search.acknowledged.batches(BATCH_ROWS)) {
    if (performance.now() > search.endsAt) return { lost: null, reason: `the lookup took longer than ${LOOKUP_LIMIT_MS} ms` };
    const [row] = await connection.rows(text, [search.probeId, from, to], 'probe-lookup');
    lost += to - from + 1 - Number(row?.['found']);
  }
  if (Number.isNaN(lost)) return { lost: null, reason: `the active node ${target} answered the lookup with no number` };
  return { lost, reason: `looked up on ${target}` };
}

type Active = { readonly target: string; readonly connection: SqlConnection } | { readonly reason: string };

async function findActive(spec: ProbeSpec): Promise<Active> {
  const endsAt = performance.now() + FIND_ACTIVE_LIMIT_MS;
  for (;;) {
    const found = await activeTargets(spec);
    const [first, second] = found;
    if (first && !second) return first;
    for (const one of found) one.connection.destroy();
    if (second) return { reason: `more than one node says that it is active: ${found.map((one) => one.target).join(', ')}` };
    if (performance.now() > endsAt) return { reason: `no node was active within ${FIND_ACTIVE_LIMIT_MS} ms` };
    await delay(FIND_ACTIVE_PAUSE_MS);
  }
}

async function activeTargets(
  spec: ProbeSpec,
): Promise<readonly { readonly target: string; readonly connection: SqlConnection }[]> {
  const looks = await Promise.all(spec.targets.map((target) => lookAt(target, spec)));
  return looks.flatMap((look) => (look === null ? [] : [look]));
}

async function lookAt(target: string, spec: ProbeSpec): Promise<{ target: string; connection: SqlConnection } | null> {
  let connection: SqlConnection | undefined;
  try {
    connection = await SqlConnection.open(target, spec, QUESTION_TIMEOUT_MS);
    const [row] = await connection.rows('select pg_is_in_recovery() as standby');
    if (row?.['standby'] === false) return { target, connection };
  } catch {
    // It does not answer, so it is not the active node that a client would find.
  }
  connection?.destroy();
  return null;
}
