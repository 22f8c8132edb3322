import { clusterObstacle } from './guards.js';
import { outlived } from './next-drain.js';
import { failedToCome, runUnit } from './next-join.js';
import { onHost, stuck, wait, type PatroniNext } from './next.js';
import type { PatroniGoal, PatroniNode, PatroniSnapshot } from './snapshot.js';
import { apiOf, isDown, isOff, isWritable, runs, unitOf } from './topology.js';

/**
 * The unit off, where it is. Patroni promotes somebody else when its leader stops, and a stop never moves the workload:
 * so a leader is stopped only where nobody could be promoted in its place.
 */
export function nextStop(snapshot: PatroniSnapshot, goal: PatroniGoal, node: PatroniNode): PatroniNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isDown(node)) return { next: 'done' };
  const obstacle = clusterObstacle(snapshot);
  if (obstacle !== undefined) return stuck(`node ${node.node} was not stopped: ${obstacle}`);
  if (isWritable(node)) {
    const heirs = snapshot.nodes.filter((other) => other !== node && mayInherit(other)).map((other) => other.node);
    if (heirs.length > 0)
      return stuck(
        `node ${node.node} leads, and Patroni would promote ${heirs.join(' or ')} when it stops: stop or drain the others first, or patch this cluster in a rolling way`,
      );
  }
  if (unit.activeState === 'deactivating') return wait(`${unit.name} on ${node.node} is stopping`);
  if (isOff(unit)) return outlived(goal, node, unit);
  return onHost(goal, 'stop', node);
}

/** Not seen to be out of the race: of an unknown one it cannot be excluded. */
function mayInherit(node: PatroniNode): boolean {
  return !isDown(node) && apiOf(node)?.member.tags.nofailover !== true;
}

/** The unit on, and PostgreSQL below it. Whether it leads or follows is Patroni's to decide. */
export function nextStart(goal: PatroniGoal, node: PatroniNode): PatroniNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (unit.held) return stuck(`node ${node.node} is drained: join it`);
  if (runs(node)) return { next: 'done' };
  return (
    runUnit(goal, node, unit) ??
    failedToCome(goal, node) ??
    wait(`PostgreSQL on ${node.node} is coming up (Patroni says: ${apiOf(node)?.member.state ?? 'nothing'})`)
  );
}
