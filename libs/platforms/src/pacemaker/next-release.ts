import { foretoldElsewhere } from './guards.js';
import { actOrGiveUp, stuck, untold, wait, type PacemakerNext } from './next.js';
import type { PacemakerGoal, PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import { activeOf, bans, isDown, isHeld, isJoinedToAll, isOnline, memberOf, stackOf } from './topology.js';

/** Electable again: our bans are gone. Before, the scheduler is asked whether the workload would stay where it is. */
export function nextRelease(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): PacemakerNext {
  if (stackOf(node) === undefined) return wait(`host ${node.host} cannot be looked at`);
  const out = whyOut(snapshot, node);
  if (out !== undefined) return stuck(`node ${node.node} is ${out}: join it before it is released`);
  if (!isOnline(snapshot, node)) return wait(`node ${node.node} is not an online member`);
  if (!isJoinedToAll(snapshot, node)) return wait(`node ${node.node} does not follow yet`);
  const [first] = bans(snapshot, node);
  if (first === undefined) return { next: 'done' };
  const active = activeOf(snapshot, goal.workload);
  if (active === undefined) return wait(`nobody is seen to serve ${goal.workload}`);
  const resource = first.resource ?? goal.workload;
  if (goal.trial?.says !== 'answers') return untold(goal);
  const foretold = foretoldElsewhere(goal.trial, goal.workload, active);
  if (foretold !== undefined) return stuck(`node ${node.node} stays banned: ${foretold}`);
  return actOrGiveUp(goal, { act: 'unban', host: node.host, node: node.node, resource });
}

function whyOut(snapshot: PacemakerSnapshot, node: PacemakerNode): string | undefined {
  if (isHeld(node)) return 'held';
  if (isDown(node)) return 'down';
  const isStandby = stackOf(node)?.standbyIsOurs === true || memberOf(snapshot, node)?.isStandby === true;
  return isStandby ? 'on standby' : undefined;
}
