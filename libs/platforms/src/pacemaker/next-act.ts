import { nextDrain } from './next-drain.js';
import { nextJoin } from './next-join.js';
import { nextRelease } from './next-release.js';
import { nextStart, nextStop } from './next-service.js';
import { nextSwitchover } from './next-switchover.js';
import { stuck, type PacemakerNext } from './next.js';
import type { PacemakerGoal, PacemakerNode, PacemakerSnapshot, TrialQuestion } from './snapshot.js';
import { activeOf, bans, moveOf, nodeNamed, stackOf, viewOf } from './topology.js';

/** The next act towards a goal, from one observation and what this call did so far. Pure. */
export function nextAct(snapshot: PacemakerSnapshot, goal: PacemakerGoal): PacemakerNext {
  const node = nodeNamed(snapshot, goal.node);
  if (node === undefined) return stuck(`there is no node ${goal.node} in cluster ${snapshot.cluster}`);
  if (!snapshot.workloads.includes(goal.workload)) return stuck(`${goal.workload} is no workload of cluster ${snapshot.cluster}`);
  switch (goal.verb) {
    case 'drain':
      return nextDrain(snapshot, goal, node);
    case 'join':
      return nextJoin(snapshot, goal, node);
    case 'release':
      return nextRelease(snapshot, goal, node);
    case 'switchover':
      return nextSwitchover(snapshot, goal, node);
    case 'stop':
      return nextStop(snapshot, goal, node);
    case 'start':
      return nextStart(snapshot, goal, node);
  }
}

/** What the verb has to ask the scheduler before its decisive act, as soon as that is near. Undefined: nothing (more). Pure. */
export function trialFor(snapshot: PacemakerSnapshot, goal: PacemakerGoal): TrialQuestion | undefined {
  const node = nodeNamed(snapshot, goal.node);
  if (goal.trial?.says === 'answers' || node === undefined || viewOf(node) === undefined) return undefined;
  const change = changeOf(snapshot, goal, node);
  return change === undefined ? undefined : { change, node: node.node, resource: goal.workload };
}

function changeOf(snapshot: PacemakerSnapshot, goal: PacemakerGoal, node: PacemakerNode): TrialQuestion['change'] | undefined {
  const isStandby = stackOf(node)?.standbyIsOurs === true;
  const banned = bans(snapshot, node).length;
  switch (goal.verb) {
    case 'drain':
      return isStandby ? undefined : 'standby';
    case 'join':
      return isStandby && banned === snapshot.workloads.length ? 'online' : undefined;
    case 'release':
      return banned > 0 ? 'unban' : undefined;
    case 'switchover':
      return isToBeMoved(snapshot, goal.workload, node) ? 'move' : undefined;
    default:
      return undefined;
  }
}

function isToBeMoved(snapshot: PacemakerSnapshot, workload: string, target: PacemakerNode): boolean {
  return moveOf(snapshot, workload) === undefined && activeOf(snapshot, workload) !== target;
}
