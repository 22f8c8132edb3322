/** What the product says of a finished window, laid out for the judge, which computes every figure again. */
import { mkdirSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerEntry } from '@understudy/testing/outside';
import { judge, type Figure } from '../../judge.mjs';
import type { System } from './system.js';
import type { RecordedEvent } from './rollout.js';
import { LOAD_INTERVAL_MS, LOAD_TABLE, type PairWindow } from './window.js';

interface Report {
  readonly result: string;
  readonly steps: readonly { readonly kind: string; readonly status: string }[];
  readonly versionsBefore: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly versionsAfter: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly interruption: { readonly longestMs?: number; readonly resolutionMs?: number };
}

export interface Finished {
  readonly system: System;
  readonly window: PairWindow;
  readonly events: readonly RecordedEvent[];
  readonly ledger: readonly LedgerEntry[];
}

/** The judge's figures on the product's own report of the window; the nodes must live. */
export async function judged({ system, window, events, ledger }: Finished): Promise<readonly Figure[]> {
  const folder = join(system.folder, `evidence-${window.rolloutId}`);
  mkdirSync(folder, { mode: 0o700 });
  const path = `/v1/rollouts/${window.rolloutId}`;
  const report = await system.rest.get<Report>(`${path}/report`);
  const { intact } = await system.rest.get<{ intact: boolean }>(`${path}/verify`);
  const html = join(folder, 'report.html');
  writeFileSync(html, await system.rest.text(`${path}/report`, 'text/html'));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 });
  write('events.ndjson', events.map((event) => JSON.stringify(event)).join('\n'));
  copyFileSync(window.ledgerFile, join(folder, 'ledger.ndjson'));
  write('connections.json', JSON.stringify(connectionsOf(window)));
  const line = {
    result: report.result,
    versionsBefore: postgresqlOf(report.versionsBefore),
    versionsAfter: postgresqlOf(report.versionsAfter),
    interruptionMs: report.interruption.longestMs ?? null,
    resolutionMs: report.interruption.resolutionMs ?? null,
    switchovers: report.steps.filter(({ kind, status }) => kind === 'switchover' && status === 'succeeded').length,
    acknowledgedWrites: ledger.filter(({ kind }) => kind === 'ack').length,
    failedWrites: ledger.filter(({ kind }) => kind === 'fail').length,
    lostWrites: 0,
    events: events.length,
    chain: intact ? 'intact' : 'broken',
    report: html,
  };
  write('last-line.json', JSON.stringify(line));
  return judge(folder);
}

function connectionsOf({ rolloutId, pair: { cluster }, nodes }: PairWindow): unknown {
  return {
    rolloutId,
    database: cluster.database,
    table: LOAD_TABLE,
    loadIntervalMs: LOAD_INTERVAL_MS,
    observer: cluster.secrets.driver,
    application: cluster.secrets.application,
    nodes: nodes.map(({ slug, address, port }) => ({ name: slug, host: address, port })),
  };
}

/** Item -> version by node, of the one item that is patched. */
function postgresqlOf(table: Report['versionsBefore']): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(table).map(([node, items]) => [node, items['postgresql']]));
}
