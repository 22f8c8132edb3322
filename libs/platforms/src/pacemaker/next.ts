import type { Next } from '../verb-loop.js';
import type { Asked, PacemakerAct, PacemakerGoal, PacemakerNode, PlainAct } from './snapshot.js';

/** What a verb does next with Pacemaker; it binds while the workload is on its way from one node to another. */
export type PacemakerNext = Next<PacemakerAct>;

/** An act of one call that was done so often without its goal coming nearer is not repeated: somebody has to look. */
const MOST_TIMES = 3;

export function wait(why: string, binding = false): PacemakerNext {
  return { next: 'wait', why, binding };
}

/** Pacemaker was asked to move the workload, and may still do it after this call. */
export function awaited(why: string): PacemakerNext {
  return { next: 'wait', why, binding: true, asked: true };
}

export function stuck(reason: string): PacemakerNext {
  return { next: 'stuck', reason };
}

export function askedOf(goal: PacemakerGoal, act: PacemakerAct['act'], node: string): Asked | undefined {
  return goal.asked?.get(`${act} ${node}`);
}

/** The act, or why there is no sense in repeating it. Pure. */
export function actOrGiveUp(goal: PacemakerGoal, act: PacemakerAct, binding = false): PacemakerNext {
  const asked = askedOf(goal, act.act, act.node);
  if (asked === undefined || asked.times < MOST_TIMES) return { next: 'act', act, binding };
  return stuck(
    `node ${act.node} was asked ${asked.times} times to ${WORDS[act.act]} and it is not so. It said: ${asked.said || 'nothing'}`,
  );
}

const WORDS: Readonly<Record<PacemakerAct['act'], string>> = {
  standby: 'go on standby',
  online: 'end its standby',
  ban: 'ban the workload from itself',
  unban: 'take its ban away',
  'hold-pacemaker': 'hold pacemaker.service',
  'hold-corosync': 'hold corosync.service',
  'free-corosync': 'free corosync.service',
  'free-pacemaker': 'free pacemaker.service',
  start: 'start pacemaker.service',
  'stop-pacemaker': 'stop pacemaker.service',
  'stop-corosync': 'stop corosync.service',
  move: 'have the workload moved to it',
  clear: 'take the constraint of the move away',
};

/** Why the scheduler's word is still missing: it is asked again with each look. */
export function untold({ trial }: PacemakerGoal): PacemakerNext {
  const why = trial?.says === 'nothing' ? trial.reason : 'its host does not answer';
  return wait(`Pacemaker’s scheduler could not be asked what would come of it: ${why}`);
}

/** An act on a node's own host, or why there is no sense in repeating it. */
export function onNode(goal: PacemakerGoal, act: PlainAct, { host, node }: PacemakerNode): PacemakerNext {
  return actOrGiveUp(goal, { act, host, node });
}
