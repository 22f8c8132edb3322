import { clusterObstacle, drainMoves, leavingObstacle, workloadObstacle } from './guards.js';
import { onNode, stuck, untold, wait, type PacemakerNext } from './next.js';
import type { PacemakerGoal, PacemakerNode, PacemakerSnapshot, Stack } from './snapshot.js';
import {
  activeOf,
  isDown,
  isDrained,
  isOff,
  memberOf,
  picture,
  serves,
  stackOf,
  touchedBy,
  underWay,
  unknownOnes,
} from './topology.js';

/**
 * Out of service and not electable, on disk: the node goes on standby, and when nothing runs there any more its two units are held,
 * Pacemaker first. The cluster itself is never put in maintenance mode.
 */
export function nextDrain(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): PacemakerNext {
  const stack = stackOf(node);
  if (stack === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isDrained(node)) return { next: 'done' };
  if (serves(snapshot, node))
    return stuck(`node ${node.node} serves ${goal.workload}: a drain never moves the workload, switch over first`);
  // Begun: going on is safer than a node that is half out.
  if (stack.pacemaker.held || stack.corosync.held || isDown(node)) return hold(goal, node, stack);
  if (!stack.standbyIsOurs) return mayNotLeave(snapshot, goal, node) ?? onNode(goal, 'standby', node);
  return emptied(snapshot, goal, node, stack);
}

function mayNotLeave(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): PacemakerNext | undefined {
  const unknown = unknownOnes(snapshot);
  if (unknown.length > 0) return wait(unknown.join('; '));
  const obstacle = clusterObstacle(snapshot) ?? workloadObstacle(snapshot, goal.workload) ?? leavingObstacle(snapshot, node);
  if (obstacle !== undefined) return stuck(`node ${node.node} stays: ${obstacle}`);
  if (activeOf(snapshot, goal.workload) === undefined) return wait(`nobody is seen to serve ${goal.workload}`);
  const busy = underWay(snapshot);
  if (busy.length > 0) return wait(`Pacemaker is at work: ${busy.join('; ')}`);
  if (goal.trial?.says !== 'answers') return untold(goal);
  const moves = drainMoves(snapshot, goal.trial, node);
  return moves === undefined ? undefined : stuck(`node ${node.node} stays: ${moves}`);
}

/** On standby by us; over when the cluster has nothing there any more. */
function emptied(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode, stack: Stack): PacemakerNext {
  const member = memberOf(snapshot, node);
  if (member === undefined || picture(snapshot) === undefined) return wait('the cluster cannot be seen from any node');
  if (!member.isStandby) return onNode(goal, 'standby', node);
  const there = runningOn(snapshot, node);
  if (there.length > 0) return wait(`still on ${node.node}: ${there.join(', ')}`);
  return hold(goal, node, stack);
}

function runningOn(snapshot: PacemakerSnapshot, { member }: PacemakerNode): readonly string[] {
  const resources = picture(snapshot)?.crm.resources ?? [];
  return resources.filter((resource) => touchedBy(resource).has(member)).map(({ id }) => id);
}

function hold(goal: PacemakerGoal, node: PacemakerNode, { pacemaker, corosync }: Stack): PacemakerNext {
  if (pacemaker.activeState === 'deactivating') return wait(`pacemaker on ${node.node} is stopping`);
  if (!pacemaker.held || !isOff(pacemaker.activeState)) return onNode(goal, 'hold-pacemaker', node);
  if (corosync.activeState === 'deactivating') return wait(`corosync on ${node.node} is stopping`);
  return onNode(goal, 'hold-corosync', node);
}
