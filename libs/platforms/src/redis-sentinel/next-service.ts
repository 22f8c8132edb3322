import { runUnit } from './next-join.js';
import { onNode, stuck, wait, type RedisNext } from './next.js';
import type { RedisGoal, RedisNode, RedisSnapshot } from './snapshot.js';
import { isDown, isWritable, serverOf, unitOf } from './topology.js';

/**
 * The unit off, where it is. The Sentinels promote somebody else when the master stops, and a stop never moves the
 * workload: so a master is stopped only where nobody could be promoted in its place.
 */
export function nextStop(snapshot: RedisSnapshot, goal: RedisGoal, node: RedisNode): RedisNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isDown(node)) return { next: 'done' };
  if (isWritable(node)) {
    const heirs = snapshot.nodes.filter((other) => other !== node && mayInherit(other)).map((other) => other.node);
    if (heirs.length > 0)
      return stuck(
        `node ${node.node} is the master, and the Sentinels would promote ${heirs.join(' or ')} when it stops: stop or drain the others first, or patch this cluster in a rolling way`,
      );
  }
  if (unit.activeState === 'deactivating') return wait(`${unit.name} on ${node.node} is stopping`);
  if (unit.activeState === 'inactive' || unit.activeState === 'failed')
    return wait(`${unit.name} on ${node.node} is off, and something of it still answers`);
  return onNode(goal, 'stop', node);
}

/** Not seen to be out of the race: of an unknown one it cannot be excluded. */
function mayInherit(node: RedisNode): boolean {
  return !isDown(node) && serverOf(node)?.priority !== 0;
}

/** The unit on, with its data loaded. Whether it is the master or follows is the Sentinels' to decide. */
export function nextStart(goal: RedisGoal, node: RedisNode): RedisNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (unit.held) return stuck(`node ${node.node} is drained: join it`);
  return runUnit(goal, node, unit) ?? { next: 'done' };
}
