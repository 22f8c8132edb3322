import { onHost, stuck, wait, type PatroniNext } from './next.js';
import type { PatroniGoal, PatroniNode, PatroniSnapshot } from './snapshot.js';
import { apiOf, isDown, isWritable, leaderOf, streams, unitOf, viewedMember } from './topology.js';

const DEFAULT_LOOP_MS = 10_000;
/** Beyond two of Patroni's loops: by then a reload has reached everybody. */
const RELOAD_MARGIN_MS = 5_000;

/** Electable again: our tag is gone from the disk, and neither the member nor the cluster shows it any more. */
export function nextRelease(snapshot: PatroniSnapshot, goal: PatroniGoal, node: PatroniNode): PatroniNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (unit.held) return stuck(`node ${node.node} is held: join it before it is released`);
  if (!unit.tagged) return shown(snapshot, goal, node);
  const leader = leaderOf(snapshot);
  if (leader === undefined) return wait('no node is seen to lead');
  if (!isWritable(node) && !streams(snapshot, node))
    return stuck(`node ${node.node} does not stream from ${leader.node}: join it before it is released`);
  return onHost(goal, 'untag', node);
}

/**
 * The running member reads its configuration anew when it is told to, which a lost link or a broken file of its owner can
 * prevent: so it is told again, and a tag that does not go is not called released. A node whose owner excludes it keeps its own.
 */
function shown(snapshot: PatroniSnapshot, goal: PatroniGoal, node: PatroniNode): PatroniNext {
  const api = apiOf(node);
  if (isDown(node)) return stuck(`node ${node.node} is down: join it before it is released`);
  if (api === undefined)
    return wait(`the member of node ${node.node} does not answer, so it is not known whether its tag is gone`);
  if (!isWritable(node) && !streams(snapshot, node)) return wait(`node ${node.node} does not stream yet`);
  const own = api.member.tags.nofailover;
  const seen = viewedMember(snapshot, node)?.tags.nofailover === true;
  if (node.notPromotable !== undefined || (!own && !seen)) return { next: 'done' };
  const patienceMs = 2 * (snapshot.config?.loopWaitMs ?? DEFAULT_LOOP_MS) + RELOAD_MARGIN_MS;
  const sinceMs = Math.min(goal.unchangedMs ?? 0, goal.asked?.get(`untag ${node.node}`)?.agoMs ?? Infinity);
  if (sinceMs <= patienceMs) return wait(`${own ? `node ${node.node}` : 'the cluster'} still shows its tag nofailover`);
  return onHost(goal, 'untag', node);
}
