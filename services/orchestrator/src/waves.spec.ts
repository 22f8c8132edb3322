import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterDefinition, HostDefinition } from '@understudy/cluster';
import { execute } from '@understudy/event-log';
import { windowDecider, type WindowCommand } from '@understudy/orchestrator-domain';
import { openDriver, type PlatformDriver } from '@understudy/platforms';
import { eventually } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOrchestrator, type StartedOrchestrator } from './fixtures/contract.js';
import { systemMetadata } from './handle.js';
import { SeenRollouts } from './owner/seen-rollouts.js';
import { windowCodec } from './use-cases/windows.js';

/** Each step starts processes: on a busy machine that takes its time. */
const CLOSED_WITHIN_MS = 300_000;
const HOUR_MS = 3_600_000;

/** Pairs that exist in memory only, on hosts that are folders of this machine: acts are entered in real journals, probes are real jobs. */
class Estate {
  private readonly folder = join(realpathSync(mkdtempSync(join(tmpdir(), 'understudy-waves-'))));
  /** Clusters whose switchover cannot be done. */
  readonly broken = new Set<string>();
  private constructor(private readonly door: Server) {}

  static async open(): Promise<Estate> {
    const door = createServer((socket) => socket.on('error', () => undefined).end());
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    return new Estate(door);
  }

  pair(slug: string, hosts: readonly [string, string] = [`${slug}-1`, `${slug}-2`]): ClusterDefinition {
    const address = this.door.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return {
      slug,
      platform: 'simulated',
      environment: 'practice',
      workloads: [slug],
      nodes: hosts.map((host, index) => ({ slug: `${slug}-${'ab'[index]}`, host, settings: {} })),
      hosts: hosts.map((host) => this.host(host)),
      probeHost: hosts[0],
      credentials: {},
      settings: { version: '17.9', probeKind: 'tcp', probeTargets: `127.0.0.1:${port}` },
    };
  }

  private host(slug: string): HostDefinition {
    const root = join(this.folder, slug);
    mkdirSync(root, { recursive: true });
    return { slug, access: { kind: 'local', root }, patching: {} };
  }

  /** The simulated driver in this clock, with the broken clusters stuck. */
  driver(): PlatformDriver {
    const simulated = openDriver('simulated', { allowSimulated: true });
    const observe: PlatformDriver['observe'] = async (target, deadlineMs) => {
      const observedAt = new Date(target.now()).toISOString();
      return { ...(await simulated.observe(target, deadlineMs)), observedAt };
    };
    return {
      ...simulated,
      observe,
      perform: async (target, request) =>
        this.broken.has(target.definition.slug)
          ? { status: 'stuck', reason: 'The standby does not answer.', acts: [], snapshot: await observe(target, 1_000) }
          : simulated.perform(target, request),
    };
  }

  async remove(): Promise<void> {
    await new Promise((resolve) => this.door.close(resolve));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Told {
  readonly id: string;
  readonly status: string;
  readonly held: { readonly reason: string; readonly by: string } | null;
  readonly results: Readonly<Record<string, number>> | null;
  readonly waves: readonly { readonly number: number; readonly status: string; readonly results: object | null }[];
  readonly rollouts: readonly {
    readonly id: string;
    readonly cluster: string;
    readonly status: string;
    readonly result: string | null;
    readonly reason: string | null;
  }[];
}

describe('a window of three waves over five clusters', () => {
  let estate: Estate;
  let product: StartedOrchestrator;
  let definitions: readonly ClusterDefinition[];
  let patchSetId = '';

  beforeAll(async () => {
    estate = await Estate.open();
    definitions = [
      estate.pair('canary'),
      estate.pair('orders', ['orders-1', 'shared']),
      estate.pair('billing', ['billing-1', 'shared']),
      estate.pair('cache'),
      estate.pair('shop'),
    ];
    product = await startOrchestrator({ definitions, platforms: { simulated: estate.driver() } });
    const items = [{ name: 'postgresql', targetVersion: '17.10', source: 'release' }];
    const { body } = await product.post('/v1/patch-sets', { items, publishedAt: '2026-01-01T00:00:00Z' }).expect(201);
    patchSetId = body.id as string;
    const test = { name: 'test', version: 1, kind: 'switchover-test', durations: { preflight: 1000 } };
    await product.put('/v1/playbooks/test', test).expect(200);
  });

  afterAll(async () => {
    await product?.stop();
    await product?.store.close();
    await estate?.remove();
  });

  const schedule = async (more: object = {}): Promise<Told> => {
    const now = Date.now();
    const { body } = await product
      .post('/v1/windows', {
        clusters: definitions.map(({ slug }) => slug),
        patchSetId,
        playbook: { name: 'test' },
        opensAt: new Date(now).toISOString(),
        closesAt: new Date(now + HOUR_MS).toISOString(),
        waves: [{ clusters: ['canary'], canary: true }, { clusters: ['orders', 'billing'] }, {}],
        dependsOn: [{ cluster: 'cache', on: ['shop'] }],
        ...more,
      })
      .expect(201);
    return body as Told;
  };
  const window = async (id: string): Promise<Told> => (await product.get(`/v1/windows/${id}`).expect(200)).body as Told;
  const is = (id: string, status: string): Promise<void> =>
    eventually(`the window is ${status}`, async () => (await window(id)).status === status, CLOSED_WITHIN_MS);
  const results = (told: Told): unknown =>
    Object.fromEntries(told.rollouts.map((rollout) => [rollout.cluster, rollout.result ?? rollout.status]));
  /** What the log says of the window's rollouts, in order, as `type cluster`. */
  const history = async (told: Told, ...types: readonly string[]): Promise<readonly string[]> => {
    const clusters = new Map(told.rollouts.map(({ id, cluster }) => [`rollout/${id}`, cluster]));
    const events = await product.store.log.readAll(0, 100_000);
    return events
      .filter(({ stream, type }) => clusters.has(stream) && types.includes(type))
      .map(({ stream, type }) => `${type} ${clusters.get(stream)}`);
  };

  it(
    'is stopped by a failing canary, and goes on wave by wave when a person lets it, over a restart and a decision that nobody was told',
    async () => {
      estate.broken.add('canary');
      const { id } = await schedule();
      await is(id, 'held');
      estate.broken.clear();
      const held = await window(id);
      expect(held.held).toMatchObject({
        by: 'system',
        reason: expect.stringMatching(/^The canary wave had canary failed/) as string,
      });
      expect(results(held)).toEqual({
        canary: 'failed',
        orders: 'waiting',
        billing: 'waiting',
        cache: 'waiting',
        shop: 'waiting',
      });
      expect(held.rollouts[1]?.reason).toContain('The window is held: The canary wave had canary failed');
      expect(await history(held, 'RolloutAdmitted')).toEqual(['RolloutAdmitted canary']);

      // The process ends right after the window has said what begins: nobody has been told.
      await product.stop();
      const scheduled = (await product.store.log.readStream(`window/${id}`)).length;
      const give = (command: WindowCommand) =>
        execute(product.store.log, windowDecider, {
          stream: `window/${id}`,
          command,
          metadata: systemMetadata(),
          codec: windowCodec,
        });
      const rollouts = await new SeenRollouts().read(product.store.log, held.rollouts);
      const at = new Date(product.store.now()).toISOString();
      await give({ type: 'ResumeWindow', by: { subject: 'operator', role: 'operator' }, rollouts, at });
      await give({ type: 'AdvanceWindow', rollouts, at });
      const said = (await product.store.log.readStream(`window/${id}`)).slice(scheduled).map(({ type }) => type);
      expect(said).toEqual(['WindowResumed', 'WaveBegun', 'RolloutsBegun']);

      product = await startOrchestrator({ definitions, platforms: { simulated: estate.driver() }, after: product });
      await eventually('the second wave moves', async () =>
        (await history(held, 'StepRequested')).includes('StepRequested orders'),
      );
      await product.stop();
      product = await startOrchestrator({ definitions, platforms: { simulated: estate.driver() }, after: product });
      await is(id, 'closed');

      const closed = await window(id);
      expect(closed.results, JSON.stringify(closed.rollouts, null, 1)).toEqual({ failed: 1, succeeded: 4 });
      expect(closed.waves.map(({ status }) => status)).toEqual(['ended', 'ended', 'ended']);
      const order = await history(closed, 'RolloutAdmitted', 'RolloutClosed');
      // Two share a host, then one depends on the other: nothing of waves 2 and 3 ever ran beside anything else.
      expect(order).toEqual(
        ['canary', 'orders', 'billing', 'shop', 'cache'].flatMap((slug) => [`RolloutAdmitted ${slug}`, `RolloutClosed ${slug}`]),
      );
      expect((await history(closed, 'RolloutBegun')).length, 'each was told once').toBe(5);
      const { body: report } = await product.get(`/v1/windows/${id}/report`).expect(200);
      expect(report.results).toEqual({ failed: 1, succeeded: 4 });
      expect((report.story as { what: string }[]).map(({ what }) => what)).toEqual(
        expect.arrayContaining([
          'Wave 1 began.',
          'Resumed by operator, who has seen how canary ended.',
          'Wave 3 ended: 2 succeeded.',
        ]),
      );
      expect(await product.store.log.verify()).toMatchObject({ intact: true });
    },
    CLOSED_WITHIN_MS + 120_000,
  );

  it(
    'is frozen with the fleet and goes on, is held and aborted: what had not begun ends with the reason',
    async () => {
      const { id } = await schedule({ waves: [{ count: 1 }, {}], dependsOn: [], soakMs: HOUR_MS / 4 });
      const later = await schedule({
        opensAt: new Date(Date.now() + HOUR_MS).toISOString(),
        closesAt: new Date(Date.now() + 3 * HOUR_MS).toISOString(),
      });
      await eventually('the first wave moves', async () => (await history(await window(id), 'RolloutAdmitted')).length === 1);
      const { body: frozen } = await product.post('/v1/fleet/freeze', { reason: 'smoke in the hall' }).expect(200);
      expect(frozen).toMatchObject({ complete: true, refused: [] });
      expect((frozen.windows as { id: string }[]).map((entry) => entry.id).sort()).toEqual([id, later.id].sort());
      await eventually('every rollout is frozen', async () => (await history(await window(id), 'RolloutFrozen')).length === 5);
      expect((await window(later.id)).status).toBe('frozen');
      await product.post(`/v1/windows/${id}/abort`, { reason: 'too late' }).expect(409);
      await product.post('/v1/fleet/resume').expect(200);
      await eventually('every rollout was resumed', async () => (await history(await window(id), 'RolloutResumed')).length === 5);
      expect((await window(later.id)).status).toBe('scheduled');
      await eventually('the first wave ended', async () => (await window(id)).waves[0]?.status === 'ended', CLOSED_WITHIN_MS);
      expect((await window(id)).rollouts[1]?.reason).toMatch(/^Wave 1 soaks until/);

      await product.post(`/v1/windows/${id}/hold`, { reason: 'lunch' }).expect(200);
      expect((await window(id)).held).toMatchObject({ by: 'operator', reason: 'lunch' });
      await product.post(`/v1/windows/${id}/abort`, { reason: 'enough for today' }).expect(200);
      await is(id, 'closed');
      const closed = await window(id);
      expect(closed.results).toEqual({ succeeded: 1, aborted: 4 });
      expect(closed.waves[1]?.status).toBe('not-begun');
      expect(closed.rollouts[1]?.reason).toContain('Aborted by operator before anything began: enough for today');
      await product.post(`/v1/windows/${later.id}/cancel`, { reason: 'done' }).expect(200);
    },
    CLOSED_WITHIN_MS + 120_000,
  );

  it('refuses clusters that depend on each other in a circle, in words, and waves that leave somebody out', async () => {
    const body = {
      clusters: ['orders', 'billing'],
      patchSetId,
      playbook: { name: 'test' },
      opensAt: new Date().toISOString(),
      closesAt: new Date(Date.now() + HOUR_MS).toISOString(),
    };
    const round = [
      { cluster: 'orders', on: ['billing'] },
      { cluster: 'billing', on: ['orders'] },
    ];
    const circle = await product.post('/v1/windows', { ...body, dependsOn: round }).expect(422);
    expect(circle.body.errors).toMatchObject([
      {
        code: 'DEPENDENCY_CYCLE',
        detail: expect.stringContaining('orders depends on billing, billing depends on orders') as string,
      },
    ]);
    const left = await product.post('/v1/windows', { ...body, waves: [{ count: 1 }] }).expect(422);
    expect(left.body.errors).toMatchObject([{ pointer: '/waves', code: 'CLUSTER_IN_NO_WAVE' }]);
  });
});
