import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PracticeCluster } from '../pair/index.js';
import { LOAD_INTERVAL_MS, LOAD_TABLE } from './database.js';
import type { LastLine } from './verdict.js';

const JUDGE_WITHIN_MS = 30_000;

/** What somebody needs to compute the last line's figures again. */
export interface Evidence {
  readonly folder: string;
  readonly cluster: PracticeCluster;
  readonly ledgerFile: string;
  /** As the product exports them. */
  readonly eventsNdjson: string;
  readonly rolloutId: string;
  readonly line: LastLine;
}

/**
 * Writes `ledger.ndjson`, `events.ndjson`, `connections.json` (how to reach the nodes, with passwords: mode 0600) and
 * `last-line.json`. An existing folder is used; files of these names are overwritten.
 */
export function keepEvidence(evidence: Evidence): void {
  const { folder, cluster } = evidence;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  copyFileSync(evidence.ledgerFile, join(folder, 'ledger.ndjson'));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 });
  write('events.ndjson', evidence.eventsNdjson);
  write('last-line.json', `${JSON.stringify(evidence.line)}\n`);
  const connections = {
    rolloutId: evidence.rolloutId,
    database: cluster.database,
    table: LOAD_TABLE,
    loadIntervalMs: LOAD_INTERVAL_MS,
    observer: cluster.secrets.driver,
    application: cluster.secrets.application,
    nodes: cluster.nodes.map((node) => ({ name: node.slug, host: node.address, port: node.port })),
  };
  write('connections.json', `${JSON.stringify(connections, null, 2)}\n`);
}

/** Runs the judge on the evidence while the nodes live. Answers its sentences; empty = it agrees. */
export async function judge(script: string, folder: string): Promise<readonly string[]> {
  try {
    await promisify(execFile)(process.execPath, [script, folder], { timeout: JUDGE_WITHIN_MS });
    return [];
  } catch (error) {
    const { stdout, stderr, message } = error as { stdout?: string; stderr?: string; message: string };
    const said = `${stdout ?? ''}${stderr ?? ''}`.trim();
    return [`The judge ${script} disagrees: ${said === '' ? message : said}`];
  }
}
