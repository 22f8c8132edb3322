import { actOrGiveUp, askedOf, awaited, wait, type RedisNext } from './next.js';
import { isSamePlace } from './settings.js';
import type { RedisGoal, RedisNode, RedisSnapshot, Sentinel } from './snapshot.js';
import { bytesBehind, failingOver, sentinelName, serverOf, viewedReplica, viewsOf, whoIsAt } from './topology.js';

/** A replica without a master's position shows this: one that follows itself has none when it was restarted since. */
const NO_POSITION = 1;
/** The Sentinels take a master that says it is a replica for down after 20 s and `down-after-milliseconds`: until then nobody promotes unasked. */
const UNASKED_MS = 20_000;

/** The fenced master takes writes again, if nobody can be promoted beside it and it has every write; else that is waited for. Pure. */
export function giveBack(snapshot: RedisSnapshot, goal: RedisGoal, fenced: RedisNode, because: string): RedisNext {
  const busy = failingOver(snapshot);
  if (busy.length > 0) return awaited(`a failover is in progress: ${busy.join(' and ')} says so`, true);
  const elsewhere = viewsOf(snapshot).find(({ view }) => !isSamePlace(view.master, fenced));
  if (elsewhere !== undefined)
    return awaited(`${elsewhere.name} names ${whoIsAt(snapshot, elsewhere.view.master)} as the master already`, true);
  const hidden = isUnasked(goal, fenced)
    ? undefined
    : snapshot.sentinels.find((sentinel) => mayPromoteUnseen(snapshot, fenced, sentinel));
  if (hidden !== undefined) return awaited(`${sentinelName(hidden)} does not answer, and may have been asked to promote`, true);
  if (hasLost(snapshot, fenced))
    return wait(
      `${fenced.node} was restarted since it takes no writes, and may lack some: it is not given back. The Sentinels take it for down and promote another`,
      true,
    );
  return actOrGiveUp(goal, { act: 'give-back', host: fenced.host, node: fenced.node, because }, true);
}

/** This call itself took the writes away, a short time ago, and asked nobody to promote. */
function isUnasked(goal: RedisGoal, fenced: RedisNode): boolean {
  const asked = [...(goal.asked?.keys() ?? [])].some((name) => name.startsWith('failover '));
  const agoMs = askedOf(goal, 'fence', fenced.node)?.agoMs;
  return !asked && agoMs !== undefined && agoMs < UNASKED_MS;
}

/** Silent, and not for the reason that its host is away with the one who was to be promoted: that one's Sentinel is never asked. */
function mayPromoteUnseen(snapshot: RedisSnapshot, fenced: RedisNode, { node, view }: Sentinel): boolean {
  if (view.says === 'answers') return false;
  const beside = snapshot.nodes.find((candidate) => candidate.node === node && candidate !== fenced);
  return beside === undefined || serverOf(beside) !== undefined || !isHeir(snapshot, beside);
}

/** A Sentinel that answers would choose it. */
function isHeir(snapshot: RedisSnapshot, node: RedisNode): boolean {
  return viewsOf(snapshot).some(({ view }) => (viewedReplica(view, node)?.priority ?? 0) > 0);
}

/** A fenced master that was restarted has what its disk had: without its position, or behind another of its history. Pure. */
export function hasLost(snapshot: RedisSnapshot, fenced: RedisNode): boolean {
  return hasNoPosition(fenced) || snapshot.nodes.some((node) => (bytesBehind(node, fenced) ?? 0) > 0);
}

export function hasNoPosition(fenced: RedisNode): boolean {
  return (serverOf(fenced)?.offset ?? 0) <= NO_POSITION;
}
