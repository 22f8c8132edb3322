import { foretoldElsewhere, whyNotOffered } from './guards.js';
import { actOrGiveUp, onNode, stuck, untold, wait, type PacemakerNext } from './next.js';
import type { PacemakerGoal, PacemakerNode, PacemakerSnapshot, Stack } from './snapshot.js';
import { activeOf, bans, isJoinedToAll, isOff, isOnline, memberOf, serves, stackOf, unknownOnes } from './topology.js';

/** Starting a resource takes seconds; one that is not there after so long is for a person, and Pacemaker says what it met. */
const COMING_PATIENCE_MS = 25_000;

/**
 * A member again whose replicas follow. The workloads are banned from it before its standby ends, so that nothing of them can be
 * promoted or moved there before it is released, whatever happens to the others.
 */
export function nextJoin(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): PacemakerNext {
  const stack = stackOf(node);
  if (stack === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (serves(snapshot, node)) return stuck(`node ${node.node} serves ${goal.workload}: it is the one to join`);
  return comeUp(snapshot, goal, node, stack) ?? takePart(snapshot, goal, node, stack);
}

/** Both units free and running, and the node a member; undefined when it is. */
export function comeUp(
  snapshot: PacemakerSnapshot,
  goal: PacemakerGoal,
  node: PacemakerNode,
  { pacemaker, corosync }: Stack,
): PacemakerNext | undefined {
  if (corosync.held) return onNode(goal, 'free-corosync', node);
  if (pacemaker.held) return onNode(goal, 'free-pacemaker', node);
  if (isOff(pacemaker.activeState)) return onNode(withLastWords(goal, node, pacemaker), 'start', node);
  const unknown = unknownOnes(snapshot).filter((each) => each.startsWith(`node ${node.node}:`));
  if (unknown.length > 0) return wait(unknown.join('; '));
  return isOnline(snapshot, node) ? undefined : wait(`node ${node.node} is not an online member yet`);
}

/** What is told when the starts are given up: systemd's word for how the last one ended. */
function withLastWords(goal: PacemakerGoal, { node }: PacemakerNode, unit: Stack['pacemaker']): PacemakerGoal {
  const asked = goal.asked?.get(`start ${node}`);
  if (asked === undefined) return goal;
  const said = `${asked.said}; pacemaker.service is ${unit.activeState} (${unit.subState}), and ended with ${unit.result || 'no result'}`;
  return { ...goal, asked: new Map(goal.asked).set(`start ${node}`, { ...asked, said }) };
}

function takePart(
  snapshot: PacemakerSnapshot,
  goal: PacemakerGoal,
  node: PacemakerNode,
  { standbyIsOurs }: Stack,
): PacemakerNext {
  const isStandby = memberOf(snapshot, node)?.isStandby !== false;
  if (isStandby && !standbyIsOurs)
    return stuck(`node ${node.node} is on standby, and that was not Understudy. Take it back: crm_standby -N ${node.member} -D`);
  if (!standbyIsOurs) return caughtUp(snapshot, goal, node);
  const banned = new Set(bans(snapshot, node).map(({ resource }) => resource));
  const next = snapshot.workloads.find((workload) => !banned.has(workload));
  if (next !== undefined) return actOrGiveUp(goal, { act: 'ban', host: node.host, node: node.node, resource: next });
  const active = activeOf(snapshot, goal.workload);
  if (active === undefined) return wait(`nobody is seen to serve ${goal.workload}, so there is nothing to join`);
  if (goal.trial?.says !== 'answers') return untold(goal);
  const foretold = foretoldElsewhere(goal.trial, goal.workload, active);
  if (foretold !== undefined) return stuck(`node ${node.node} stays on standby: ${foretold}`);
  return onNode(goal, 'online', node);
}

function caughtUp(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): PacemakerNext {
  if (isJoinedToAll(snapshot, node)) return { next: 'done' };
  const behind = snapshot.workloads.map((workload) => whyNotOffered(snapshot, workload, node)).join('; ');
  if ((goal.unchangedMs ?? 0) < COMING_PATIENCE_MS) return wait(behind);
  return stuck(
    `node ${node.node} is a member again and does not follow: ${behind}. Look at crm_mon -1 -f, and the log of the resource there`,
  );
}
