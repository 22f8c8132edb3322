import type { Next } from '../verb-loop.js';
import type { PatroniAct, PatroniGoal, PatroniNode } from './snapshot.js';

/** What a verb does next with Patroni; only waits of a switchover bind, while nobody leads. */
export type PatroniNext = Next<PatroniAct>;

/** An act of one call that was done so often without its goal coming nearer is not repeated: somebody has to look. */
const MOST_TIMES = 3;

export function wait(why: string, binding = false): PatroniNext {
  return { next: 'wait', why, binding };
}

export function stuck(reason: string): PatroniNext {
  return { next: 'stuck', reason };
}

/** The act, or why there is no sense in repeating it. Pure. */
export function actOrGiveUp(goal: PatroniGoal, act: PatroniAct): PatroniNext {
  const asked = goal.asked?.get(`${act.act} ${act.node}`);
  if (asked === undefined || asked.times < MOST_TIMES) return { next: 'act', act, binding: false };
  return stuck(
    `host ${act.host} was asked ${asked.times} times to ${WORDS[act.act]} and it is not so. It said: ${asked.said || 'nothing'}`,
  );
}

const WORDS: Readonly<Record<PatroniAct['act'], string>> = {
  tag: 'give its member the tag nofailover',
  untag: 'take the tag nofailover away',
  hold: 'hold Patroni’s unit',
  free: 'free Patroni’s unit',
  start: 'start Patroni’s unit',
  stop: 'stop Patroni’s unit',
  checkpoint: 'run a checkpoint',
  'write-position': 'write a record',
  switchover: 'move the workload',
};

/** An act on a node's own host, or why there is no sense in repeating it. */
export function onHost(
  goal: PatroniGoal,
  act: 'tag' | 'untag' | 'hold' | 'free' | 'start' | 'stop',
  { host, node }: PatroniNode,
): PatroniNext {
  return actOrGiveUp(goal, { act, host, node });
}
