import { nextRestored } from './next-priority.js';
import { stuck, wait, type RedisNext } from './next.js';
import type { RedisGoal, RedisNode, RedisSnapshot } from './snapshot.js';
import { isWritable, masterOf, streams, unitOf } from './topology.js';

/** Electable again: its priority is what it was, in its configuration file and to every Sentinel, and our note is gone. */
export function nextRelease(snapshot: RedisSnapshot, goal: RedisGoal, node: RedisNode): RedisNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (unit.held) return stuck(`node ${node.node} is held: join it before it is released`);
  if (unit.kept === null) return { next: 'done' };
  const master = masterOf(snapshot);
  if (master === undefined) return wait('no node is seen to be the master');
  if (!isWritable(node) && !streams(snapshot, node))
    return stuck(`node ${node.node} does not receive the stream of ${master.node}: join it before it is released`);
  return nextRestored(snapshot, goal, node) ?? { next: 'done' };
}
