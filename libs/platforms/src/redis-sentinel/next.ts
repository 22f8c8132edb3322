import type { Next } from '../verb-loop.js';
import type { Asked, RedisAct, RedisGoal, RedisNode, RedisSnapshot } from './snapshot.js';
import { sentinelName, viewedReplica } from './topology.js';

/** What a verb does next; it binds from the fence of the old master until one node serves again. */
export type RedisNext = Next<RedisAct>;

/** An act of one call that was done so often without its goal coming nearer is not repeated: somebody has to look. */
export const MOST_TIMES = 3;

export function wait(why: string, binding = false): RedisNext {
  return { next: 'wait', why, binding };
}

/** A Sentinel was asked, and may still act after this call. */
export function awaited(why: string, binding = false): RedisNext {
  return { next: 'wait', why, binding, asked: true };
}

export function stuck(reason: string): RedisNext {
  return { next: 'stuck', reason };
}

export function perform(act: RedisAct, binding = false): RedisNext {
  return { next: 'act', act, binding };
}

export function isAct({ next }: RedisNext): boolean {
  return next === 'act';
}

export function isStuck({ next }: RedisNext): boolean {
  return next === 'stuck';
}

export function askedOf(goal: RedisGoal, act: RedisAct['act'], node: string): Asked | undefined {
  return goal.asked?.get(`${act} ${node}`);
}

/** The act, or why there is no sense in repeating it. Pure. */
export function actOrGiveUp(goal: RedisGoal, act: RedisAct, binding = false): RedisNext {
  const asked = askedOf(goal, act.act, act.node);
  if (asked === undefined || asked.times < MOST_TIMES) return perform(act, binding);
  return stuck(triedInVain(act, asked));
}

export function triedInVain(act: RedisAct, asked: Asked): string {
  return `node ${act.node} was asked ${asked.times} times to ${WORDS[act.act]} and it is not so. It said: ${asked.said || 'nothing'}`;
}

const WORDS: Readonly<Record<RedisAct['act'], string>> = {
  keep: 'note its priority',
  forget: 'take the note of its priority away',
  lower: 'set its priority to 0 and write that to its configuration file',
  restore: 'set its priority back and write that to its configuration file',
  hold: 'hold Redis’s unit',
  free: 'free Redis’s unit',
  start: 'start Redis’s unit',
  stop: 'stop Redis’s unit',
  follow: 'follow the master',
  fence: 'take no writes any more once another has them all',
  'give-back': 'be the master again',
  failover: 'be promoted by a Sentinel',
};

/** An act on a node's own host, or why there is no sense in repeating it. */
export function onNode(
  goal: RedisGoal,
  act: 'forget' | 'lower' | 'hold' | 'free' | 'start' | 'stop',
  { host, node }: RedisNode,
): RedisNext {
  return actOrGiveUp(goal, { act, host, node });
}

/** Which Sentinel does not report this priority of a replica, in words; undefined: every one does. */
export function notReported(snapshot: RedisSnapshot, node: RedisNode, priority: number): string | undefined {
  for (const sentinel of snapshot.sentinels) {
    const name = sentinelName(sentinel);
    if (sentinel.view.says === 'nothing') return `${name} does not answer (${sentinel.view.reason})`;
    const viewed = viewedReplica(sentinel.view, node);
    if (viewed === undefined) return `${name} knows of no replica ${node.node}`;
    if (viewed.priority !== priority)
      return `${name} still reports priority ${viewed.priority} of ${node.node}: it asks every 10 s`;
  }
  return undefined;
}
