import type { CheckResult } from '@understudy/cluster';
import type { Purpose } from '../platform.js';
import { freeSpaceCheck, workUnderWay } from '../postgres/under-way.js';
import { observePostgres, type Session, type SessionNode } from './observe.js';
import type { PostgresNode, PostgresSnapshot } from './snapshot.js';
import { answering, lagBytes, notPromotable, streamsFrom, unknownOnes, writableOnes } from './topology.js';

/** Health before a rollout. Changes nothing. What could not be asked is `passed: null`. */
export async function preflightPostgres(session: Session, deadlineMs: number, purpose: Purpose): Promise<readonly CheckResult[]> {
  const snapshot = await observePostgres(session, deadlineMs);
  const [active] = writableOnes(snapshot);
  const perNode = await Promise.all(session.nodes.map((node) => checkNode(session, node, deadlineMs)));
  const here = session.nodes.find(({ settings }) => settings.node === active?.node);
  const onActive = here === undefined ? [] : await workUnderWay(session.connections, here.settings, deadlineMs);
  return forPurpose([...topologyChecks(snapshot), replicationLogin(session), ...onActive, ...perNode.flat()], purpose);
}

/** What only a switchover needs, and a restart in place does not. */
const ONLY_FOR_MOVING = ['promotable-standby', 'replication-login', 'logical-slots', 'wal-inspection'];

/** Pure: leaves out what a workload that stays where it is does not need. */
export function forPurpose(checks: readonly CheckResult[], purpose: Purpose): readonly CheckResult[] {
  return purpose === 'moving' ? checks : checks.filter(({ check }) => !ONLY_FOR_MOVING.includes(check));
}

/** Pure: what the picture itself shows. */
export function topologyChecks(snapshot: PostgresSnapshot): readonly CheckResult[] {
  const unknown = unknownOnes(snapshot);
  const actives = writableOnes(snapshot);
  const active = actives.length === 1 ? actives[0] : undefined;
  const names = actives.map((node) => node.node).join(', ');
  const checks: CheckResult[] = [
    {
      check: 'complete',
      passed: unknown.length === 0,
      detail: unknown.length === 0 ? 'Every node answered.' : `Not known: ${unknown.join('; ')}.`,
    },
    {
      check: 'one-active',
      passed: active !== undefined,
      detail:
        active === undefined
          ? `${actives.length} nodes accept writes${names === '' ? '' : `: ${names}`}; exactly one must.`
          : `${names} accepts writes.`,
    },
  ];
  if (active === undefined) return checks;
  const standbys = snapshot.nodes.filter((node) => node !== active);
  return [
    ...checks,
    ...standbys.flatMap((node) => standbyChecks(snapshot, node, active)),
    sendersCheck(active),
    someoneCheck(snapshot, standbys, active),
  ];
}

function standbyChecks(snapshot: PostgresSnapshot, node: PostgresNode, active: PostgresNode): readonly CheckResult[] {
  const streams = streamsFrom(node, active);
  const lag = lagBytes(node, active);
  const reason = notPromotable(node);
  return [
    {
      check: 'streaming',
      node: node.node,
      passed: streams,
      detail: streams
        ? `It streams from ${active.node} on timeline ${answering(node)?.timeline}.`
        : `It does not stream from ${active.node} on its timeline. Look at its log and at pg_stat_wal_receiver.`,
    },
    {
      check: 'lag',
      node: node.node,
      passed: lag === null ? null : lag <= snapshot.lagCeilingBytes,
      detail: `${lag ?? 'An unknown number of'} bytes behind ${active.node}; the ceiling is ${snapshot.lagCeilingBytes}.`,
    },
    // Not a fault: it is patched as a standby and never promoted.
    {
      check: 'promotable',
      node: node.node,
      passed: true,
      detail: reason === undefined ? 'It may be promoted.' : `It will not be promoted: ${reason}.`,
    },
  ];
}

function sendersCheck(active: PostgresNode): CheckResult {
  const behind = (answering(active)?.senders ?? []).filter(
    (sender) => sender.state !== 'streaming' || sender.confirmedLsn === null,
  );
  const detail = behind.map((sender) => `${sender.applicationName} (pid ${sender.pid}) is in state ${sender.state}`).join('; ');
  return {
    check: 'wal-senders',
    node: active.node,
    passed: behind.length === 0,
    detail:
      behind.length === 0
        ? 'Every WAL sender streams and is answered.'
        : `${detail}. A stop of ${active.node} would wait for it.`,
  };
}

function someoneCheck(snapshot: PostgresSnapshot, standbys: readonly PostgresNode[], active: PostgresNode): CheckResult {
  const fit = standbys.filter((node) => {
    const lag = lagBytes(node, active);
    return streamsFrom(node, active) && notPromotable(node) === undefined && lag !== null && lag <= snapshot.lagCeilingBytes;
  });
  const detail =
    fit.length > 0 ? `Can take over: ${fit.map((node) => node.node).join(', ')}.` : 'No standby could take over now.';
  return { check: 'promotable-standby', passed: fit.length > 0, detail };
}

function replicationLogin(session: Session): CheckResult {
  const passed = session.target.secrets['replication'] !== undefined;
  const detail = passed
    ? 'A login for standbys is defined.'
    : 'No credential for "replication" is defined: after a switchover the old active node could not be made a standby. Define one and name it in the cluster.';
  return { check: 'replication-login', passed, detail };
}

async function checkNode(session: Session, node: SessionNode, deadlineMs: number): Promise<readonly CheckResult[]> {
  const slug = node.settings.node;
  const [walinspect, disk] = await Promise.all([
    session.connections.query(
      node.settings,
      "load '$libdir/pg_walinspect'; select 'pg_get_wal_record_info(pg_lsn)'::regprocedure",
      [],
      deadlineMs,
    ),
    node.host.access.run({ argv: ['df', '-P', '-k', node.settings.dataFolder], deadlineMs }),
  ]);
  const readable = walinspect.status === 'rows';
  const reason = readable ? '' : walinspect.reason;
  return [
    {
      check: 'wal-inspection',
      node: slug,
      passed: walinspect.status === 'unreachable' ? null : readable,
      detail: readable
        ? 'WAL records can be read here.'
        : `The extension pg_walinspect cannot be used here (${reason}), so it could not be proven that this node has everything. Create it in database ${session.cluster.database} and see that its library is installed.`,
    },
    freeSpaceCheck(slug, disk.status === 'exited' && disk.code === 0 ? disk.stdout : null),
  ];
}
