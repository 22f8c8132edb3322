import { execFileSync } from 'node:child_process';
import type { Leftover, Verb } from '@understudy/cluster';
import { eventually, testPair, withClient, type TestPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresStreaming } from './driver.js';

const LIMIT_MS = 60_000;

describe('what is left on a real node', () => {
  let pair: TestPair;
  beforeAll(async () => {
    pair = await testPair();
  }, 120_000);
  afterAll(() => pair?.remove());

  const perform = async (verb: Verb, node: string): Promise<void> => {
    const result = await postgresStreaming.perform(pair.target(), {
      verb,
      workload: 'orders',
      node,
      key: `by-hand/${verb}-${node}/1`,
      fence: { logId: '11111111-1111-4111-8111-111111111111', epoch: 1 },
      deadlineAt: Date.now() + LIMIT_MS,
      parameters: {},
      mayGoOn: () => true,
      onAct: () => undefined,
    });
    expect(result.status, JSON.stringify(result)).toBe('met');
  };
  const observe = () => postgresStreaming.observe(pair.target(), 10_000);
  const leftovers = async (): Promise<readonly Leftover[]> => (await observe()).nodes.flatMap((node) => node.leftovers ?? []);
  /** As a person would: the commands as they are printed, one after the other. */
  const paste = ({ commands }: Leftover): void => {
    execFileSync('sh', ['-c', commands.join(' && ')], { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  const names = (): Promise<string> =>
    withClient(pair.cluster.nodes[0] as never, pair.cluster.secrets.driver, 'postgres', async (client) => {
      const { rows } = await client.query<{ names: string }>(`select current_setting('synchronous_standby_names') as names`);
      return rows[0]?.names ?? '';
    });
  const synchronous = (value: string): Promise<unknown> =>
    withClient(pair.cluster.nodes[0] as never, pair.cluster.secrets.driver, 'postgres', async (client) => {
      await client.query(`alter system set synchronous_standby_names = '${value}'`);
      await client.query('select pg_reload_conf()');
    });

  it('is nothing on a cluster that was left alone', async () => {
    expect(await leftovers()).toEqual([]);
  });

  it('is taken away by the commands that are named, pasted on the host', async (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('not applicable: the commands are for root');
    const standby = pair.cluster.definition.nodes[1]?.slug ?? '';
    const named = `"${standby}"`;
    await synchronous(named);
    await eventually('it is asked for', async () => (await names()) === named);
    await perform('drain', standby);
    expect(await names()).toBe('');
    const left = await leftovers();
    expect(left.map(({ kind, node }) => [kind, node]).sort()).toEqual([
      ['drained', standby],
      ['relaxed', standby],
    ]);
    const [drained] = left.filter((entry) => entry.kind === 'drained');
    const [relaxed] = left.filter((entry) => entry.kind === 'relaxed');
    paste(drained as Leftover);
    await eventually('it streams again', async () =>
      (await observe()).nodes.some((node) => node.node === standby && node.joined && node.availability === 'serving'),
    );
    paste(relaxed as Leftover);
    await eventually('commits wait for it again', async () => (await names()) === named);
    const after = await observe();
    expect(after.nodes.find((node) => node.node === standby)).toMatchObject({ electable: true, leftovers: [] });
    expect(await leftovers()).toEqual([]);
    await synchronous('');
  }, 120_000);
  it('is a server that does not run: started again as what its files say', async (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('not applicable: the commands are for root');
    const standby = pair.cluster.definition.nodes[1]?.slug ?? '';
    await perform('stop', standby);
    const [stopped] = await leftovers();
    expect(stopped).toMatchObject({ kind: 'stopped', node: standby, what: `PostgreSQL does not run on ${standby}.` });
    paste(stopped as Leftover);
    await eventually('it streams again', async () =>
      (await observe()).nodes.some((node) => node.node === standby && node.joined && node.availability === 'serving'),
    );
  }, 120_000);
});
