import type { CheckResult } from '@understudy/cluster';
import type { Purpose } from '../platform.js';
import { fileObstacle, leavingObstacle, movingObstacle } from './guards.js';
import { observeRedis } from './observe.js';
import type { Session } from './session.js';
import type { RedisNode, RedisSnapshot } from './snapshot.js';
import { summarise } from './summary.js';
import {
  failingOver,
  isFit,
  lagBytes,
  lagsWithin,
  masterOf,
  notPromotable,
  serverOf,
  silentSentinels,
  streams,
  unitOf,
  viewsOf,
  ceilingBytes,
} from './topology.js';
import { versionPair } from './versions.js';

/** Health before a rollout. Changes nothing. What could not be asked is `passed: null`. */
export async function preflightRedis(session: Session, deadlineMs: number, purpose: Purpose): Promise<readonly CheckResult[]> {
  return clusterChecks(await observeRedis(session, deadlineMs), purpose);
}

/** Pure: what the picture shows. */
export function clusterChecks(snapshot: RedisSnapshot, purpose: Purpose): readonly CheckResult[] {
  const master = masterOf(snapshot);
  const { complete, disagreements } = summarise(snapshot);
  const busy = failingOver(snapshot);
  const silent = silentSentinels(snapshot);
  return [
    yesNo(
      'complete',
      complete,
      'Every Redis, Sentinel and host that was asked answered, and they agree.',
      `${disagreements.join('; ')}.`,
    ),
    yesNo('master', master !== undefined, `${master?.node} is the master.`, 'No node, or more than one, is a master.'),
    yesNo(
      'no-failover',
      busy.length === 0,
      'No failover is in progress.',
      `A failover is in progress: ${busy.join(' and ')} says so. Let it end.`,
    ),
    yesNo(
      'sentinels-answer',
      silent.length === 0,
      'Every Sentinel answers.',
      `${silent.join('; ')}. What every one reports can only be said where every one answers: bring it back first.`,
    ),
    quorumCheck(snapshot),
    monitorsCheck(snapshot),
    ...snapshot.nodes.flatMap((node) => nodeChecks(node)),
    ...(master === undefined ? [] : replicaChecks(snapshot, master, purpose)),
  ];
}

function yesNo(check: string, passed: boolean | null, good: string, bad: string, node?: string): CheckResult {
  return { check, ...(node === undefined ? {} : { node }), passed, detail: passed === true ? good : bad };
}

function quorumCheck(snapshot: RedisSnapshot): CheckResult {
  const views = viewsOf(snapshot);
  const without = views.filter(({ view }) => !view.isQuorumReached);
  return yesNo(
    'sentinel-quorum',
    views.length === 0 ? null : without.length === 0,
    'Every Sentinel sees its quorum.',
    views.length === 0
      ? 'No Sentinel answers.'
      : without.map(({ name, view }) => `${name} sees no quorum: ${view.quorumSays}.`).join(' '),
  );
}

/** A Sentinel that was told otherwise than the rest takes a master for down at another time, or with other votes. */
function monitorsCheck(snapshot: RedisSnapshot): CheckResult {
  const told = viewsOf(snapshot).map(({ name, view }) => ({
    name,
    words: `quorum ${view.quorum}, down-after-milliseconds ${view.downAfterMs}, failover-timeout ${view.failoverTimeoutMs}`,
  }));
  const isSame = told.every(({ words }) => words === told[0]?.words);
  return yesNo(
    'sentinels-alike',
    told.length === 0 ? null : isSame,
    'Every Sentinel was told the same of this master.',
    told.length === 0
      ? 'No Sentinel answers.'
      : `${told.map(({ name, words }) => `${name} has ${words}`).join('; ')}. Set them alike (SENTINEL SET).`,
  );
}

function nodeChecks(node: RedisNode): readonly CheckResult[] {
  const [server, unit] = [serverOf(node), unitOf(node)];
  const file = fileObstacle(node);
  return [
    yesNo(
      'answers',
      server !== undefined && !server.isLoading,
      'Redis answers.',
      server === undefined ? 'Redis does not answer.' : 'Redis loads its data.',
      node.node,
    ),
    yesNo(
      'unit',
      unit === undefined ? null : unit.enabled && !unit.held && unit.kept === null,
      `${unit?.name} starts with the host.`,
      unitWords(node),
      node.node,
    ),
    yesNo(
      'configuration-file',
      unit === undefined ? null : file === undefined,
      'What is set is kept in its configuration file, which can be looked at.',
      `${file}.`,
      node.node,
    ),
    yesNo(
      'persistence',
      server === undefined ? null : server.persistenceFault === null,
      'Its last snapshot and its log of appends are well.',
      `Redis says: ${server?.persistenceFault}. See its log and its disk.`,
      node.node,
    ),
  ];
}

function unitWords(node: RedisNode): string {
  const { unit } = node;
  if (!unit.seen) return `Its host could not be looked at: ${unit.reason}.`;
  if (unit.held || unit.kept !== null)
    return `An earlier drain or switchover was not ended: ${unit.held ? `${unit.name} is held` : 'its priority is still ours'}. Join and release the node first.`;
  return `${unit.name} does not start with the host: after a reboot the node would stay away. Enable it (systemctl enable ${unit.name}).`;
}

function replicaChecks(snapshot: RedisSnapshot, master: RedisNode, purpose: Purpose): readonly CheckResult[] {
  const replicas = snapshot.nodes.filter((node) => node !== master);
  const leaving = replicas.map((node) =>
    yesNo(
      'may-leave',
      leavingObstacle(snapshot, node) === undefined,
      'The cluster can spare it.',
      `${leavingObstacle(snapshot, node)}.`,
      node.node,
    ),
  );
  const common = [...replicas.flatMap((node) => streamChecks(snapshot, node, master)), ...leaving];
  return purpose === 'staying' ? common : [...common, candidateCheck(snapshot, master, replicas)];
}

function candidateCheck(snapshot: RedisSnapshot, master: RedisNode, replicas: readonly RedisNode[]): CheckResult {
  const fit = replicas.filter((node) => isFit(snapshot, node));
  const [first] = fit;
  const obstacle = first === undefined ? 'No replica could take over now' : movingObstacle(snapshot, first, master);
  return yesNo(
    'promotable-standby',
    obstacle === undefined,
    `Can take over: ${fit.map(({ node }) => node).join(', ')}.`,
    `${obstacle}.`,
  );
}

/** Shared with the validation of a replica. */
export function streamChecks(snapshot: RedisSnapshot, node: RedisNode, master: RedisNode): readonly CheckResult[] {
  const lag = lagBytes(snapshot, node);
  const reason = notPromotable(node);
  const [own, above] = [serverOf(node)?.version, serverOf(master)?.version];
  return [
    yesNo(
      'version-order',
      own === undefined || above === undefined ? null : versionPair('redis', above, own).allowed,
      `It runs Redis ${own}, which follows a master of ${above}.`,
      `It runs Redis ${own ?? 'of an unknown version'}, the master ${above ?? 'an unknown one'}: a replica may be newer than its master, and not older.`,
      node.node,
    ),
    yesNo(
      'streaming',
      streams(snapshot, node),
      `It receives the stream of ${master.node}, and both sides say so.`,
      `It does not receive the stream of ${master.node}. Look at its log and at INFO replication on both.`,
      node.node,
    ),
    {
      check: 'lag',
      node: node.node,
      passed: lag === null ? null : lagsWithin(snapshot, node),
      detail: `${lag ?? 'An unknown number of'} bytes behind ${master.node}; its backlog holds ${ceilingBytes(snapshot)}.`,
    },
    // Not a fault: it is patched as a replica and never promoted.
    {
      check: 'promotable',
      node: node.node,
      passed: true,
      detail: reason === undefined ? 'It may become the master.' : `It will not be promoted: ${reason}.`,
    },
  ];
}
