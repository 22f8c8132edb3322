import { breakRelease } from '../pair/index.js';
import type { LedgerEntry } from '../load/gaps.js';
import type { RecordedEvent } from '../rest/documents.js';
import { notRunning, type Scenario } from './scenario.js';

export const badPatch: Scenario = {
  name: 'bad-patch',
  headline: 'the new release does not start on the standby: it is rolled back, the workload stays where it is',
  expectedResult: 'rolled-back',
  nodes: (args) => args.nodes,
  prepare: async (stage) => {
    for (const node of stage.cluster.nodes) breakRelease(node, stage.targetVersion);
    stage.say(`the release ${stage.targetVersion} on the hosts is a bad build: it does not start`);
  },
  problems: async (_stage, ended) => {
    const before = Object.values(ended.versionsBefore)[0];
    return [
      ...(before === undefined || before === null ? ['Nobody said what ran before.'] : notRunning(ended.versionsAfter, before)),
      ...movedAfterTest(ended.events, ended.ledger),
    ];
  },
};

/** The client's ledger and the log must both say that the workload did not move after the switchover test. */
export function movedAfterTest(events: readonly RecordedEvent[], ledger: readonly LedgerEntry[]): readonly string[] {
  const drained = events.find((event) => event.type === 'StepRequested' && /-drain-/.test(String(event.body['stepId'])));
  if (drained === undefined) return ['No standby was ever drained, so the bad release was never tried.'];
  const from = Date.parse(drained.time);
  const servedBy = new Set(ledger.filter((entry) => entry.kind === 'ack' && entry.at > from).map((entry) => entry.node));
  const moves = events.filter((event) => event.version > drained.version && /-switchover-/.test(String(event.body['stepId'])));
  return [
    ...(servedBy.size === 1
      ? []
      : [`After the test the client's writes were taken by ${servedBy.size} nodes: ${[...servedBy].join(', ')}.`]),
    ...(moves.length === 0 ? [] : ['A switchover was asked for after the standby had been drained.']),
  ];
}
