import { clusterObstacle, leavingObstacle } from './guards.js';
import { comeUp } from './next-join.js';
import { onNode, stuck, wait, type PacemakerNext } from './next.js';
import type { PacemakerGoal, PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import { isDown, isHeld, isJoinedToAll, isOff, isOnline, serves, stackOf } from './topology.js';

/** The stack off, where it is. Pacemaker moves what ran there, and a stop never moves the workload: so who serves is not stopped. */
export function nextStop(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): PacemakerNext {
  const stack = stackOf(node);
  if (stack === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isDown(node)) return { next: 'done' };
  if (stack.pacemaker.activeState === 'deactivating') return wait(`pacemaker on ${node.node} is stopping`);
  if (!isOff(stack.pacemaker.activeState)) {
    const obstacle = stopObstacle(snapshot, goal.workload, node);
    return obstacle === undefined
      ? onNode(goal, 'stop-pacemaker', node)
      : stuck(`node ${node.node} was not stopped: ${obstacle}`);
  }
  return stack.corosync.activeState === 'deactivating'
    ? wait(`corosync on ${node.node} is stopping`)
    : onNode(goal, 'stop-corosync', node);
}

function stopObstacle(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): string | undefined {
  if (!serves(snapshot, node)) return clusterObstacle(snapshot) ?? leavingObstacle(snapshot, node);
  const isAlone = snapshot.nodes.every((other) => other === node || !isOnline(snapshot, other));
  return isAlone ? undefined : `it serves ${workload}, and Pacemaker would start that elsewhere. Stop or drain the others first`;
}

/** The stack on. Who serves is Pacemaker's to decide. */
export function nextStart(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): PacemakerNext {
  const stack = stackOf(node);
  if (stack === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isHeld(node)) return stuck(`node ${node.node} is drained: join it`);
  const next = comeUp(snapshot, goal, node, stack);
  if (next !== undefined) return next;
  return serves(snapshot, node) || isJoinedToAll(snapshot, node)
    ? { next: 'done' }
    : wait(`node ${node.node} does not follow yet`);
}
