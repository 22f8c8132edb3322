import { postgresSnapshots, testPair, withClient, type PracticeNode, type TestPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresStreaming } from './driver.js';
import { lagBytes } from './topology.js';

const { primary, standby } = postgresSnapshots;
const OBSERVE_WITHIN_MS = 10_000;
const IDLE_MS = 1_500;

describe('lag', () => {
  let pair: TestPair;
  beforeAll(async () => {
    pair = await testPair();
  });
  afterAll(() => pair.remove());

  const ask = async (node: PracticeNode | undefined, text: string): Promise<number> =>
    withClient(node as PracticeNode, pair.cluster.secrets.driver, 'app', async (client) => {
      const { rows } = await client.query<Record<string, unknown>>(text);
      return Number(Object.values(rows[0] ?? {})[0]);
    });
  const observed = async (): Promise<number | undefined> => {
    const seen = await postgresStreaming.observe(pair.target(), OBSERVE_WITHIN_MS);
    return seen.nodes.find((node) => node.node === pair.cluster.nodes[1]?.slug)?.lag?.bytes;
  };
  const bytesBetween = `select pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) from pg_stat_replication`;

  it('is the distance in bytes: an idle standby has none however old its last transaction is, and a paused one has what it has not replayed', async () => {
    const [active, follower] = pair.cluster.nodes;
    await ask(active, `create table lagging as select 0 as n`);
    await ask(active, 'checkpoint');
    const age = `select extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000`;
    await expect.poll(() => ask(follower, age), { timeout: 10_000 }).toBeGreaterThan(IDLE_MS);
    await expect.poll(observed, { timeout: 10_000 }).toBe(0);

    await ask(follower, 'select pg_wal_replay_pause()');
    await ask(active, `insert into lagging select generate_series(1, 20000)`);
    await expect.poll(() => ask(active, bytesBetween), { timeout: 10_000 }).toBeGreaterThan(1_000_000);
    const behind = await ask(active, bytesBetween);
    const seen = await observed();
    expect(seen).toBeGreaterThanOrEqual(behind);
    expect(await ask(active, bytesBetween)).toBeGreaterThanOrEqual(seen ?? Infinity);
    await ask(follower, 'select pg_wal_replay_resume()');
    await expect.poll(observed, { timeout: 10_000 }).toBe(0);
  });

  it('is unknown on a timeline that the active node has not reached, and against other data', () => {
    const active = primary('a', ['b']);
    const bytes = (change: object): number | null => lagBytes(standby('b', 'a', { server: change }), active);
    expect(bytes({})).toEqual(expect.any(Number));
    expect(bytes({ timeline: 2 })).toBeNull();
    expect(bytes({ systemIdentifier: '8' })).toBeNull();
  });
});
