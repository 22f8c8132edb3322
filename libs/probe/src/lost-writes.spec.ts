import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, freePort, serverUser, startEmbeddedPostgres } from '@understudy/runtime';
import { build, eventually, testHost, type TestHost } from '@understudy/testing';
import { createProbe } from './job-probe.js';
import { readLedger } from './ledger.js';
import type { ProbeReading, ProbeSpec } from './probe.js';

const fence = { logId: 'log-1', epoch: 1 };
const probe = createProbe();
const TABLE = 'understudy_probe.heartbeat';

beforeAll(() => build('libs/probe'));

/** Two real PostgreSQLs that replicate asynchronously. */
interface Pair {
  readonly first: EmbeddedPostgres;
  readonly second: EmbeddedPostgres;
  readonly ports: readonly [number, number];
  startFirst(): Promise<EmbeddedPostgres>;
  remove(): Promise<void>;
}

async function pair(): Promise<Pair> {
  const base = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-probe-pair-'));
  execFileSync('chmod', ['755', base]);
  const folders = [join(base, 'a'), join(base, 'b')] as const;
  const ports = [await freePort(), await freePort()] as const;
  const start = (index: 0 | 1): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({ dataFolder: folders[index], port: ports[index], fsync: false, settings: { wal_level: 'replica' } });
  const prepared = await start(0);
  await sql(prepared, `create schema understudy_probe`);
  await sql(prepared, `create table ${TABLE} (probe text, sequence bigint, primary key (probe, sequence))`);
  await prepared.stop();
  execFileSync('cp', ['-a', folders[0], folders[1]]);
  const secret = new URL(prepared.adminConnectionString()).password;
  const standby = {
    'standby.signal': '',
    'postgresql.auto.conf':
      `primary_conninfo = 'host=127.0.0.1 port=${ports[0]} user=postgres password=${secret}'\n` +
      `wal_retrieve_retry_interval = '200ms'\n`,
  };
  const owner = serverUser();
  for (const [name, text] of Object.entries(standby)) {
    const path = join(folders[1], 'data', name);
    writeFileSync(path, text, { mode: 0o600 });
    if (owner) chownSync(path, owner.uid, owner.gid);
  }
  const opened: EmbeddedPostgres[] = [];
  const kept = async (index: 0 | 1): Promise<EmbeddedPostgres> => {
    const server = await start(index);
    opened.push(server);
    return server;
  };
  const first = await kept(0);
  const second = await kept(1);
  await eventually(
    'the pair streams',
    async () => (await sql(first, 'select state from pg_stat_replication'))[0]?.['state'] === 'streaming',
  );
  return {
    first,
    second,
    ports,
    startFirst: () => kept(0),
    remove: async () => {
      for (const server of opened) await server.stop();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

async function sql(server: EmbeddedPostgres, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server.adminConnectionString() });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

describe('acknowledged writes are looked up again', { timeout: 180_000 }, () => {
  let test: TestHost;
  let nodes: Pair;
  const spec = (): ProbeSpec => ({
    kind: 'sql-write',
    targets: nodes.ports.map((port) => `127.0.0.1:${port}`),
    database: 'postgres',
    user: 'postgres',
    password: new URL(nodes.first.adminConnectionString()).password,
    table: TABLE,
    intervalMs: 10,
    timeoutMs: 500,
    limitMs: 120_000,
  });
  const stop = async (): Promise<ProbeReading> => measured(await probe.stop(test.host, 'probe-1'));
  const moreWrites = async (count: number): Promise<void> => {
    const before = acknowledged().length;
    await eventually(`${count} more writes`, () => acknowledged().length >= before + count, 60_000);
  };
  const ledger = (): ReturnType<typeof readLedger> =>
    readLedger(readFileSync(join(test.root, '.understudy/v1/jobs/probe-1/log'), 'utf8'));
  const acknowledged = (): readonly number[] => ledger().flatMap((line) => (line.line === 'ok' ? [line.seq] : []));
  const missingOn = async (server: EmbeddedPostgres): Promise<number> => {
    const present = new Set((await sql(server, `select sequence from ${TABLE}`)).map((row) => Number(row['sequence'])));
    return acknowledged().filter((sequence) => !present.has(sequence)).length;
  };

  beforeEach(async () => {
    test = testHost();
    nodes = await pair();
    expect(await probe.start(test.host, 'probe-1', fence, spec())).toEqual({ status: 'started' });
    await moreWrites(30);
  });
  afterEach(async () => {
    await test.remove();
    await nodes.remove();
  });

  it('reports none after a clean switchover, and its interruption', async () => {
    await nodes.first.stop();
    await sql(nodes.second, 'select pg_promote(true, 10)');
    await moreWrites(30);
    const reading = await stop();
    expect(reading.lostWrites).toBe(0);
    expect(await missingOn(nodes.second)).toBe(0);
    expect(reading.acknowledgedWrites).toBe(acknowledged().length);
    expect(reading.interruptions.some((gap) => gap.failedOperations > 0)).toBe(true);
  });

  it('reports each write that a planted lossy promotion lost', async () => {
    await sql(nodes.second, `alter system set primary_conninfo = ''`);
    await sql(nodes.second, 'select pg_reload_conf()');
    await eventually('nothing streams', async () => (await sql(nodes.first, 'select 1 from pg_stat_replication')).length === 0);
    await moreWrites(20); // acknowledged by the active node, and by nobody else
    process.kill(nodes.first.pid, 'SIGQUIT');
    await nodes.first.ended;
    await sql(nodes.second, 'select pg_promote(true, 10)');
    await moreWrites(20);
    const reading = await stop();
    const missing = await missingOn(nodes.second);
    expect(missing).toBeGreaterThanOrEqual(20);
    expect(reading.lostWrites).toBe(missing);
  });

  it('says that it cannot tell, never none, when no node is active', async () => {
    await nodes.first.stop();
    const reading = await stop();
    expect(reading).toMatchObject({
      lostWrites: null,
      lostWritesReason: expect.stringContaining('no node was active within') as string,
    });
  });

  it('says that it cannot tell, never none, when two nodes say that they are active', async () => {
    await nodes.first.stop();
    await sql(nodes.second, 'select pg_promote(true, 10)');
    await nodes.startFirst();
    const reading = await stop();
    expect(reading).toMatchObject({
      lostWrites: null,
      lostWritesReason: expect.stringContaining('more than one node') as string,
    });
  });

  it('notices a commit that hangs, by its own timeout', async () => {
    await sql(nodes.first, `alter system set synchronous_standby_names = 'nobody'`);
    await sql(nodes.first, 'select pg_reload_conf()');
    await eventually('an operation failed', () => ledger().some((line) => line.line === 'fail'), 60_000);
    await sql(nodes.first, 'alter system reset synchronous_standby_names');
    await sql(nodes.first, 'select pg_reload_conf()');
    await moreWrites(5);
    const reading = await stop();
    expect(reading.longestMs).toBeGreaterThan(490);
    expect(reading.lostWrites).toBe(0);
    expect(readFileSync(join(test.root, '.understudy/v1/jobs/probe-1/log'), 'utf8')).toMatch(/^fail .* timeout$/m);
  });
});

function measured(result: Awaited<ReturnType<typeof probe.read>>): ProbeReading {
  if (result.status !== 'measured') throw new Error(`${result.reason} since ${result.sinceMs}`);
  return result;
}
