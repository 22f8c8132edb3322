import { act, stuck, type PostgresNext } from './next.js';
import type { PostgresGoal, PostgresNode, StartsInVain } from './snapshot.js';

/** A server that ended this often right after its start is not started again in the same call: somebody has to look. */
export const START_LIMIT = 3;

/** The start of a node that is down, or why there is no sense in it. Pure. */
export function startOrGiveUp(goal: Pick<PostgresGoal, 'startsInVain'>, node: PostgresNode): PostgresNext {
  const { times, said } = goal.startsInVain?.get(node.node) ?? NEVER;
  if (times < START_LIMIT) return act({ act: 'start', host: node.host, node: node.node });
  const words = said === '' ? 'Its log says nothing that could be read.' : `Its log ends with: ${said}`;
  return stuck(`node ${node.node} was started ${times} times and ended each time. ${words}`);
}

export const NEVER: StartsInVain = { times: 0, said: '' };
