import { quorumSurvives } from '@understudy/cluster';
import { parseSynchronousNames } from '../postgres/synchronous-names.js';
import type { PatroniNode, PatroniSnapshot } from './snapshot.js';
import {
  apiOf,
  cascadesFrom,
  isFit,
  isPaused,
  isSynchronous,
  leaderOf,
  scheduledSwitchover,
  serverOf,
  standingReason,
  streams,
  votersWithout,
} from './topology.js';

/** Pure: why a node must not be taken out of service now, and why nothing may be moved now. Sentences; undefined: nothing is in the way. */

/** What stands in the way of any act of ours on this cluster. */
export function clusterObstacle(snapshot: PatroniSnapshot): string | undefined {
  if (isPaused(snapshot))
    return 'the cluster is paused: Patroni neither stops PostgreSQL with its unit nor fails over. Find out who paused it, then resume it (patronictl resume)';
  if (snapshot.config?.isStandbyCluster === true)
    return 'this is a standby cluster, which follows another one and takes no writes: patch it as part of that one, by hand';
  return undefined;
}

/** Why the host of `node` must not go away: etcd, failover and commits have to survive it. The first reason found. */
export function leavingObstacle(snapshot: PatroniSnapshot, node: PatroniNode): string | undefined {
  return (
    clusterObstacle(snapshot) ??
    quorumObstacle(snapshot, node) ??
    failsafeObstacle(snapshot) ??
    namesObstacle(snapshot, node) ??
    synchronousObstacle(snapshot, node) ??
    standbyObstacle(snapshot, node)
  );
}

/** Without a quorum of etcd Patroni demotes the leader. The drained node's host goes down for its patch, and its member with it. */
function quorumObstacle(snapshot: PatroniSnapshot, node: PatroniNode): string | undefined {
  if (snapshot.etcd !== null && snapshot.etcd.voters.length === 0)
    return `etcd could not be asked for its members (${snapshot.etcd.unanswered.join('; ')}), so it is not known whether its quorum survives`;
  const voters = votersWithout(snapshot, node);
  if (voters === undefined || quorumSurvives(voters.all, voters.away.length)) return undefined;
  return `etcd has ${voters.all} voting members, and without ${voters.away.join(' and ')} there is no majority: Patroni would demote the leader. Bring the missing members back, or add some`;
}

/** With the store away, a leader in failsafe mode goes on only while every other member answers it. */
function failsafeObstacle(snapshot: PatroniSnapshot): string | undefined {
  const active = snapshot.nodes.find((node) => apiOf(node)?.member.isFailsafeActive === true);
  if (active === undefined) return undefined;
  return `failsafe mode is active (${active.node} says so): the store is away, and the leader goes on only while every member answers. Bring the store back first`;
}

/** Names that somebody set by hand stay as they are, whoever leaves: only in its synchronous mode does Patroni change them. */
export function namesObstacle(snapshot: PatroniSnapshot, node: PatroniNode): string | undefined {
  if (snapshot.config?.synchronousMode !== 'off') return undefined;
  const leader = leaderOf(snapshot);
  const server = leader && serverOf(leader);
  const { names, needed } = parseSynchronousNames(server?.synchronousNames ?? '');
  const isNamed = (name: string): boolean => names.some((each) => each === '*' || each.toLowerCase() === name);
  const staying = (server?.senders ?? [])
    .filter(({ state }) => state === 'streaming')
    .map(({ applicationName }) => applicationName.toLowerCase())
    .filter((name) => name !== node.member.toLowerCase() && isNamed(name));
  if (new Set(staying).size >= needed) return undefined;
  return `synchronous_standby_names of ${leader?.node} is set by hand to "${server?.synchronousNames}", and without ${node.node} every commit would wait. Use Patroni's synchronous_mode, or change the setting first`;
}

/** In strict mode commits are refused rather than made without a synchronous standby. */
function synchronousObstacle(snapshot: PatroniSnapshot, node: PatroniNode): string | undefined {
  const { config } = snapshot;
  if (config === null || config.synchronousMode === 'off' || !config.isSynchronousStrict) return undefined;
  const others = snapshot.nodes.filter(
    (other) =>
      other !== node &&
      streams(snapshot, other) &&
      // Only what the leader itself feeds can be synchronous.
      cascadesFrom(snapshot, other) === undefined &&
      apiOf(other)?.member.tags.nosync === false,
  );
  if (others.length > 0) return undefined;
  const word = isSynchronous(snapshot, node)
    ? 'is the only synchronous standby'
    : 'is the only standby left that could be synchronous';
  return `${node.node} ${word}, and synchronous_mode_strict blocks every write without one. Bring another standby back first`;
}

/** Of several standbys that may take over, one stays fit. A cluster with one such standby was accepted as it is. */
function standbyObstacle(snapshot: PatroniSnapshot, node: PatroniNode): string | undefined {
  if (standingReason(node) !== undefined) return undefined;
  const leader = leaderOf(snapshot);
  const others = snapshot.nodes.filter((other) => other !== node && other !== leader && standingReason(other) === undefined);
  if (others.length === 0 || others.some((other) => wouldTakeOver(snapshot, node, other))) return undefined;
  return `${node.node} is the only standby that could take over now: ${others.map((other) => other.node).join(' and ')} could not. Bring another one back first`;
}

/** In synchronous mode Patroni names another synchronous standby as soon as the one that leaves is gone. */
function wouldTakeOver(snapshot: PatroniSnapshot, leaving: PatroniNode, other: PatroniNode): boolean {
  if (isFit(snapshot, other)) return true;
  const { config } = snapshot;
  if (config?.synchronousMode !== 'on' || !isSynchronous(snapshot, leaving)) return false;
  return (
    isFit({ ...snapshot, config: { ...config, synchronousMode: 'off' } }, other) && apiOf(other)?.member.tags.nosync === false
  );
}

/** Before a move: somebody else's plans would meet ours. */
export function movingObstacle(snapshot: PatroniSnapshot): string | undefined {
  const scheduled = scheduledSwitchover(snapshot);
  const quorum = votersWithout(snapshot);
  if (scheduled !== undefined)
    return `a switchover is scheduled ${scheduled}: Patroni keeps one at a time. Let it happen, or delete it (patronictl flush CLUSTER switchover)`;
  if (snapshot.etcd !== null && quorum === undefined)
    return `etcd could not be asked for its members (${snapshot.etcd.unanswered.join('; ')}), so it is not known whether it has a majority`;
  if (quorum !== undefined && !quorumSurvives(quorum.all, quorum.away.length))
    return `etcd has no majority: ${quorum.away.join(' and ')} of ${quorum.all} voting members are away. Bring them back first`;
  return clusterObstacle(snapshot) ?? failsafeObstacle(snapshot);
}
