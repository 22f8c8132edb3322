import { giveBack, hasLost } from './give-back.js';
import { movingObstacle } from './guards.js';
import { nextLowered, nextRestored } from './next-priority.js';
import {
  actOrGiveUp,
  askedOf,
  awaited,
  isAct,
  isStuck,
  MOST_TIMES,
  perform,
  stuck,
  triedInVain,
  wait,
  type RedisNext,
} from './next.js';
import type { RedisAct, RedisGoal, RedisNode, RedisSnapshot, Sentinel } from './snapshot.js';
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
  strangeReplicas,
  streams,
  unitOf,
  unknownOnes,
  viewsOf,
} from './topology.js';

/** A Sentinel that took the order has promoted within this time, or will not. */
const PROMOTION_LIMIT_MS = 8_000;
/** The pause, a promotion that fails, and the way back. */
const LEAST_LEFT_MS = 15_000;
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
  const fenced = snapshot.nodes.find(isFenced);
  const [master] = writable;
  if (master === target) return settle(snapshot, goal, target, fenced);
  if (master !== undefined && fenced !== undefined) return overtaken(snapshot, goal, master, fenced);
  if (goal.gaveUp !== undefined) return putBack(snapshot, goal, goal.gaveUp, fenced);
  if (master === undefined) return nobodyLeads(snapshot, goal, target, fenced);
  if (isBegun(goal) && goal.firstMaster !== undefined && goal.firstMaster !== master.node)
    return restored(snapshot, goal) ?? stuck(`the Sentinels promoted ${master.node} in place of ${target.node}`);
  return prepare(snapshot, goal, target, master);
}

/** This call has taken writes away. */
function isBegun(goal: RedisGoal): boolean {
  return [...(goal.asked?.keys() ?? [])].some((name) => name.startsWith('fence ') || name.startsWith('failover '));
}

function nobodyLeads(snapshot: RedisSnapshot, goal: RedisGoal, target: RedisNode, fenced: RedisNode | undefined): RedisNext {
  if (fenced === undefined)
    return wait('no node is seen to be the master, so it is not known whom to move away from', isBegun(goal));
  return fenced === target
    ? giveBack(snapshot, goal, fenced, `the workload shall be on ${target.node}`)
    : promote(snapshot, goal, target, fenced);
}

/** Since an earlier move was cut off, somebody else leads: to take the fenced one's mark away would make two masters. */
function overtaken(snapshot: RedisSnapshot, goal: RedisGoal, master: RedisNode, fenced: RedisNode): RedisNext {
  const open = [
    ...sentinelsAgainst(snapshot, master),
    ...failingOver(snapshot).map((name) => `${name} has not ended its failover`),
  ];
  if (open.length > 0) return awaited(open.join('; '));
  if (viewsOf(snapshot).length === 0) return wait('no Sentinel answers that could say who leads');
  return actOrGiveUp(goal, { act: 'follow', host: fenced.host, node: fenced.node, master: master.node });
}

function prepare(snapshot: RedisSnapshot, goal: RedisGoal, target: RedisNode, master: RedisNode): RedisNext {
  const open = [...unknownOnes(snapshot), ...silentSentinels(snapshot), ...sentinelsAgainst(snapshot, master)];
  if (open.length > 0) return wait(open.join('; '));
  const busy = failingOver(snapshot);
  if (busy.length > 0) return wait(`a failover is in progress: ${busy.join(' and ')} says so`);
  // Taken out of an earlier move's way, which was given up or cut off.
  const stale = unitOf(target)?.kept?.purpose === 'switchover' ? nextRestored(snapshot, goal, target) : undefined;
  if (stale !== undefined) return stale;
  const others = othersOf(snapshot, target, master);
  const fence: RedisAct = { act: 'fence', host: master.host, node: master.node, target: target.node };
  const obstacle =
    targetObstacle(snapshot, target, master) ??
    movingObstacle(snapshot, target, master) ??
    laggingObstacle(snapshot, master) ??
    callObstacle(goal, fence, others);
  // Priorities that were taken away before it was seen go back.
  if (obstacle !== undefined) return restored(snapshot, goal) ?? stuck(`the workload stays on ${master.node}: ${obstacle}`);
  const lowering = others.flatMap((node) => nextLowered(snapshot, goal, node, 'switchover') ?? []);
  const next = lowering.find(isStuck) ?? lowering.find(isAct) ?? lowering[0] ?? perform(fence);
  return isStuck(next) ? (restored(snapshot, goal) ?? next) : next;
}

/** What this call tried often enough, or has no time for: nobody takes writes from a fence to the promotion or the way back. */
function callObstacle(goal: RedisGoal, fence: RedisAct, others: readonly RedisNode[]): string | undefined {
  if (goal.leftMs !== undefined && goal.leftMs < LEAST_LEFT_MS)
    return `${Math.round(goal.leftMs / 1_000)} s are left, and a move and its way back may take ${LEAST_LEFT_MS / 1_000} s`;
  const lowered = others
    .filter((node) => serverOf(node)?.priority !== 0)
    .map(({ host, node }): RedisAct => ({ act: 'lower', host, node }));
  return [fence, ...lowered].flatMap((act) => {
    const asked = askedOf(goal, act.act, act.node);
    return asked !== undefined && asked.times >= MOST_TIMES ? [triedInVain(act, asked)] : [];
  })[0];
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
  if (because !== undefined) return giveBack(snapshot, goal, fenced, because);
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
  // One that was restarted behind the fence has another history. What it had then, this call saw on the target.
  const isKnownToHaveAll = hasLost(snapshot, fenced) && askedOf(goal, 'fence', fenced.node)?.outcome === 'ended';
  if (behind !== 0 && !isKnownToHaveAll)
    return `${target.node} lacks ${behind ?? 'an unknown number of'} bytes of ${fenced.node}, and would lose them`;
  const rival = othersOf(snapshot, target, fenced).find((node) => serverOf(node)?.priority !== 0);
  const stranger = rival?.node ?? strangeReplicas(snapshot)[0];
  return stranger === undefined ? undefined : `a Sentinel could promote ${stranger} in place of ${target.node}`;
}

/**
 * Never the target's own: cut off with it, it would promote it all the same, where nobody sees that. Not the old master's if there is
 * another.
 */
function sentinelFor(snapshot: RedisSnapshot, target: RedisNode, old: RedisNode): Sentinel | undefined {
  const able = snapshot.sentinels.filter(({ node, view }) => view.says === 'answers' && node !== target.node);
  return able.find(({ node }) => node !== old.node) ?? able[0];
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
  const silent = silentSentinels(snapshot);
  if (silent.length > 0) return wait(silent.join('; '));
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
  return restoring.find(isAct) ?? restoring.find(({ next }) => next === 'wait') ?? restoring[0];
}

/** Given up: whoever was the master takes writes, priorities are what they were, and it is said why. */
function putBack(snapshot: RedisSnapshot, goal: RedisGoal, because: string, fenced: RedisNode | undefined): RedisNext {
  if (failingOver(snapshot).length > 0) return awaited('a Sentinel is in the middle of a failover', true);
  if (fenced !== undefined) return giveBack(snapshot, goal, fenced, because);
  if (masterOf(snapshot) === undefined) return wait('no node is seen to be the master');
  return restored(snapshot, goal) ?? stuck(`given up, and everything is as it was before: ${because}`);
}
