import type { CheckResult } from '@understudy/cluster';
import type { Connections, ServerPlace } from './connections.js';

const OLDEST_TRANSACTION_S = 60;
const LEAST_FREE_PERCENT = 5;

/** What only the active node can tell: work under way that a switchover would break or wait for. */
const UNDER_WAY = `
select (select count(*)::int from pg_stat_progress_basebackup) as backups,
  (select count(*)::int from pg_prepared_xacts) as prepared,
  (select coalesce(max(extract(epoch from now() - xact_start)), 0)::int from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()) as oldest_s,
  (select coalesce(json_agg(slot_name), '[]') from pg_replication_slots s
    where slot_type = 'logical' and coalesce((to_jsonb(s) ->> 'failover')::bool, false) = false) as logical,
  (select coalesce(json_agg(slot_name), '[]') from pg_replication_slots where wal_status in ('lost', 'unreserved')) as lost`;

interface UnderWay {
  readonly backups: number;
  readonly prepared: number;
  readonly oldest_s: number;
  readonly logical: readonly string[];
  readonly lost: readonly string[];
}

/** Work under way on the active node, check by check. What could not be asked is `passed: null`. */
export async function workUnderWay(
  connections: Connections,
  active: ServerPlace,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const name = active.node;
  const answer = await connections.query<UnderWay>(active, UNDER_WAY, [], deadlineMs);
  if (answer.status !== 'rows')
    return [{ check: 'work-under-way', node: name, passed: null, detail: `It could not be asked: ${answer.reason}.` }];
  const seen = answer.rows[0] as UnderWay;
  const check = (label: string, passed: boolean, good: string, bad: string): CheckResult => ({
    check: label,
    node: name,
    passed,
    detail: passed ? good : bad,
  });
  return [
    check(
      'no-backup',
      seen.backups === 0,
      'No base backup runs.',
      `${seen.backups} base backup(s) run here; a switchover breaks them. Wait for their end.`,
    ),
    check(
      'no-old-transaction',
      seen.oldest_s <= OLDEST_TRANSACTION_S,
      `The oldest transaction is ${seen.oldest_s} s old.`,
      `A transaction is ${seen.oldest_s} s old (limit ${OLDEST_TRANSACTION_S} s); the switchover would end it. Wait for it or ask its owner.`,
    ),
    check(
      'no-prepared-transaction',
      seen.prepared === 0,
      'There is no prepared transaction.',
      `${seen.prepared} prepared transaction(s) hold locks over a switchover. Commit or roll them back.`,
    ),
    check(
      'logical-slots',
      seen.logical.length === 0,
      'No logical slot would be left behind.',
      `Logical slot(s) ${seen.logical.join(', ')} do not fail over: their subscribers stop after a switchover.`,
    ),
    check(
      'slots-keep-wal',
      seen.lost.length === 0,
      'Every slot has its WAL.',
      `Slot(s) ${seen.lost.join(', ')} have lost WAL: the standby behind must be made anew.`,
    ),
  ];
}

/** Pure. @param df what `df -P -k FOLDER` printed; null where it could not be asked. */
export function freeSpaceCheck(node: string, df: string | null): CheckResult {
  const used = df === null ? null : /(\d+)%/.exec(df.trim().split('\n').at(-1) ?? '');
  if (!used) return { check: 'disk', node, passed: null, detail: 'The free space of the data folder could not be read.' };
  const free = 100 - Number(used[1]);
  return {
    check: 'disk',
    node,
    passed: free >= LEAST_FREE_PERCENT,
    detail: `${free} % of the data folder's file system is free; at least ${LEAST_FREE_PERCENT} % is needed.`,
  };
}
