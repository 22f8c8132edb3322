import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { releaseFolderName } from '../pair/index.js';
import type { LedgerEntry } from '../load/gaps.js';
import type { RecordedEvent } from '../rest/documents.js';
import { notRunning, type Scenario } from './scenario.js';

/**
 * The newer release is a bad build: its server says which version it is and ends when it is started. Made on every
 * host, as a bad build would be, so that it does not depend on which standby comes first.
 */
function breakRelease(root: string, version: string): void {
  const server = join(root, 'releases', releaseFolderName(version), 'bin', 'postgres');
  const script = `#!/bin/sh
case "$1" in
  -V|--version) echo "postgres (PostgreSQL) ${version}"; exit 0 ;;
esac
echo "postgres: symbol lookup error: undefined symbol: PQresultStatus" >&2
exit 127
`;
  writeFileSync(`${server}.new`, script);
  chmodSync(`${server}.new`, 0o755);
  renameSync(`${server}.new`, server);
}

export const badPatch: Scenario = {
  name: 'bad-patch',
  headline: 'the new release does not start on the standby: it is rolled back, the workload stays where it is',
  expectedResult: 'rolled-back',
  nodes: (args) => args.nodes,
  prepare: async (stage) => {
    for (const node of stage.cluster.nodes) breakRelease(node.root, stage.targetVersion);
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
