import { compareVersions } from '@understudy/cluster';
import { placeName } from './settings.js';
import type { RedisNode, RedisSnapshot } from './snapshot.js';
import {
  canFailOver,
  isDown,
  isDrained,
  isFit,
  isWritable,
  masterOf,
  notPromotable,
  serverOf,
  strangeReplicas,
  strangeSentinels,
  streams,
  unitOf,
  viewsOf,
  votesWithout,
} from './topology.js';

/** Pure: why a node must not be taken out of service now, and why nothing may be moved now. Sentences; undefined: nothing is in the way. */

/** A pause of writes alone, and its end before its time, are in Redis since this version. */
const PAUSES_SINCE = '6.2';

/**
 * The links of the Sentinels to a paused master stand still, as their own announcements count as writes: they take it
 * for down after this time. The part of a pause before the master is fenced must be over well before.
 */
export const LEAST_DOWN_AFTER_MS = 3_000;

/** Why the host of `node` must not go away: votes, failover and writes have to survive it. The first reason found. */
export function leavingObstacle(snapshot: RedisSnapshot, node: RedisNode): string | undefined {
  return (
    sentinelsObstacle(snapshot) ??
    votesObstacle(snapshot, node) ??
    writesObstacle(snapshot, node) ??
    standbyObstacle(snapshot, node)
  );
}

/** What every Sentinel reports can only be said where every Sentinel is known. */
function sentinelsObstacle(snapshot: RedisSnapshot): string | undefined {
  const strange = strangeSentinels(snapshot);
  if (strange.length === 0) return undefined;
  const gone = strange.every(({ isAway }) => isAway);
  const advice = gone
    ? 'If they are gone for good, make the others forget them (SENTINEL RESET, one Sentinel at a time)'
    : 'Register them in the cluster’s setting "sentinels"';
  return `the Sentinels know of others that are not registered here: ${strange.map(({ place }) => placeName(place)).join(', ')}. ${advice}`;
}

/** The drained node's host goes down for its patch, and its Sentinel with it. */
function votesObstacle(snapshot: RedisSnapshot, node?: RedisNode): string | undefined {
  const votes = votesWithout(snapshot, node);
  if (votes === undefined) return 'no Sentinel answers, so nobody would fail over';
  if (canFailOver(votes)) return undefined;
  return `there are ${votes.all} Sentinels with a quorum of ${votes.quorum}, and without ${votes.away.join(' and ')} they could not fail over. Bring the missing ones back, or add some`;
}

/** `min-replicas-to-write`: a master refuses writes while fewer replicas keep up. */
function writesObstacle(snapshot: RedisSnapshot, leaving: RedisNode): string | undefined {
  const master = masterOf(snapshot);
  const needed = (master && serverOf(master)?.leastReplicas) ?? 0;
  if (master === undefined || needed === 0) return undefined;
  const left = snapshot.nodes.filter((other) => other !== leaving && streams(snapshot, other)).length;
  if (left >= needed) return undefined;
  return `${master.node} takes writes only while ${needed} replicas keep up (min-replicas-to-write), and without ${leaving.node} there are ${left}`;
}

/** Of several replicas that may take over, one stays fit. A cluster with one such replica was accepted as it is. */
function standbyObstacle(snapshot: RedisSnapshot, node: RedisNode): string | undefined {
  if (notPromotable(node) !== undefined) return undefined;
  const master = masterOf(snapshot);
  const others = snapshot.nodes.filter((other) => other !== node && other !== master && notPromotable(other) === undefined);
  if (others.length === 0 || others.some((other) => isFit(snapshot, other))) return undefined;
  return `${node.node} is the only replica that could take over now: ${others.map((other) => other.node).join(' and ')} could not. Bring another one back first`;
}

/** Before a move to `target`: what would make it fail, or make it unsafe. */
export function movingObstacle(snapshot: RedisSnapshot, target: RedisNode, master: RedisNode): string | undefined {
  return (
    sentinelsObstacle(snapshot) ??
    votesObstacle(snapshot) ??
    quorumObstacle(snapshot) ??
    rivalObstacle(snapshot, target, master) ??
    patienceObstacle(snapshot) ??
    ableObstacle(master) ??
    ableObstacle(target) ??
    futureWritesObstacle(snapshot, target)
  );
}

function quorumObstacle(snapshot: RedisSnapshot): string | undefined {
  const without = viewsOf(snapshot).find(({ view }) => !view.isQuorumReached);
  return without === undefined ? undefined : `${without.name} sees no quorum: ${without.view.quorumSays}`;
}

/** Sentinel chooses by priority, and a replica that is not in our hand could be the better one to it. */
function rivalObstacle(snapshot: RedisSnapshot, target: RedisNode, master: RedisNode): string | undefined {
  const strange = strangeReplicas(snapshot);
  if (strange.length > 0)
    return `the Sentinels could promote ${strange.join(' or ')}, which is not registered here. Register it, or set its replica-priority to 0`;
  const down = snapshot.nodes.find((node) => node !== target && node !== master && isDown(node) && !isDrained(node));
  if (down === undefined) return undefined;
  return `node ${down.node} is down and not drained: should it come back in the middle, the Sentinels could choose it. Start or drain it first`;
}

function patienceObstacle(snapshot: RedisSnapshot): string | undefined {
  const short = viewsOf(snapshot).find(({ view }) => view.downAfterMs < LEAST_DOWN_AFTER_MS);
  if (short === undefined) return undefined;
  return `${short.name} takes a master for down after ${short.view.downAfterMs} ms (down-after-milliseconds), and may do so while writes are paused. Set it to ${LEAST_DOWN_AFTER_MS} at least`;
}

function ableObstacle(node: RedisNode): string | undefined {
  const server = serverOf(node);
  if (server === undefined) return undefined;
  if (compareVersions(server.version, PAUSES_SINCE) < 0)
    return `node ${node.node} runs Redis ${server.version}, and only ${PAUSES_SINCE} and later can pause writes`;
  // The fence is to follow itself, which keeps nobody from writing there then.
  if (!server.isReadOnlyReplica)
    return `Redis on ${node.node} would take writes as a replica too, and lose them (replica-read-only no). Set it to yes`;
  if (!server.hasConfigFile) return `Redis on ${node.node} was started without a configuration file, so it would forget its role`;
  return undefined;
}

/** What the new master needs to take writes, once the old one follows it. */
function futureWritesObstacle(snapshot: RedisSnapshot, target: RedisNode): string | undefined {
  const needed = serverOf(target)?.leastReplicas ?? 0;
  const others = snapshot.nodes.filter((node) => node !== target && (isWritable(node) || streams(snapshot, node))).length;
  if (others >= needed) return undefined;
  return `${target.node} would take writes only with ${needed} replicas (min-replicas-to-write), and it would have ${others}`;
}

/** Why nothing can be set on a node so that it stays set; undefined: it can. */
export function fileObstacle(node: RedisNode): string | undefined {
  const unit = unitOf(node);
  if (serverOf(node)?.hasConfigFile === false)
    return `Redis on ${node.node} was started without a configuration file, so what is set there is forgotten with its next start`;
  if (unit === undefined || unit.file.read) return undefined;
  return `the configuration file of ${node.node} cannot be looked at (${unit.file.reason}), so it cannot be verified what is in it`;
}
