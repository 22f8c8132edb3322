import { activeNode, nodeNamed } from '@understudy/cluster';
import type { Host } from '@understudy/hosts';
import { actNumbers, type ClusterUnderTest, Crash, deaf, interposed, PlatformSuite } from '@understudy/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

/**
 * What every platform driver must do, run against a real or a simulated cluster.
 * @param switchoverActs how many acts a switchover has there: a crash is tried before and after each of them.
 * @param more what only some drivers must do as well, such as `promoting` (`fixtures/promoting/`).
 */
export function platformContract<C extends ClusterUnderTest>(
  name: string,
  switchoverActs: number,
  open: () => Promise<C>,
  more: (suite: PlatformSuite<C>) => void = () => undefined,
): void {
  describe(`platform contract: ${name}`, () => {
    const suite = new PlatformSuite(open);
    beforeAll(() => suite.open());
    afterAll(() => suite.close());
    beforeEach(() => suite.settled());

    observing(suite);
    verbs(suite);
    guarding(suite);
    switching(suite, switchoverActs);
    crashing(suite, switchoverActs);
    more(suite);
  });
}

function observing(suite: PlatformSuite): void {
  it('observes the whole cluster: one active node, standbys within their lag, versions and identity', async () => {
    const seen = await suite.observe();
    expect(seen).toMatchObject({ platform: suite.cluster.driver.platform, complete: true, disagreements: [] });
    expect(seen.nodes.map((node) => node.node)).toEqual(suite.cluster.nodes);
    const active = activeNode(seen, suite.cluster.workload);
    expect(active).toMatchObject({ writable: true, lag: null, availability: 'serving' });
    for (const node of seen.nodes) {
      expect(node.bootId, node.node).not.toBeNull();
      expect(node.systemIdentifier).toBe(active?.systemIdentifier);
      expect(node.timeline).toBe(active?.timeline);
      expect(Object.values(node.versions)[0]?.running).toBeTruthy();
      if (node !== active) expect(node).toMatchObject({ writable: false, joined: true, electable: true });
    }
  });

  it('gives evidence of an application cluster from what it saw', async () => {
    const evidence = await suite.cluster.driver.evidence(suite.cluster.target(), 10_000);
    expect(evidence.filter(({ supports }) => supports === 'application')).toHaveLength(suite.cluster.nodes.length - 1);
  });

  it('passes its own preflight and the minimum on every node', async () => {
    const { driver, workload, nodes } = suite.cluster;
    const active = await suite.active();
    const checks = [...(await driver.preflight(suite.cluster.target(), workload, 10_000))];
    for (const node of nodes)
      checks.push(...(await driver.validate(suite.cluster.target(), workload, node, node === active, 10_000)));
    expect(checks.length).toBeGreaterThan(10);
    expect(checks.filter((check) => check.passed !== true)).toEqual([]);
  });

  it('says of a pair of versions, in each direction, whether they may meet and what the way back is', async () => {
    const { driver } = suite.cluster;
    const [item, seen] = Object.entries((await suite.observe()).nodes[0]?.versions ?? {})[0] ?? ['', null];
    const from = seen?.running ?? '';
    for (const to of [`${from}1`, '999.1']) {
      const [there, back] = [driver.versionPair(item, from, to), driver.versionPair(item, to, from)];
      for (const pair of [there, back]) expect(pair.reason, `${from} and ${to}`).not.toBe('');
      if (there.allowed && there.wayBack === 'lossless') expect(back.allowed, `back from ${to}`).toBe(true);
    }
  });

  it('has the same fingerprint after the roles changed', async () => {
    const fingerprint = async (): Promise<string> => {
      const facts = await suite.cluster.driver.facts(suite.cluster.target(), (value) => `hash of ${value}`, 10_000);
      return suite.cluster.driver.fingerprintInput(await suite.observe(), facts);
    };
    const before = await fingerprint();
    await suite.met('switchover', (await suite.standbys())[0]);
    expect(await fingerprint()).toBe(before);
  });
}

function verbs(suite: PlatformSuite): void {
  it('drains, joins and releases a standby; each verb repeated does nothing', async () => {
    const [standby] = await suite.standbys();
    const active = await suite.active();
    for (const verb of ['drain', 'join', 'release'] as const) {
      expect((await suite.met(verb, standby)).length, verb).toBeGreaterThan(0);
      expect(await suite.met(verb, standby), `${verb} repeated`).toEqual([]);
      const node = nodeNamed(await suite.observe(), standby);
      const expected = {
        drain: { availability: 'drained', electable: false, joined: false },
        join: { availability: 'serving', electable: false, joined: true },
        release: { availability: 'serving', electable: true, joined: true },
      }[verb];
      expect(node, verb).toMatchObject(expected);
      expect(await suite.active(), 'the workload does not move').toBe(active);
    }
  });

  it('stops and starts a standby; each verb repeated does nothing', async () => {
    const [standby] = await suite.standbys();
    await suite.met('stop', standby);
    expect(nodeNamed(await suite.observe(), standby)).toMatchObject({ availability: 'down', writable: false });
    expect(await suite.met('stop', standby)).toEqual([]);
    await suite.met('start', standby);
    expect(await suite.met('start', standby)).toEqual([]);
    await suite.settled();
  });

  it('keeps a drained node drained over a reboot of its host', async () => {
    const [standby] = await suite.standbys();
    await suite.met('drain', standby);
    const before = nodeNamed(await suite.observe(), standby);
    await suite.cluster.reboot(standby);
    const after = nodeNamed(await suite.observe(), standby);
    expect(after).toMatchObject({ availability: 'drained', electable: false });
    expect(after?.bootId).not.toBe(before?.bootId);
    await suite.met('join', standby);
    await suite.met('release', standby);
  });

  it('gives up a server that ends after each start, and says what its log says', async () => {
    const [standby] = await suite.standbys();
    for (const [away, back] of [
      ['drain', 'join'],
      ['stop', 'start'],
    ] as const) {
      await suite.met(away, standby);
      const { mend, says } = await suite.cluster.breakStart(standby);
      const result = await suite.perform(back, standby);
      await mend();
      expect(result.status === 'stuck' ? result.reason : JSON.stringify(result), back).toMatch(says);
      const starts = result.acts.filter(({ act }) => act === 'start').length;
      expect(starts, 'started').toBeGreaterThan(0);
      expect(starts, 'a few times, not as fast as it can').toBeLessThanOrEqual(3);
      expect(await suite.cluster.writers()).toEqual([await suite.active()]);
      await suite.met(back, standby);
      if (back === 'join') await suite.met('release', standby);
      await suite.settled();
    }
  });

  it('lets a released node come back by itself after a reboot', async () => {
    const [standby] = await suite.standbys();
    await suite.cluster.reboot(standby);
    await suite.settled();
    expect(nodeNamed(await suite.observe(), standby)).toMatchObject({ availability: 'serving', joined: true });
  });

  it('joins the node that used to be active without moving the workload back', async () => {
    const preferred = await suite.active();
    const [next] = await suite.standbys();
    await suite.met('switchover', next);
    for (const verb of ['drain', 'join', 'release'] as const) {
      await suite.met(verb, preferred);
      expect(await suite.active(), verb).toBe(next);
    }
  });
}

function guarding(suite: PlatformSuite): void {
  it('refuses to drain the active node, and does nothing', async () => {
    const active = await suite.active();
    const result = await suite.perform('drain', active);
    expect(result).toMatchObject({ status: 'stuck', acts: [] });
    expect(result.status === 'stuck' && result.reason).toMatch(new RegExp(active));
  });

  it('refuses to switch over to a drained node, and does nothing', async () => {
    const [standby] = await suite.standbys();
    await suite.met('drain', standby);
    await suite.met('join', standby);
    expect(await suite.perform('switchover', standby)).toMatchObject({ status: 'stuck', acts: [] });
    await suite.met('release', standby);
  });

  it('does nothing at all for an orchestrator that a newer one has fenced off', async () => {
    const [standby] = await suite.standbys();
    const active = await suite.active();
    const old = { logId: 'log-1', epoch: suite.epoch };
    suite.epoch += 1;
    for (const host of Object.values(suite.cluster.target().hosts))
      await host.journal.raise({ logId: 'log-1', epoch: suite.epoch }, 10_000);
    for (const verb of ['drain', 'switchover'] as const) {
      expect(await suite.perform(verb, standby, { fence: old }), verb).toMatchObject({
        status: 'unknown',
        cause: 'fenced',
        acts: [],
      });
    }
    expect(await suite.active()).toBe(active);
    await suite.settled();
  });

  it('stops before the first act when it is frozen', async () => {
    const [standby] = await suite.standbys();
    const result = await suite.perform('switchover', standby, { mayGoOn: () => false });
    expect(result).toMatchObject({ status: 'unknown', cause: 'frozen', acts: [] });
  });

  it('refuses the switchover before the stop when any receiver lags', async () => {
    const [next, third] = await suite.standbys();
    const active = await suite.active();
    const thaw = await suite.cluster.freezeReceiver(third);
    const result = await suite.perform('switchover', next);
    await thaw();
    expect(result.status === 'stuck' ? 'stuck' : JSON.stringify(result)).toBe('stuck');
    expect(result.acts.map(({ act }) => act)).not.toContain(suite.cluster.stopAct);
    expect(await suite.cluster.writers()).toEqual([active]);
  });
}

function switching(suite: PlatformSuite, switchoverActs: number): void {
  it('moves the workload without a lost write, and every other node follows', async () => {
    const [next] = await suite.standbys();
    await suite.cluster.writers();
    const acts = await suite.met('switchover', next);
    expect(
      acts.map(({ act }) => act),
      'the crash tests below visit each of them',
    ).toHaveLength(switchoverActs);
    expect(await suite.cluster.writers()).toEqual([next]);
    expect(await suite.cluster.lostWrites()).toBe(0);
    const seen = await suite.observe();
    expect(seen.nodes.filter((node) => node.joined)).toHaveLength(suite.cluster.nodes.length);
    expect(await suite.met('switchover', next), 'repeated').toEqual([]);
  });
}

function crashing(suite: PlatformSuite, switchoverActs: number): void {
  for (let k = 1; k <= switchoverActs; k++) {
    it(`goes on after a crash before act ${k} of a switchover, the old active node started by hand in between`, async () => {
      const [next] = await suite.standbys();
      const old = await suite.active();
      const key = suite.key();
      await suite.cluster.writers();
      let acts = 0;
      const first = await suite.perform('switchover', next, { key, mayGoOn: ({ act }) => act === 'wait' || ++acts < k });
      expect(first).toMatchObject({ cause: 'frozen' });
      expect(first.acts).toHaveLength(k - 1);
      expect((await suite.cluster.writers()).length, 'after the crash').toBeLessThanOrEqual(1);
      if (k % 2 === 0) await suite.cluster.startByHand(old);
      expect((await suite.cluster.writers()).length, 'started by hand').toBeLessThanOrEqual(1);
      await suite.met('switchover', next, { key });
      expect(await suite.cluster.writers(), 'at the end').toEqual([next]);
      expect(await suite.cluster.lostWrites()).toBe(0);
      await suite.settled();
    });
  }

  for (let k = 1; k <= switchoverActs; k++) {
    it(`never lets two nodes take writes when the old active node is started by hand right before act ${k}`, async () => {
      const [next] = await suite.standbys();
      const old = await suite.active();
      const seen: (readonly string[])[] = [];
      let acts = 0;
      const watched = interposed(suite.cluster.target(), async () => {
        if (++acts !== k) return;
        await suite.cluster.startByHand(old);
        seen.push(await suite.cluster.writers());
      });
      await suite.met('switchover', next, { target: watched });
      seen.push(await suite.cluster.writers());
      expect(seen).toHaveLength(2);
      expect(seen.filter((writers) => writers.length > 1)).toEqual([]);
      expect(seen.at(-1)).toEqual([next]);
      expect(await suite.cluster.lostWrites()).toBe(0);
      await suite.settled();
    });
  }

  for (const verb of ['drain', 'join', 'release', 'switchover'] as const) {
    it(`${verb}: an act that was performed and not heard of is not performed again`, async () => {
      const [standby] = await suite.standbys();
      if (verb === 'join' || verb === 'release') await suite.met('drain', standby);
      if (verb === 'release') await suite.met('join', standby);
      const key = suite.key();
      for (let crashes = 0; crashes < 16; crashes++) {
        const died = await suite.perform(verb, standby, { key, target: deaf(suite.cluster.target(), 1) }).then(
          () => false,
          (error: unknown) => {
            if (error instanceof Crash) return true;
            throw error;
          },
        );
        expect((await suite.cluster.writers()).length).toBeLessThanOrEqual(1);
        if (!died) break;
      }
      await suite.met(verb, standby, { key });
      const numbers = await actNumbers(suite.cluster.target(), key);
      expect(numbers.length).toBeGreaterThan(0);
      expect(
        numbers.filter((number) => number !== 1),
        'every act once',
      ).toEqual([]);
      expect(await suite.cluster.lostWrites()).toBe(0);
      if (verb === 'drain') await suite.met('join', standby);
      if (verb === 'drain' || verb === 'join') await suite.met('release', standby);
    });
  }

  it('waits for an act that was begun and has no end, before it does anything else', async () => {
    const [standby] = await suite.standbys();
    const key = suite.key();
    const target = suite.cluster.target();
    const host = target.hosts[target.definition.nodes.find((node) => node.slug === standby)?.host as string] as Host;
    const begun = await host.journal.begin({
      key: `${key}/unheard-of/1`,
      fence: { logId: 'log-1', epoch: suite.epoch },
      deadlineMs: 10_000,
    });
    expect(begun).toEqual({ status: 'begun' });
    const result = await suite.perform('drain', standby, { key, limitMs: 1_500 });
    expect(result).toMatchObject({ status: 'unknown', cause: 'deadline', acts: [] });
    await host.journal.end({ key: `${key}/unheard-of/1`, fence: { logId: 'log-1', epoch: suite.epoch }, deadlineMs: 10_000 }, 0);
    await suite.met('drain', standby, { key });
    await suite.met('join', standby);
    await suite.met('release', standby);
  });
}
