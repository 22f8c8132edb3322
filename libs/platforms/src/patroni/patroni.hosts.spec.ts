/** The driver against a real cluster on three hosts of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import { activeNode, nodeNamed } from '@understudy/cluster';
import { eventually, PlatformSuite } from '@understudy/testing';
import { PATRONI_DATABASE, PATRONI_SECRETS, PostgresClient } from '@understudy/testing/stand';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { platformContract } from '../contract.js';
import { PatroniOnHosts } from './fixtures/on-hosts/contract.js';

const LIMIT_MS = 60_000;
const BEFORE_MS = 2_000;

platformContract('patroni on three hosts', 3, () => PatroniOnHosts.open(['pg-a', 'pg-b', 'pg-c']));

describe('patroni on three hosts, under a client', () => {
  const suite = new PlatformSuite(() => PatroniOnHosts.open(['pg-d', 'pg-e', 'pg-f']));
  let clients = 0;
  beforeAll(() => suite.open());
  afterAll(() => suite.close());
  beforeEach(() => suite.settled());

  const client = (): PostgresClient =>
    new PostgresClient(
      { addresses: suite.cluster.addresses, database: PATRONI_DATABASE, ...PATRONI_SECRETS.client },
      `client_${(clients += 1)}`,
    );

  it('moves the workload there and back without a lost write', async () => {
    const preferred = await suite.active();
    const [next] = await suite.standbys();
    for (const to of [next, preferred]) {
      const writing = client();
      await delay(BEFORE_MS);
      await suite.met('switchover', to);
      await suite.cluster.streaming();
      const told = await writing.end();
      expect(told.acknowledged).toBeGreaterThan(100);
      expect(told.lost, JSON.stringify(told)).toBe(0);
      expect(told.longestGapMs, 'of about 1.5 s').toBeLessThan(10_000);
    }
  });

  it('leaves nothing that acts on a host that it drained, joined and released', async () => {
    const [standby] = await suite.standbys();
    for (const verb of ['drain', 'join', 'release'] as const) await suite.met(verb, standby);
    const left = await suite.cluster
      .machine(standby)
      .inside('ls -d /etc/systemd/system/patroni.service.d/* /etc/understudy/patroni.d/* 2>/dev/null || true');
    // The Patroni that runs was started on this folder: the link to its own configuration is what it reads until its next start.
    expect(left.trim()).toBe('/etc/understudy/patroni.d/10-own.yml');
    expect((await suite.cluster.machine(standby).inside('readlink /etc/understudy/patroni.d/10-own.yml')).trim()).toMatch(
      /^\/etc\/patroni\//,
    );
    expect(nodeNamed(await suite.observe(), standby)?.leftovers).toEqual([]);
  });

  it('drains the synchronous standby while commits go on, and lets it be chosen again after the release', async () => {
    await suite.cluster.configure({ synchronous_mode: true, synchronous_mode_strict: true });
    try {
      const chosen = async (): Promise<string | undefined> =>
        (await suite.observe()).nodes.find(({ native }) => native.includes('sync_standby'))?.node;
      await eventually('one is synchronous', async () => (await chosen()) !== undefined, LIMIT_MS);
      const standby = (await chosen()) as string;
      const writing = client();
      await delay(BEFORE_MS);
      await suite.met('drain', standby);
      expect(await chosen()).not.toBe(standby);
      await delay(BEFORE_MS);
      for (const verb of ['join', 'release'] as const) await suite.met(verb, standby);
      const told = await writing.end();
      expect(told).toMatchObject({ lost: 0, failed: 0 });
      expect(told.longestGapMs, JSON.stringify(told)).toBeLessThan(BEFORE_MS);
    } finally {
      await suite.cluster.configure({ synchronous_mode: null, synchronous_mode_strict: null });
      await eventually('writes need nobody', async () => (await suite.cluster.writers()).length === 1, LIMIT_MS);
    }
  });

  it('refuses a second standby while the first is out, and anything while the cluster is paused', async () => {
    const [first, second] = await suite.standbys();
    await suite.met('drain', first);
    expect(await suite.perform('drain', second)).toMatchObject({ status: 'stuck', acts: [] });
    for (const verb of ['join', 'release'] as const) await suite.met(verb, first);
    await suite.settled();
    await suite.cluster.configure({ pause: true });
    await eventually('it is seen', async () => (await suite.observe()).disagreements.join().includes('paused'), LIMIT_MS);
    expect(await suite.perform('switchover', second)).toMatchObject({ status: 'stuck', acts: [] });
    await suite.cluster.configure({ pause: null });
    await eventually('it is over', async () => (await suite.observe()).disagreements.length === 0, LIMIT_MS);
  });

  it('sees what Patroni does by itself when the leader’s plug is pulled, and takes the host back', async () => {
    const old = await suite.active();
    await suite.cluster.machine(old).powerCut();
    const moved = async (): Promise<boolean> => {
      const active = activeNode(await suite.observe(), PATRONI_DATABASE)?.node;
      return active !== undefined && active !== old;
    };
    await eventually('Patroni has failed over', moved, LIMIT_MS);
    expect(await suite.perform('drain', await suite.active())).toMatchObject({ status: 'stuck', acts: [] });
    suite.cluster.machine(old).powerOn();
    await suite.cluster.machine(old).untilUp(LIMIT_MS);
    await suite.cluster.streaming();
  });
});
