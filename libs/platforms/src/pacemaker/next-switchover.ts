import { behindOf, clusterObstacle, foretoldElsewhere, pulledFrom, targetObstacle, workloadObstacle } from './guards.js';
import { actOrGiveUp, awaited, stuck, untold, wait, type PacemakerNext } from './next.js';
import type { PacemakerAct, PacemakerGoal, PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import { activeOf, isDown, isJoined, memberOf, moveOf, nodeNamed, picture, underWay, unknownOnes } from './topology.js';

/** Pacemaker begins with a move at once; one that has changed nothing for so long will not be done. */
const MOVE_PATIENCE_MS = 15_000;
/** An agent says what it offers with its monitor: in this time it has, with the usual interval. */
const OFFER_PATIENCE_MS = 20_000;

/**
 * Pacemaker moves the workload when a constraint of ours says where it belongs; that lies there only until the workload is served
 * there and everybody follows, and goes again also when it was in vain.
 */
export function nextSwitchover(snapshot: PacemakerSnapshot, goal: PacemakerGoal, target: PacemakerNode): PacemakerNext {
  if (picture(snapshot) === undefined) return wait('the cluster cannot be seen from any node');
  const move = moveOf(snapshot, goal.workload);
  const active = activeOf(snapshot, goal.workload);
  if (move === undefined) return active === target ? followed(snapshot, goal, target) : begin(snapshot, goal, target, active);
  // Of an earlier step that was cut off: this one begins with nothing in the way.
  if (move.member !== target.member) return clear(snapshot, goal, target);
  if (active === target) return everybodyFollows(snapshot, goal, target) ?? clear(snapshot, goal, target);
  return underway(snapshot, goal, target, active);
}

function begin(
  snapshot: PacemakerSnapshot,
  goal: PacemakerGoal,
  target: PacemakerNode,
  active: PacemakerNode | undefined,
): PacemakerNext {
  const unknown = unknownOnes(snapshot);
  if (unknown.length > 0) return wait(unknown.join('; '));
  if (goal.asked?.has(`move ${target.node}`) === true)
    return stuck(
      `Pacemaker did not move ${goal.workload} to ${target.node}, and the constraint was taken away again. Look at crm_mon -1 -f`,
    );
  const obstacle = clusterObstacle(snapshot) ?? workloadObstacle(snapshot, goal.workload);
  if (obstacle !== undefined) return stuck(`nothing was moved: ${obstacle}`);
  if (active === undefined) return wait(`nobody is seen to serve ${goal.workload}`);
  const busy = underWay(snapshot);
  if (busy.length > 0) return wait(`Pacemaker is at work: ${busy.join('; ')}`);
  const against = targetObstacle(snapshot, goal.workload, target) ?? pulledFrom(snapshot, goal.workload, target);
  if (against !== undefined) return stuck(`nothing was moved: ${against}`);
  return offeredAndForetold(snapshot, goal, target);
}

function offeredAndForetold(snapshot: PacemakerSnapshot, goal: PacemakerGoal, target: PacemakerNode): PacemakerNext {
  const behind = behindOf(snapshot, goal.workload);
  if (behind !== undefined)
    return (goal.unchangedMs ?? 0) < OFFER_PATIENCE_MS ? wait(behind) : stuck(`nothing was moved: ${behind}`);
  if (goal.trial?.says !== 'answers') return untold(goal);
  const foretold = foretoldElsewhere(goal.trial, goal.workload, target);
  if (foretold !== undefined) return stuck(`nothing was moved: ${foretold}`);
  return actOrGiveUp(goal, {
    ...{ act: 'move', host: target.host, node: target.node },
    ...{ resource: goal.workload, member: target.member },
  });
}

/** The constraint lies there, and the workload is not there: on its way, or not coming. */
function underway(
  snapshot: PacemakerSnapshot,
  goal: PacemakerGoal,
  target: PacemakerNode,
  active: PacemakerNode | undefined,
): PacemakerNext {
  const busy = underWay(snapshot);
  if (active === undefined || busy.length > 0)
    return awaited(`Pacemaker moves ${goal.workload} to ${target.node}: ${busy.join('; ') || 'nobody serves it'}`);
  if ((goal.unchangedMs ?? 0) <= MOVE_PATIENCE_MS)
    return awaited(`${goal.workload} is still served by ${active.node}; Pacemaker was asked to move it to ${target.node}`);
  return clear(snapshot, goal, target);
}

function everybodyFollows(snapshot: PacemakerSnapshot, goal: PacemakerGoal, target: PacemakerNode): PacemakerNext | undefined {
  const busy = underWay(snapshot);
  if (busy.length > 0) return wait(`Pacemaker is at work: ${busy.join('; ')}`);
  const waiting = snapshot.nodes.filter(
    (node) =>
      node !== target &&
      !isDown(node) &&
      memberOf(snapshot, node)?.isStandby !== true &&
      !isJoined(snapshot, goal.workload, node),
  );
  return waiting.length === 0
    ? undefined
    : wait(`not yet following ${target.node}: ${waiting.map(({ node }) => node).join(', ')}`);
}

/** It serves, and nothing of ours is left: over when everybody who runs follows it. */
function followed(snapshot: PacemakerSnapshot, goal: PacemakerGoal, target: PacemakerNode): PacemakerNext {
  const unknown = unknownOnes(snapshot);
  if (unknown.length > 0) return wait(`not known whether everybody follows: ${unknown.join('; ')}`);
  return everybodyFollows(snapshot, goal, target) ?? { next: 'done' };
}

/** On the target's host, unless that cannot be reached: then on any that sees the cluster. */
function clear(snapshot: PacemakerSnapshot, goal: PacemakerGoal, target: PacemakerNode): PacemakerNext {
  const by =
    [target, ...snapshot.nodes].find(({ view }) => view.says === 'answers') ?? nodeNamed(snapshot, target.node) ?? target;
  const act: PacemakerAct = { act: 'clear', host: by.host, node: by.node, resource: goal.workload };
  return actOrGiveUp(goal, act);
}
