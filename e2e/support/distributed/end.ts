/** How a window ended, told by the hosts, by PostgreSQL, by the client and by the log. */
import { recordedTwice, notByTheOwner } from './two-orchestrators.js';
import { doneTwice, factsOf, lostWrites, PREPARATIONS } from './witness.js';
import type { RecordedEvent } from './rollout.js';
import type { PairWindow } from './window.js';

export interface WindowEnd {
  readonly result: unknown;
  /** Steps that were asked for, or ended, more than once under one attempt. */
  readonly recordedTwice: readonly string[];
  readonly notByTheOwner: readonly string[];
  /** By the hosts' journals. */
  readonly doneTwice: readonly string[];
  /** One per node, each promotion adds one to the 1 that a cluster begins with. */
  readonly timelines: readonly number[];
  readonly versions: readonly string[];
  readonly serving: number;
  readonly lostWrites: number;
}

/** Waits for the end, stops the load, and looks everywhere. */
export async function endOf(window: PairWindow, limitMs: number): Promise<WindowEnd> {
  const { body } = await window.closed(limitMs);
  const ledger = await window.endLoad();
  const events = await window.events();
  const facts = await factsOf(window.pair);
  const serving = facts.filter(({ standby }) => !standby);
  return {
    result: body['result'],
    recordedTwice: recordedTwice(events),
    notByTheOwner: notByTheOwner(events),
    doneTwice: doneTwice(window.nodes).filter((act) => !PREPARATIONS.test(act)),
    timelines: facts.map(({ timeline }) => timeline),
    versions: facts.map(({ version }) => version),
    serving: serving.length,
    lostWrites: await lostWrites(window.pair, ledger, serving[0]?.slug ?? ''),
  };
}

/** A window that succeeded with each act once: as many promotions as the plan has switchovers. */
export function onceEach(window: PairWindow, events: readonly RecordedEvent[]): WindowEnd {
  const planned = events.filter(({ type, body }) => type === 'StepSucceeded' && /-switchover-/.test(String(body['stepId'])));
  return {
    result: 'succeeded',
    recordedTwice: [],
    notByTheOwner: [],
    doneTwice: [],
    timelines: window.nodes.map(() => planned.length + 1),
    versions: window.nodes.map(() => window.targetVersion),
    serving: 1,
    lostWrites: 0,
  };
}
