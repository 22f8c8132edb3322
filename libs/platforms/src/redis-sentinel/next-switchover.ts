import { movingObstacle } from './guards.js';
import { nextLowered, nextRestored } from './next-priority.js';
import { actOrGiveUp, askedOf, awaited, MOST_TIMES, perform, stuck, wait, type RedisNext } from './next.js';
import type { RedisGoal, RedisNode, RedisSnapshot, Sentinel } from './snapshot.js';
import {
  bytesBehind,
  failingOver,
  isDown,
  isDrained,
  isFenced,
  isFit,
  isWritable,
  masterOf,
  notPromotable,
  sentinelsAgainst,
  serverOf,
  silentSentinels,
  streams,
  unitOf,
  unknownOnes,
} from './topology.js';

/** A Sentinel that took the order has promoted within this time, or will not. */
const PROMOTION_LIMIT_MS = 8_000;
/** A target that is silent while nobody serves is waited for this long. */
const SILENCE_LIMIT_MS = 3_000;

/**
 * The workload to `target` without a lost write. A Sentinel's own failover would lose what the old master acknowledges until it is
 * demoted. So: every other replica out of the election (priority 0, seen by every Sentinel); writes paused; when the target has every
 * byte, the old master is fenced, it follows itself and takes no writes however long the rest takes; only then is a Sentinel asked.
 * The target leads: the old master follows it, priorities go back. Given up before anybody is promoted: the old master takes writes again.
 */
export function nextSwitchover(snapshot: RedisSnapshot, goal: RedisGoal, target: RedisNode): RedisNext {
  const writable = snapshot.nodes.filter(isWritable);
  if (writable.length > 1) return stuck(`more than one node takes writes: ${writable.map(({ node }) => node).join(', ')}`);
  const fenced = snapshot.nodes.find((node) => node !== target && isFenced(node));
  if (isWritable(target)) return settle(snapshot, goal, target, fenced);
  if (goal.gaveUp !== undefined) return putBack(snapshot, goal, goal.gaveUp, fenced);
  if (fenced !== undefined) return promote(snapshot, goal, target, fenced);
  const [master] = writable;
  if (master === undefined)
    return wait('no node is seen to be the master, so it is not known whom to move away from', isBegun(goal));
  if (isBegun(goal) && goal.firstMaster !== undefined && goal.firstMaster !== master.node)
    return stuck(`the Sentinels promoted ${master.node} in place of ${target.node}`);
  return prepare(snapshot, goal, target, master);
}

/** This call has taken writes away. */
function isBegun(goal: RedisGoal): boolean {
  return [...(goal.asked?.keys() ?? [])].some((name) => name.startsWith('fence ') || name.startsWith('failover '));
}

function prepare(snapshot: RedisSnapshot, goal: RedisGoal, target: RedisNode, master: RedisNode): RedisNext {
  const open = [...unknownOnes(snapshot), ...silentSentinels(snapshot), ...sentinelsAgainst(snapshot, master)];
  if (open.length > 0) return wait(open.join('; '));
  const busy = failingOver(snapshot);
  if (busy.length > 0) return wait(`a failover is in progress: ${busy.join(' and ')} says so`);
  // Taken out of an earlier move's way, which was given up or cut off.
  const stale = unitOf(target)?.kept?.purpose === 'switchover' ? nextRestored(snapshot, goal, target) : undefined;
  if (stale !== undefined) return stale;
  const obstacle =
    targetObstacle(snapshot, target, master) ?? movingObstacle(snapshot, target, master) ?? laggingObstacle(snapshot, master);
  // Priorities that were taken away before it was seen go back.
  if (obstacle !== undefined) return restored(snapshot, goal) ?? stuck(`the workload stays on ${master.node}: ${obstacle}`);
  const others = othersOf(snapshot, target, master);
  const lowering = others.flatMap((node) => nextLowered(snapshot, goal, node, 'switchover') ?? []);
  return (
    lowering.find(({ next }) => next !== 'wait') ??
    lowering[0] ??
    actOrGiveUp(goal, { act: 'fence', host: master.host, node: master.node, target: target.node })
  );
}

/** Replicas that a Sentinel could choose in place of the target. */
function othersOf(snapshot: RedisSnapshot, target: RedisNode, master: RedisNode): readonly RedisNode[] {
  return snapshot.nodes.filter((node) => node !== target && node !== master && !isDown(node));
}

function targetObstacle(snapshot: RedisSnapshot, target: RedisNode, master: RedisNode): string | undefined {
  const reason = notPromotable(target);
  if (reason !== undefined) return `${target.node} must not become the master: ${reason}`;
  const kept = unitOf(target)?.kept;
  if (isDrained(target) || unitOf(target)?.held === true || kept?.purpose === 'drain')
    return `${target.node} is drained; join and release it first`;
  if (!isFit(snapshot, target))
    return `${target.node} does not receive the stream of ${master.node}, or is too far behind, or has priority 0`;
  return undefined;
}

/** One that lags would lose its data to the new master's, or keep a Sentinel busy with it. */
function laggingObstacle(snapshot: RedisSnapshot, master: RedisNode): string | undefined {
  const behind = snapshot.nodes.filter((node) => node !== master && !isDrained(node) && !streams(snapshot, node));
  return behind.length === 0 ? undefined : `${behind.map(({ node }) => node).join(' and ')} does not receive its stream`;
}

/** Nobody takes writes now. */
function promote(snapshot: RedisSnapshot, goal: RedisGoal, target: RedisNode, fenced: RedisNode): RedisNext {
  const asked = askedOf(goal, 'failover', target.node);
  const busy = failingOver(snapshot);
  const isAwaited = busy.length > 0 || (asked !== undefined && asked.outcome !== 'refused' && asked.agoMs < PROMOTION_LIMIT_MS);
  if (isAwaited) return awaited(`a Sentinel was asked to promote ${target.node}`, true);
  const because = whyNotPromote(snapshot, goal, target, fenced);
  if (because === 'wait') return wait(`${target.node} does not answer`, true);
  if (because !== undefined) return perform({ act: 'give-back', host: fenced.host, node: fenced.node, because }, true);
  const sentinel = sentinelFor(snapshot, target, fenced);
  if (sentinel === undefined) return wait('no Sentinel answers that could promote', true);
  const { address, port } = sentinel;
  return perform({ act: 'failover', host: target.host, node: target.node, sentinel: { address, port } }, true);
}

function whyNotPromote(snapshot: RedisSnapshot, goal: RedisGoal, target: RedisNode, fenced: RedisNode): string | undefined {
  const asked = askedOf(goal, 'failover', target.node);
  if (asked !== undefined && asked.times >= MOST_TIMES)
    return `a Sentinel was asked ${asked.times} times to promote ${target.node}, and did not. It said: ${asked.said}`;
  if (serverOf(target) === undefined) {
    const sinceMs = askedOf(goal, 'fence', fenced.node)?.agoMs ?? SILENCE_LIMIT_MS;
    return sinceMs < SILENCE_LIMIT_MS ? 'wait' : `${target.node} does not answer`;
  }
  const behind = bytesBehind(fenced, target);
  if (behind !== 0)
    return `${target.node} lacks ${behind ?? 'an unknown number of'} bytes of ${fenced.node}, and would lose them`;
  const rival = othersOf(snapshot, target, fenced).find((node) => serverOf(node)?.priority !== 0);
  return rival === undefined ? undefined : `a Sentinel could promote ${rival.node} in place of ${target.node}`;
}

/** Not the one beside the old master, if there is another: it goes on as the others do, and has the least to do with it. */
function sentinelFor(snapshot: RedisSnapshot, target: RedisNode, old: RedisNode): Sentinel | undefined {
  const answering = snapshot.sentinels.filter(({ view }) => view.says === 'answers');
  return answering.find(({ node }) => node === target.node) ?? answering.find(({ node }) => node !== old.node) ?? answering[0];
}

/** The target takes writes: everybody follows it, every Sentinel knows, and priorities are what they were. */
function settle(snapshot: RedisSnapshot, goal: RedisGoal, target: RedisNode, fenced: RedisNode | undefined): RedisNext {
  const follow = (node: RedisNode): RedisNext =>
    actOrGiveUp(goal, { act: 'follow', host: node.host, node: node.node, master: target.node });
  if (fenced !== undefined) return follow(fenced);
  const busy = failingOver(snapshot);
  const against = sentinelsAgainst(snapshot, target);
  if (busy.length > 0 || against.length > 0)
    return awaited([...against, ...busy.map((name) => `${name} has not ended its failover`)].join('; '));
  const followers = snapshot.nodes.filter((node) => node !== target && !isDown(node));
  const stray = followers.find((node) => serverOf(node) !== undefined && !followsPlaceOf(node, target));
  if (stray !== undefined) return follow(stray);
  const late = followers.filter((node) => !streams(snapshot, node)).map(({ node }) => node);
  if (late.length > 0) return wait(`${late.join(' and ')} does not receive the stream of ${target.node} yet`);
  return restored(snapshot, goal) ?? { next: 'done' };
}

function followsPlaceOf(node: RedisNode, master: RedisNode): boolean {
  const followed = serverOf(node)?.link?.master;
  return followed?.port === master.port && followed.address.toLowerCase() === master.address.toLowerCase();
}

/** What we took away for this move alone; what a drain took away stays away. */
function restored(snapshot: RedisSnapshot, goal: RedisGoal): RedisNext | undefined {
  const ours = snapshot.nodes.filter((node) => unitOf(node)?.kept?.purpose === 'switchover');
  const restoring = ours.flatMap((node) => nextRestored(snapshot, goal, node) ?? []);
  return restoring.find(({ next }) => next !== 'wait') ?? restoring[0];
}

/** Given up: whoever was the master takes writes, priorities are what they were, and it is said why. */
function putBack(snapshot: RedisSnapshot, goal: RedisGoal, because: string, fenced: RedisNode | undefined): RedisNext {
  if (failingOver(snapshot).length > 0) return awaited('a Sentinel is in the middle of a failover', true);
  if (fenced !== undefined) return actOrGiveUp(goal, { act: 'give-back', host: fenced.host, node: fenced.node, because }, true);
  if (masterOf(snapshot) === undefined) return wait('no node is seen to be the master');
  return restored(snapshot, goal) ?? stuck(`given up, and everything is as it was before: ${because}`);
}
