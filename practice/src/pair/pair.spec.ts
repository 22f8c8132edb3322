import { existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, chmodSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { postgresBinaries } from '@understudy/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildPracticeCluster,
  certificate,
  cleanUp,
  flipCurrent,
  postmasterPid,
  removePracticeCluster,
  until,
  withClient,
  type PracticeCluster,
  type PracticeNode,
} from './index.js';

function release(which: 'older' | 'newer'): { version: string; nativeFolder: string } {
  const { version, folder: nativeFolder } = postgresBinaries(which);
  return { version, nativeFolder };
}

describe('a practice cluster', () => {
  let folder: string;
  let cluster: PracticeCluster;
  const driver = <T>(node: PracticeNode, query: string): Promise<T[]> =>
    withClient(node, cluster.secrets.driver, cluster.database, async (client) => (await client.query(query)).rows as T[]);
  const [active, standby] = [0, 1].map((index) => (): PracticeNode => cluster.nodes[index] as PracticeNode) as [
    () => PracticeNode,
    () => PracticeNode,
  ];

  beforeAll(async () => {
    folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-practice-'));
    chmodSync(folder, 0o755);
    cluster = await buildPracticeCluster({ folder: join(folder, 'c'), nodes: 2, releases: [release('older'), release('newer')] });
  });
  afterAll(async () => {
    await removePracticeCluster(join(folder, 'c'));
    rmSync(folder, { recursive: true, force: true });
  });

  it('is a real pair that streams, on the older release', async () => {
    expect(await driver(active(), 'select application_name, state from pg_stat_replication')).toEqual([
      { application_name: 'practice-b', state: 'streaming' },
    ]);
    expect(await driver(standby(), 'select pg_is_in_recovery() as standby')).toEqual([{ standby: true }]);
    const [row] = await driver<{ version: string }>(active(), 'select version()');
    expect(row?.version).toContain(`PostgreSQL ${release('older').version} `);
  });

  it('lets nobody in without a password', async () => {
    const anyone = { user: 'understudy', password: 'guessed' };
    await expect(withClient(active(), anyone, cluster.database, () => Promise.resolve())).rejects.toThrow(
      'password authentication failed',
    );
    expect(readFileSync(join(active().root, 'data', 'pg_hba.conf'), 'utf8')).not.toContain('trust');
  });

  it('keeps passwords out of its definition, its settings and its process list', () => {
    const { probe, replication, driver: owner } = cluster.secrets;
    const processes = execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' });
    const auto = readFileSync(join(standby().root, 'data', 'postgresql.auto.conf'), 'utf8');
    for (const { password } of [probe, replication, owner]) {
      expect(JSON.stringify(cluster.definition)).not.toContain(password);
      expect(processes).not.toContain(password);
      expect(auto).not.toContain(password);
    }
  });

  it('lets the probe write to its own table and to nothing else', async () => {
    await withClient(active(), cluster.secrets.probe, cluster.database, async (client) => {
      await client.query(`insert into ${cluster.probeTable} (probe, sequence) values ('spec', 1)`);
      await expect(client.query('create table public.mine ()')).rejects.toThrow('permission denied');
    });
  });

  it('comes up again with its host, as a new boot, unless that is switched off', async () => {
    const node = standby();
    const bootId = (): string => readFileSync(join(node.root, 'boot_id'), 'utf8');
    const [before, pid] = [bootId(), postmasterPid(join(node.root, 'data'))];
    execFileSync(join(node.root, 'reboot'));
    expect(bootId()).not.toBe(before);
    await until(node, cluster.secrets.driver, cluster.database, 'select pg_is_in_recovery()');
    expect(postmasterPid(join(node.root, 'data'))).not.toBe(pid);
    rmSync(join(node.root, 'autostart'));
    execFileSync(join(node.root, 'reboot'));
    expect(postmasterPid(join(node.root, 'data'))).toBeUndefined();
  });

  it('runs the release that its link points at from the next start on', async () => {
    const node = standby();
    flipCurrent(node.root, release('newer').version);
    execFileSync('touch', [join(node.root, 'autostart')]);
    execFileSync(join(node.root, 'reboot'));
    await until(
      node,
      cluster.secrets.driver,
      cluster.database,
      `select version() like 'PostgreSQL ${release('newer').version} %'`,
    );
    const streams = "select count(*) = 1 from pg_stat_replication where state = 'streaming'";
    await until(active(), cluster.secrets.driver, cluster.database, streams);
  });

  it('leaves no process, also when the caller has forgotten what it built', async () => {
    await cleanUp(join(folder, 'c'));
    const processes = execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' });
    expect(processes).not.toContain(cluster.folder);
    await cleanUp(join(folder, 'c'));
  });
});

describe('a request that cannot be built', () => {
  it('is refused before anything is made', async () => {
    const folder = join(tmpdir(), 'understudy-practice-never');
    await expect(buildPracticeCluster({ folder, nodes: 0, releases: [release('older')] })).rejects.toThrow('1 to 8 nodes');
    expect(existsSync(folder)).toBe(false);
  });

  it('leaves nothing running when a release does not work', async () => {
    const folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-practice-bad-'));
    await expect(
      buildPracticeCluster({ folder: join(folder, 'c'), nodes: 1, releases: [{ version: '0.0', nativeFolder: folder }] }),
    ).rejects.toThrow();
    expect(readdirSync(folder)).toContain('c');
    rmSync(folder, { recursive: true });
  });
});

describe('a certificate', () => {
  it('is one that others can read, valid or expired as asked for', () => {
    const now = new Date('2026-03-01T00:00:00Z');
    const read = (days: number): X509Certificate =>
      new X509Certificate(certificate({ commonName: '127.0.0.1', notBefore: now, days }).cert);
    expect(read(10).subject).toBe('CN=127.0.0.1');
    expect(new Date(read(10).validTo)).toEqual(new Date('2026-03-11T00:00:00Z'));
    expect(new Date(read(-30).validTo)).toEqual(new Date('2026-01-30T00:00:00Z'));
    const signed = certificate({ commonName: 'x', notBefore: now, days: 1 });
    expect(new X509Certificate(signed.cert).verify(new X509Certificate(signed.cert).publicKey)).toBe(true);
  });
});
