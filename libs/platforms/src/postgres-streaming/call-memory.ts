import type { PostgresAct, PostgresGoal, PostgresSnapshot, StartsInVain } from './snapshot.js';
import { NEVER, START_LIMIT } from './starts.js';
import { answering, isDown, writableOnes } from './topology.js';

/**
 * What one call into the driver remembers from look to look, for `nextAct`. It is lost with the call: the next one asks anew.
 * - Starts: one that was seen to answer was not in vain.
 * - Where the log was at first: only what is confirmed beyond that is confirmed since.
 */
export class CallMemory {
  private readonly starts = new Map<string, StartsInVain>();
  private readonly first = new Map<string, { readonly lsn: number; askedMs: number }>();
  private readonly asked = new Set<string>();

  /** @param now a monotonic clock, in milliseconds. */
  constructor(private readonly now: () => number) {}

  get known(): Required<Pick<PostgresGoal, 'firstSeen' | 'startsInVain'>> {
    const nowMs = this.now();
    const firstSeen = [...this.first].map(([node, { lsn, askedMs }]) => [node, { lsn, askedAgoMs: nowMs - askedMs }] as const);
    return { startsInVain: this.starts, firstSeen: new Map(firstSeen) };
  }

  performed(act: PostgresAct): void {
    if (act.act === 'checkpoint') this.asked.add(act.node);
    if (act.act !== 'start') return;
    const { times } = this.starts.get(act.node) ?? NEVER;
    this.starts.set(act.node, { times: times + 1, said: '' });
  }

  /** @param lastWords reads the end of a node's server log; asked once, when its starts are given up. */
  async seen(snapshot: PostgresSnapshot, lastWords: (node: string) => Promise<string>): Promise<void> {
    this.positions(snapshot);
    for (const node of snapshot.nodes) {
      const count = this.starts.get(node.node);
      if (count === undefined) continue;
      if (answering(node) !== undefined) this.starts.delete(node.node);
      else if (count.times >= START_LIMIT && count.said === '' && isDown(node))
        this.starts.set(node.node, { ...count, said: await lastWords(node.node) });
    }
  }

  /** The look after a checkpoint is the first one that can show what became of it. */
  private positions(snapshot: PostgresSnapshot): void {
    const nowMs = this.now();
    for (const node of writableOnes(snapshot)) {
      const first = this.first.get(node.node);
      if (first === undefined) this.first.set(node.node, { lsn: answering(node)?.currentLsn ?? 0, askedMs: nowMs });
      else if (this.asked.delete(node.node)) first.askedMs = nowMs;
    }
  }
}
