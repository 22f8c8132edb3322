import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { postgresBinaries } from '@understudy/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadOptions, lostWrites, prepareLoad, versions } from '../demo/database.js';
import {
  boot,
  buildPracticeCluster,
  endPostgres,
  removePracticeCluster,
  until,
  withClient,
  type PracticeCluster,
} from '../pair/index.js';
import { LoadClient } from './client.js';
import { measure, parseLedger, type LedgerEntry } from './gaps.js';

let cluster: PracticeCluster;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-load-'));
  chmodSync(folder, 0o711);
  const release = postgresBinaries('older');
  cluster = await buildPracticeCluster({
    folder: join(folder, 'pair'),
    nodes: 2,
    releases: [{ version: release.version, nativeFolder: release.folder }],
  });
  await prepareLoad(cluster);
});

afterAll(async () => {
  await removePracticeCluster(join(folder, 'pair'));
  rmSync(folder, { recursive: true, force: true });
});

async function reached(client: LoadClient, acknowledged: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (client.progress().acknowledged < acknowledged) {
    if (Date.now() > deadline) throw new Error(`only ${client.progress().acknowledged} of ${acknowledged} writes`);
    await pause(10);
  }
}

function read(file: string): readonly LedgerEntry[] {
  return parseLedger(readFileSync(file, 'utf8'));
}

describe('the load client', () => {
  it('finds the active node, measures an outage, and every write in its ledger is in the database', async () => {
    const [active, standby] = cluster.nodes;
    if (active === undefined || standby === undefined) throw new Error('two nodes expected');
    const ledgerFile = join(folder, 'ledger.ndjson');
    const options = loadOptions(cluster, ledgerFile);
    const client = new LoadClient({ ...options, nodes: [...options.nodes].reverse() });
    const running = client.run();
    await reached(client, 100);
    const downAt = performance.timeOrigin + performance.now();
    await endPostgres(join(active.root, 'data'));
    await pause(200);
    boot(active);
    await until(active, cluster.secrets.driver, cluster.database, 'select true');
    const upAt = performance.timeOrigin + performance.now();
    await reached(client, 200);
    client.stop();
    await running;

    const ledger = read(ledgerFile);
    const seen = measure(ledger, options.intervalMs);
    expect(ledger.filter((entry) => entry.kind === 'ack').every((entry) => entry.node === active.slug)).toBe(true);
    expect(seen.acknowledgedWrites).toBe(client.progress().acknowledged);
    expect(seen.failedWrites).toBeGreaterThan(0);
    expect(seen.longestGapMs).toBeGreaterThan(200);
    expect(seen.longestGapMs).toBeLessThan(upAt - downAt + 1_000);
    expect(await lostWrites(cluster, ledger)).toBe(0);
  });

  it('a write that is taken away again is counted as lost', async () => {
    const ledger = read(join(folder, 'ledger.ndjson'));
    const taken = ledger.find((entry) => entry.kind === 'ack')?.n;
    const node = cluster.nodes[0];
    if (node === undefined || taken === undefined) throw new Error('the first test wrote nothing');
    await withClient(node, cluster.secrets.application, cluster.database, (client) =>
      client.query('delete from load.writes where n = $1', [taken]),
    );
    expect(await lostWrites(cluster, ledger)).toBe(1);
  });

  it('a commit that hangs is given up by the client itself', async () => {
    const node = cluster.nodes[0];
    if (node === undefined) throw new Error('a node expected');
    const set = (value: string): Promise<unknown> =>
      withClient(node, cluster.secrets.driver, 'postgres', async (client) => {
        await client.query(`alter system set synchronous_standby_names = '${value}'`);
        await client.query('select pg_reload_conf()');
      });
    const ledgerFile = join(folder, 'hung.ndjson');
    const client = new LoadClient({ ...loadOptions(cluster, ledgerFile), table: 'load.hung', timeoutMs: 300 });
    await withClient(node, cluster.secrets.application, cluster.database, (admin) =>
      admin.query('create table load.hung (n bigint primary key, at timestamptz not null)'),
    );
    const running = client.run();
    await reached(client, 10);
    await set('nobody');
    const deadline = Date.now() + 10_000;
    while (client.progress().failed === 0 && Date.now() < deadline) await pause(10);
    await set('');
    client.stop();
    await running;
    expect(read(ledgerFile).find((entry) => entry.kind === 'fail')?.reason).toMatch(/timeout/i);
  });

  it('versions are what the nodes say', async () => {
    const older = postgresBinaries('older').version;
    expect(await versions(cluster)).toEqual(Object.fromEntries(cluster.nodes.map((node) => [node.slug, older])));
  });
});
