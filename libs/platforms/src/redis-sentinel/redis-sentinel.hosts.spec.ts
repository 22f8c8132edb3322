/** The driver against a real cluster on three hosts of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import { activeNode, nodeNamed } from '@understudy/cluster';
import { eventually, interposed, PlatformSuite } from '@understudy/testing';
import { REDIS_MASTER, REDIS_SECRETS, RedisClient } from '@understudy/testing/stand';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { platformContract } from '../contract.js';
import { RedisOnHosts, told } from './fixtures/on-hosts/contract.js';
import { PAUSE_MS } from './hand-over.js';

const LIMIT_MS = 90_000;
const BEFORE_MS = 1_000;
const SWITCHOVERS = 10;
const SWITCHOVERS_LIMIT_MS = 900_000;

platformContract('redis under sentinel on three hosts', 7, () => RedisOnHosts.open(['rd-a', 'rd-b', 'rd-c']));

describe('redis under sentinel on three hosts, under a client', () => {
  const suite = new PlatformSuite(() => RedisOnHosts.open(['rd-d', 'rd-e', 'rd-f']));
  let clients = 0;
  beforeAll(() => suite.open());
  afterAll(() => suite.close());
  beforeEach(() => suite.settled());

  const client = (): RedisClient =>
    new RedisClient(
      {
        addresses: suite.cluster.addresses,
        master: REDIS_MASTER,
        password: REDIS_SECRETS.driver.password,
        sentinelPassword: REDIS_SECRETS.sentinel.password,
      },
      `client_${(clients += 1)}`,
    );

  it(
    `moves the workload ${SWITCHOVERS} times without a lost write`,
    async () => {
      const writing = client();
      const gapsMs: number[] = [];
      for (let n = 0; n < SWITCHOVERS; n += 1) {
        const [first, second] = await suite.standbys();
        await delay(BEFORE_MS);
        writing.gapMs();
        await suite.met('switchover', n % 2 === 0 ? first : second);
        gapsMs.push(Math.round(writing.gapMs()));
      }
      const end = await writing.end();
      expect(end.acknowledged).toBeGreaterThan(1_000);
      expect(end.lost, JSON.stringify(end)).toBe(0);
      expect(Math.max(...gapsMs), `of about 2 s: ${gapsMs.join(', ')}`).toBeLessThan(10_000);
    },
    SWITCHOVERS_LIMIT_MS,
  );

  it('drains, joins and releases a standby without a failed write, and leaves nothing there', async () => {
    const [standby] = await suite.standbys();
    const writing = client();
    await delay(BEFORE_MS);
    for (const verb of ['drain', 'join', 'release'] as const) await suite.met(verb, standby);
    const end = await writing.end();
    expect(end).toMatchObject({ lost: 0, failed: 0 });
    expect(writing.gapMs()).toBeLessThan(BEFORE_MS);
    const machine = suite.cluster.machine(standby);
    const left = await machine.inside(
      'ls -d /etc/systemd/system/redis-server.service.d/* /home/*/.understudy/redis-sentinel/* /var/lib/understudy/.understudy/redis-sentinel/* 2>/dev/null || true',
    );
    expect(left.trim()).toBe('');
    expect(await machine.inside('grep -ci "^replica-priority 0" /etc/redis/redis.conf || true')).toBe('0\n');
    expect(nodeNamed(await suite.observe(), standby)?.leftovers).toEqual([]);
  });

  it('keeps a priority of its owner over a drain and a switchover', async () => {
    const [next, third] = await suite.standbys();
    const priority = async (node: string): Promise<string> =>
      String((await told(suite.cluster.machine(node), [['CONFIG', 'GET', 'replica-priority']])).flat().at(-1));
    await told(suite.cluster.machine(third), [
      ['CONFIG', 'SET', 'replica-priority', '30'],
      ['CONFIG', 'REWRITE'],
    ]);
    for (const verb of ['drain', 'join'] as const) await suite.met(verb, third);
    expect(await priority(third)).toBe('0');
    await suite.met('release', third);
    expect(await priority(third)).toBe('30');
    await suite.met('switchover', next);
    expect(await suite.active(), 'the one with the worse priority').toBe(next);
    expect(await priority(third)).toBe('30');
    const file = await suite.cluster.machine(third).inside('grep -i "^replica-priority" /etc/redis/redis.conf');
    expect(file.trim()).toBe('replica-priority 30');
    await told(suite.cluster.machine(third), [
      ['CONFIG', 'SET', 'replica-priority', '100'],
      ['CONFIG', 'REWRITE'],
    ]);
  });

  it('gives a switchover up whose target dies when nobody takes writes any more, and the old master serves again', async () => {
    const [next] = await suite.standbys();
    const old = await suite.active();
    const writing = client();
    await delay(BEFORE_MS);
    const key = suite.key();
    const first = await suite.perform('switchover', next, { key, mayGoOn: ({ act }) => act !== 'failover' });
    expect(first).toMatchObject({ cause: 'frozen' });
    expect(await suite.cluster.writers(), 'fenced').toEqual([]);
    await suite.cluster.machine(next).powerCut();
    const second = await suite.perform('switchover', next, { key, limitMs: LIMIT_MS });
    expect(second.status, JSON.stringify(second)).not.toBe('met');
    expect(await suite.cluster.writers()).toEqual([old]);
    suite.cluster.machine(next).powerOn();
    await suite.cluster.machine(next).untilUp(LIMIT_MS);
    await suite.cluster.following();
    // What it took away goes back with the next call.
    await suite.met('switchover', next, { limitMs: LIMIT_MS });
    expect(await writing.end()).toMatchObject({ lost: 0 });
  });

  it('gives a switchover up whose target hangs inside of the pause, and writes go on', async () => {
    const [next] = await suite.standbys();
    const old = await suite.active();
    const machine = suite.cluster.machine(next);
    const writing = client();
    await delay(BEFORE_MS);
    writing.gapMs();
    const key = suite.key();
    const target = interposed(suite.cluster.target(), async (entered) => {
      if (entered.key.includes('/fence/')) await machine.inside('systemctl kill -s STOP redis-server');
    });
    const result = await suite.perform('switchover', next, { key, target, limitMs: LIMIT_MS });
    await machine.inside('systemctl kill -s CONT redis-server');
    expect(result.acts.map(({ act }) => act)).not.toContain('failover');
    expect(result.status === 'stuck' ? result.reason : JSON.stringify(result)).toContain('not seen to be equal');
    expect(await suite.cluster.writers()).toEqual([old]);
    expect(writing.gapMs(), 'no longer than the pause').toBeLessThan(PAUSE_MS + BEFORE_MS);
    expect(await writing.end()).toMatchObject({ lost: 0, failed: 0 });
  });

  it('never gives back to an old master that came back empty: the target, which has every write, leads', async () => {
    const [next] = await suite.standbys();
    const old = suite.cluster.machine(await suite.active());
    const writing = client();
    await delay(BEFORE_MS);
    const key = suite.key();
    const first = await suite.perform('switchover', next, { key, mayGoOn: ({ act }) => act !== 'failover' });
    expect(first).toMatchObject({ cause: 'frozen' });
    await old.inside(
      'systemctl kill -s KILL redis-server; systemctl stop redis-server; rm -rf /var/lib/redis/*; systemctl start redis-server',
    );
    const second = await suite.perform('switchover', next, { key, limitMs: LIMIT_MS });
    expect(second.acts.map(({ act }) => act)).not.toContain('give-back');
    expect(second.status, JSON.stringify(second)).toBe('met');
    expect(await suite.cluster.writers()).toEqual([next]);
    expect(await writing.end()).toMatchObject({ lost: 0 });
  });

  it('refuses a second standby while the first is out', async () => {
    const [first, second] = await suite.standbys();
    await suite.met('drain', first);
    expect(await suite.perform('drain', second)).toMatchObject({ status: 'stuck', acts: [] });
    for (const verb of ['join', 'release'] as const) await suite.met(verb, first);
  });

  it('sees what the Sentinels do by themselves when the master’s plug is pulled, and takes the host back', async () => {
    const old = await suite.active();
    await suite.cluster.machine(old).powerCut();
    const moved = async (): Promise<boolean> => {
      const active = activeNode(await suite.observe(), REDIS_MASTER)?.node;
      return active !== undefined && active !== old;
    };
    await eventually('the Sentinels have failed over', moved, LIMIT_MS);
    expect(await suite.perform('drain', await suite.active())).toMatchObject({ status: 'stuck', acts: [] });
    suite.cluster.machine(old).powerOn();
    await suite.cluster.machine(old).untilUp(LIMIT_MS);
    await suite.cluster.following();
  });
});
