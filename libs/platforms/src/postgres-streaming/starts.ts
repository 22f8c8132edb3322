import type { Next } from '../verb-loop.js';
import type { PostgresAct, PostgresGoal, PostgresNode, PostgresSnapshot, StartsInVain } from './snapshot.js';
import { answering, isDown } from './topology.js';

/** A server that ended this often right after its start is not started again in the same call: somebody has to look. */
export const START_LIMIT = 3;

/** The start of a node that is down, or why there is no sense in it. Pure. */
export function startOrGiveUp(goal: Pick<PostgresGoal, 'startsInVain'>, node: PostgresNode): Next<PostgresAct> {
  const { times, said } = goal.startsInVain?.get(node.node) ?? NEVER;
  if (times < START_LIMIT) return { next: 'act', act: { act: 'start', host: node.host, node: node.node }, binding: false };
  const words = said === '' ? 'Its log says nothing that could be read.' : `Its log ends with: ${said}`;
  return { next: 'stuck', reason: `node ${node.node} was started ${times} times and ended each time. ${words}` };
}

const NEVER: StartsInVain = { times: 0, said: '' };

/** Counts the starts of one call into the driver. One that was seen to answer was not in vain. */
export class StartCount {
  private readonly counted = new Map<string, StartsInVain>();

  get inVain(): ReadonlyMap<string, StartsInVain> {
    return this.counted;
  }

  performed(act: PostgresAct): void {
    if (act.act !== 'start') return;
    const { times } = this.counted.get(act.node) ?? NEVER;
    this.counted.set(act.node, { times: times + 1, said: '' });
  }

  /** @param lastWords reads the end of a node's server log; asked once, when its starts are given up. */
  async seen(snapshot: PostgresSnapshot, lastWords: (node: string) => Promise<string>): Promise<void> {
    for (const node of snapshot.nodes) {
      const count = this.counted.get(node.node);
      if (count === undefined) continue;
      if (answering(node) !== undefined) this.counted.delete(node.node);
      else if (count.times >= START_LIMIT && count.said === '' && isDown(node))
        this.counted.set(node.node, { ...count, said: await lastWords(node.node) });
    }
  }
}
