import { join } from 'node:path';
import type { Host } from '@understudy/hosts';
import { interposed, postmasterPid, testPair, withClient, type TestPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterTarget, VerbResult } from '../platform.js';
import { postgresStreaming } from './driver.js';

const LOST = { status: 'unknown', reason: 'link down' } as const;

describe('a switchover whose target is lost together with its host, after the stop of the active node', () => {
  let pair: TestPair;
  beforeAll(async () => {
    pair = await testPair({ slug: 'lost' });
  });
  afterAll(() => pair?.remove());

  /** The same cluster; once `isLost` says so, nothing reaches the target's host any more. */
  const behindALink = (target: ClusterTarget, isLost: () => boolean): ClusterTarget => {
    const slug = target.definition.nodes[1]?.host as string;
    const host = target.hosts[slug] as Host;
    const through = async <R>(call: () => Promise<R>): Promise<R | typeof LOST> => (isLost() ? LOST : call());
    const cut: Host = {
      ...host,
      access: { ...host.access, run: (command) => through(() => host.access.run(command)) },
      journal: {
        raise: (fence, deadlineMs) => through(() => host.journal.raise(fence, deadlineMs)),
        act: (request) => through(() => host.journal.act(request)),
        begin: (request) => through(() => host.journal.begin(request)),
        end: (request, code) => through(() => host.journal.end(request, code)),
        entries: (prefix, deadlineMs) => through(() => host.journal.entries(prefix, deadlineMs)),
      },
    };
    return { ...target, hosts: { ...target.hosts, [slug]: cut } };
  };

  const switchTo = (node: string, target: ClusterTarget, key: string): Promise<VerbResult> =>
    postgresStreaming.perform(target, {
      verb: 'switchover',
      workload: 'app',
      node,
      key,
      fence: { logId: 'log-1', epoch: 1 },
      deadlineAt: target.now() + 25_000,
      parameters: { stopDeadlineMs: '2000' },
      mayGoOn: () => true,
      onAct: () => undefined,
    });

  it('goes back to the active node, which then has the settings that it had before', async () => {
    const [active, standby] = pair.cluster.nodes;
    const { driver } = pair.cluster.secrets;
    const pointers = (): Promise<unknown> =>
      withClient(active!, driver, 'app', async (client) => {
        const text = `select name, setting from pg_settings where name in ('primary_conninfo', 'primary_slot_name') order by name`;
        return (await client.query(text)).rows;
      });
    const before = await pointers();
    let isLost = false;
    const target = interposed(
      behindALink(pair.target(), () => isLost),
      async ({ key }) => {
        if (isLost || !key.includes('/stop-active/')) return;
        isLost = true;
        process.kill(postmasterPid(join(standby!.root, 'data')) as number, 'SIGKILL');
        await Promise.resolve();
      },
    );
    const result = await switchTo(standby!.slug, target, 'r/lost');
    expect(result.acts.map(({ act }) => act)).toEqual(['record-position', 'checkpoint', 'stop-active', 'return-active']);
    expect(result).toMatchObject({ status: 'stuck', reason: expect.stringContaining('was started again') });
    const serves = withClient(active!, driver, 'app', async (client) => (await client.query('select pg_is_in_recovery()')).rows);
    expect(await serves).toEqual([{ pg_is_in_recovery: false }]);
    await expect.poll(pointers, { timeout: 2_000 }).toEqual(before);
  }, 60_000);
});
