import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '@understudy/hosts';
import { boot, testPair, withClient, type PracticeNode, type TestPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterTarget } from '../platform.js';
import { postgresStreaming } from './driver.js';

describe('a process that sleeps between the entry of its promotion in the journal and the promotion itself', () => {
  let pair: TestPair;
  beforeAll(async () => {
    pair = await testPair({ slug: 'late' });
  });
  afterAll(() => pair?.remove());

  const ask = async (node: PracticeNode, text: string): Promise<unknown> =>
    withClient(node, pair.cluster.secrets.driver, 'app', async (client) => (await client.query(text)).rows);
  const streaming = (node: PracticeNode): Promise<unknown> =>
    ask(node, 'select status from pg_stat_wal_receiver').catch((error: unknown) => error);

  /** The same cluster, with something that happens right after the promotion was entered. */
  const sleepy = (meanwhile: () => Promise<void>): ClusterTarget => {
    const target = pair.target();
    const slow = (host: Host): Host => ({
      ...host,
      journal: {
        raise: (fence, deadlineMs) => host.journal.raise(fence, deadlineMs),
        act: (request) => host.journal.act(request),
        begin: async (request) => {
          const entered = await host.journal.begin(request);
          if (request.key.includes('/promote/')) await meanwhile();
          return entered;
        },
        end: (request, code) => host.journal.end(request, code),
        entries: (prefix, deadlineMs) => host.journal.entries(prefix, deadlineMs),
      },
    });
    return { ...target, hosts: Object.fromEntries(Object.entries(target.hosts).map(([slug, host]) => [slug, slow(host)])) };
  };

  it('promotes nothing beside the old active node, which somebody has started as a primary meanwhile', async () => {
    const [active, standby] = pair.cluster.nodes as [PracticeNode, PracticeNode];
    const target = sleepy(async () => {
      rmSync(join(active.root, 'data', 'standby.signal'));
      boot(active);
      await expect.poll(() => streaming(standby), { timeout: 15_000 }).toEqual([{ status: 'streaming' }]);
    });
    const result = await postgresStreaming.perform(target, {
      verb: 'switchover',
      workload: 'app',
      node: standby.slug,
      key: 'r/late',
      fence: { logId: 'log-1', epoch: 1 },
      deadlineAt: target.now() + 25_000,
      parameters: { stopDeadlineMs: '2000' },
      mayGoOn: () => true,
      onAct: () => undefined,
    });
    expect(result.acts.map(({ act }) => act)).toContain('promote');
    const inRecovery = 'select pg_is_in_recovery() as standby';
    expect(await ask(active, inRecovery)).toEqual([{ standby: false }]);
    expect(await ask(standby, inRecovery)).toEqual([{ standby: true }]);
  }, 60_000);
});
