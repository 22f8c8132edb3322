import { fileObstacle } from './guards.js';
import { actOrGiveUp, notReported, onNode, stuck, wait, type RedisNext } from './next.js';
import type { Kept, RedisGoal, RedisNode, RedisSnapshot, Unit } from './snapshot.js';
import { isWritable, serverOf, unitOf } from './topology.js';

/**
 * Priority 0 and back. What it was is noted on the node's own host first, in a file of ours that survives a reboot, and
 * the note goes last: wherever a crash falls in between, the note says what to go back to.
 */

/** Not promotable, on disk and in the eyes of every Sentinel; undefined when it is so. */
export function nextLowered(
  snapshot: RedisSnapshot,
  goal: RedisGoal,
  node: RedisNode,
  purpose: Kept['purpose'],
): RedisNext | undefined {
  const [server, unit] = [serverOf(node), unitOf(node)];
  if (server === undefined || unit === undefined) return wait(`node ${node.node} cannot be asked for its priority`);
  const obstacle = fileObstacle(node);
  if (obstacle !== undefined) return stuck(obstacle);
  if (server.priority === null) return stuck(`node ${node.node} does not tell its replica-priority: may the login use CONFIG?`);
  if (!isNoted(unit, purpose)) {
    const kept = { purpose, priority: unit.kept?.priority ?? server.priority };
    return actOrGiveUp(goal, { act: 'keep', host: node.host, node: node.node, kept });
  }
  if (server.priority !== 0 || !isOnDisk(unit)) return onNode(goal, 'lower', node);
  const late = notReported(snapshot, node, 0);
  return late === undefined ? undefined : wait(late);
}

/** A note for a drain serves a switchover too. */
function isNoted({ kept }: Unit, purpose: Kept['purpose']): boolean {
  return kept !== null && (purpose === 'switchover' || kept.purpose === 'drain');
}

function isOnDisk({ file }: Unit): boolean {
  return file.read && file.priority === 0 && file.follows !== null;
}

/** Its priority as it was, on disk and in the eyes of every Sentinel, and our note gone; undefined when it is so. */
export function nextRestored(snapshot: RedisSnapshot, goal: RedisGoal, node: RedisNode): RedisNext | undefined {
  const [server, unit] = [serverOf(node), unitOf(node)];
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (unit.kept === null) return undefined;
  if (server === undefined) return wait(`node ${node.node} does not answer, so its priority cannot be set back`);
  const obstacle = fileObstacle(node);
  if (obstacle !== undefined) return stuck(obstacle);
  const { priority } = unit.kept;
  const isWritten = unit.file.read && unit.file.priority === priority;
  if (server.priority !== priority || !isWritten)
    return actOrGiveUp(goal, { act: 'restore', host: node.host, node: node.node, priority });
  const late = isWritable(node) ? undefined : notReported(snapshot, node, priority);
  return late === undefined ? onNode(goal, 'forget', node) : wait(late);
}
