import { randomUUID } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ClusterDefinition } from '@understudy/cluster';
import { orchestrator as contract } from '@understudy/contracts';
import { openDriver } from '@understudy/platforms';
import type { TestRpc } from '@understudy/testing';
import { eventually, rpcFailure, testRpc } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOrchestrator, type StartedOrchestrator } from '../../fixtures/contract.js';
import { orchestratorGrpc } from './api.js';

const { DocumentService, ReportFormat, RolloutKind, RolloutResult, RolloutService, RolloutStatus } = contract;
const { WaveStatus, WindowRolloutStatus, WindowService, WindowStatus } = contract;
const DEADLINE_MS = 20_000;
const HOUR_MS = 3_600_000;
const rollouts = RolloutService.method;
const windows = WindowService.method;
const documents = DocumentService.method;

/** A production pair that exists in memory only: what the door, the window and the gates say of it is real. */
function productionPair(slug: string): ClusterDefinition {
  const nodes = ['a', 'b'].map((letter) => `${slug}-${letter}`);
  return {
    slug,
    platform: 'simulated',
    environment: 'production',
    workloads: ['orders'],
    nodes: nodes.map((node) => ({ slug: node, host: node, settings: {} })),
    hosts: nodes.map((node) => ({ slug: node, access: { kind: 'local', root: `/nowhere/${node}` }, patching: {} })),
    credentials: {},
    settings: { version: '17.9' },
  };
}

let product: StartedOrchestrator;
let rpc: TestRpc;
let patchSetId = '';

beforeAll(async () => {
  const platforms = { simulated: openDriver('simulated', { allowSimulated: true }) };
  product = await startOrchestrator({ definitions: [productionPair('orders')], platforms });
  rpc = await testRpc(product.server, product.rim, orchestratorGrpc.services);
}, 120_000);

afterAll(async () => {
  await rpc?.close();
  await product?.stop();
});

const documentOf = (opensInMs: number) => ({
  clusters: ['orders'],
  patchSetId,
  playbook: { name: 'monthly' },
  kind: RolloutKind.PATCH,
  opensAt: timestampFromMs(Date.now() + opensInMs),
  closesAt: timestampFromMs(Date.now() + opensInMs + 2 * HOUR_MS),
});

const schedule = (opensInMs: number, idempotencyKey: string = randomUUID()) =>
  rpc.as('operator').call(windows.scheduleWindow, { idempotencyKey, document: documentOf(opensInMs) }, DEADLINE_MS);

describe('documents over gRPC', () => {
  it('are stored once, and a playbook’s mistakes are told with their place', async () => {
    const store = (document: object) =>
      rpc.as('operator').call(documents.storePlaybook, { name: 'monthly', document: document as never }, DEADLINE_MS);
    const { playbook } = await store({ name: 'monthly', version: 1, phases: { soakMs: 200 } });
    expect(playbook).toMatchObject({ name: 'monthly', version: 1, playbook: { phases: { soakMs: 200 } } });
    const failure = await rpcFailure(store({ name: 'monthly', version: 2, phases: { nap: true } }));
    expect(failure).toMatchObject({ code: 3, fields: [expect.stringMatching(/^document\.phases\.nap: /)] });
    expect(await rpcFailure(store({ name: 'monthly', version: 1, phases: { soakMs: 300 } }))).toMatchObject({ code: 9 });
    expect((await rpc.as('viewer').call(documents.getPlaybook, { name: 'monthly' }, DEADLINE_MS)).playbook?.hash).toBe(
      playbook?.hash,
    );
    await eventually(
      'it is listed',
      async () => (await rpc.as('viewer').call(documents.listPlaybooks, {}, DEADLINE_MS)).items.length === 1,
    );
    const items = [{ name: 'postgresql', targetVersion: '17.10', source: 'release' }];
    const document = { items, advisories: ['CVE-2026-1'], publishedAt: timestampFromMs(Date.parse('2026-01-01T00:00:00Z')) };
    const define = () => rpc.as('operator').call(documents.definePatchSet, { idempotencyKey: 'the-one', document }, DEADLINE_MS);
    const { patchSet } = await define();
    expect(await define()).toMatchObject({ replayed: true, patchSet: { id: patchSet?.id } });
    patchSetId = patchSet?.id ?? '';
    expect((await rpc.as('viewer').call(documents.getPatchSet, { patchSetId }, DEADLINE_MS)).patchSet).toEqual(patchSet);
    await eventually(
      'it is listed',
      async () => (await rpc.as('viewer').call(documents.listPatchSets, {}, DEADLINE_MS)).items.length === 1,
    );
    expect((await rpc.as('viewer').call(documents.listPatchSets, {}, DEADLINE_MS)).items).toEqual([patchSet]);
  });
});

describe('windows over gRPC', () => {
  it('are scheduled once for a key, approved by somebody else by what was read, and cancelled', async () => {
    const key = randomUUID();
    const first = await schedule(HOUR_MS, key);
    const windowId = first.window?.id ?? '';
    expect(first).toMatchObject({ replayed: false, window: { status: WindowStatus.SCHEDULED, kind: RolloutKind.PATCH } });
    const get = async () => (await rpc.as('viewer').call(windows.getWindow, { windowId }, DEADLINE_MS)).window;
    await eventually('its rollout is planned', async () => (await get())?.rollouts[0]?.binding !== undefined);
    const window = await get();
    const [rollout] = window?.rollouts ?? [];
    const approve = (binding: string, expectedVersion?: bigint) =>
      rpc
        .as('approver')
        .call(
          windows.approveWindow,
          { windowId, bindings: { [rollout?.id ?? '']: binding }, ...(expectedVersion === undefined ? {} : { expectedVersion }) },
          DEADLINE_MS,
        );
    expect(await rpcFailure(approve('another'))).toMatchObject({
      code: 9,
      reason: 'PLAN_CHANGED',
      violations: [expect.stringContaining('bindings')],
    });
    expect(await rpcFailure(approve(rollout?.binding ?? '', 99n))).toMatchObject({ code: 10, reason: 'VERSION_DIFFERS' });
    expect((await approve(rollout?.binding ?? '', window?.version)).window).toMatchObject({ approval: { by: 'approver' } });
    const cancelled = await rpc.as('operator').call(windows.cancelWindow, { windowId, reason: 'holiday' }, DEADLINE_MS);
    expect(cancelled.window).toMatchObject({ status: WindowStatus.CANCELLED, stopped: { reason: 'holiday' } });
    await eventually('it is listed as such', async () => {
      const { items } = await rpc.as('viewer').call(windows.listWindows, { status: WindowStatus.CANCELLED }, DEADLINE_MS);
      return items.some(({ id }) => id === windowId);
    });
  });

  it('run in waves, are held and resumed, stopped with the fleet, aborted, and reported', async () => {
    const operator = rpc.as('operator');
    const document = {
      ...documentOf(0),
      waves: [{ clusters: ['orders'], canary: true }],
      soakMs: 1_000,
      failureBudget: 1,
    };
    const { window } = await operator.call(windows.scheduleWindow, { idempotencyKey: randomUUID(), document }, DEADLINE_MS);
    const windowId = window?.id ?? '';
    expect(window).toMatchObject({ soakMs: 1_000, failureBudget: 1, dependsOn: [] });
    const get = async () => (await rpc.as('viewer').call(windows.getWindow, { windowId }, DEADLINE_MS)).window;
    await eventually('its wave begins', async () => (await get())?.waves[0]?.status === WaveStatus.RUNNING);
    const { window: held } = await operator.call(windows.holdWindow, { windowId, reason: 'lunch' }, DEADLINE_MS);
    expect(held).toMatchObject({
      status: WindowStatus.HELD,
      held: { by: 'operator', reason: 'lunch' },
      waves: [{ number: 1, canary: true, clusters: ['orders'], status: WaveStatus.RUNNING }],
      rollouts: [{ cluster: 'orders', wave: 1, status: WindowRolloutStatus.BEGUN }],
    });
    expect((await operator.call(windows.resumeWindow, { windowId }, DEADLINE_MS)).window?.status).toBe(WindowStatus.OPEN);
    expect(await rpcFailure(operator.call(windows.resumeWindow, { windowId }, DEADLINE_MS))).toMatchObject({
      code: 9,
      reason: 'WINDOW_NOT_HELD',
    });
    const frozen = await operator.call(windows.freezeFleet, { reason: 'smoke' }, DEADLINE_MS);
    expect(frozen).toMatchObject({ complete: true, refused: [] });
    expect(frozen.windows.find(({ id }) => id === windowId)).toMatchObject({ status: WindowStatus.FROZEN, running: ['orders'] });
    await operator.call(windows.resumeFleet, {}, DEADLINE_MS);
    const { window: aborting } = await operator.call(windows.abortWindow, { windowId, reason: 'enough' }, DEADLINE_MS);
    expect(aborting?.status).toBe(WindowStatus.ABORTING);
    await eventually('it closes', async () => (await get())?.status === WindowStatus.CLOSED);
    const { report } = await rpc.as('viewer').call(windows.getWindowReport, { windowId }, DEADLINE_MS);
    expect(report).toMatchObject({
      windowId,
      results: { aborted: 1 },
      rollouts: [{ cluster: 'orders', status: WindowRolloutStatus.ENDED, result: RolloutResult.ABORTED }],
    });
    expect(report?.story.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['Wave 1 began.', 'Held by operator: lunch', 'Frozen with the whole fleet by operator: smoke']),
    );
  });

  it('that are over or name what nobody knows are refused, each with its place', async () => {
    expect(await rpcFailure(schedule(-3 * HOUR_MS))).toMatchObject({
      code: 3,
      fields: ['document.opens_at: WINDOW_IN_THE_PAST', 'document.closes_at: WINDOW_TOO_SHORT'],
    });
    const unknown = { ...documentOf(HOUR_MS), clusters: ['nobody'] };
    const call = rpc
      .as('operator')
      .call(windows.scheduleWindow, { idempotencyKey: randomUUID(), document: unknown }, DEADLINE_MS);
    expect(await rpcFailure(call)).toMatchObject({ code: 3, fields: ['document.clusters[0]: UNKNOWN_CLUSTER'] });
    expect(await rpcFailure(rpc.as('viewer').call(windows.scheduleWindow, {}, DEADLINE_MS))).toMatchObject({ code: 7 });
    expect(await rpcFailure(rpc.as({ token: 'x' }).call(windows.listWindows, {}, DEADLINE_MS))).toMatchObject({ code: 16 });
  });
});

describe('rollouts over gRPC', () => {
  it('are read as they are and as they were, planned, reported and verified', async () => {
    const { window } = await schedule(HOUR_MS);
    const rolloutId = window?.rollouts[0]?.id ?? '';
    await eventually('it is planned', async () =>
      rpc
        .as('viewer')
        .call(rollouts.getRollout, { rolloutId }, DEADLINE_MS)
        .then(
          () => true,
          () => false,
        ),
    );
    const { rollout: now } = await rpc.as('viewer').call(rollouts.getRollout, { rolloutId }, DEADLINE_MS);
    expect(now).toMatchObject({ id: rolloutId, cluster: 'orders', kind: RolloutKind.PATCH, status: RolloutStatus.PLANNED });
    await rpc.as('operator').call(rollouts.freezeRollout, { rolloutId, reason: 'look first' }, DEADLINE_MS);
    const then = await rpc
      .as('viewer')
      .call(rollouts.getRollout, { rolloutId, moment: { case: 'position', value: now?.position ?? 0n } }, DEADLINE_MS);
    expect(then.rollout).toEqual(now);
    const before = { case: 'time', value: timestampFromMs(0) } as const;
    expect(
      await rpcFailure(rpc.as('viewer').call(rollouts.getRollout, { rolloutId, moment: before }, DEADLINE_MS)),
    ).toMatchObject({
      code: 5,
      reason: 'BEFORE_THE_BEGINNING',
    });
    const { plan } = await rpc.as('viewer').call(rollouts.getPlan, { rolloutId }, DEADLINE_MS);
    expect(plan?.plan ?? plan?.noPlanBecause).toBeDefined();
    const { report } = await rpc.as('viewer').call(rollouts.getReport, { rolloutId }, DEADLINE_MS);
    expect(report).toMatchObject({ rolloutId, patchSet: { id: patchSetId }, interruption: { measured: false } });
    const html = await rpc.as('viewer').call(rollouts.renderReport, { rolloutId, format: ReportFormat.HTML }, DEADLINE_MS);
    expect([html.mediaType, html.text]).toEqual([expect.stringContaining('text/html'), expect.stringContaining('<html')]);
    const markdown = await rpc.as('viewer').call(rollouts.renderReport, { rolloutId }, DEADLINE_MS);
    expect(markdown.text).toMatch(/^# /);
    const { verification } = await rpc.as('viewer').call(rollouts.verifyRollout, { rolloutId }, DEADLINE_MS);
    expect(verification).toMatchObject({ intact: true, events: expect.any(BigInt) });
    expect((await rpc.as('viewer').call(rollouts.verifyLog, {}, DEADLINE_MS)).verification).toMatchObject({ intact: true });
    await eventually('it is listed as frozen', async () => {
      const { items } = await rpc.as('viewer').call(rollouts.listRollouts, { status: RolloutStatus.FROZEN }, DEADLINE_MS);
      return items.some(({ id }) => id === rolloutId);
    });
  });

  it('are watched: what was and what comes, from a position, each event once, and as REST tells it', async () => {
    const { window } = await schedule(HOUR_MS);
    const rolloutId = window?.rollouts[0]?.id ?? '';
    const all: contract.RolloutEvent[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { event } of rpc.as('viewer').watch(rollouts.watchRollout, { rolloutId }, stop.signal))
        if (event !== undefined) all.push(event);
    })();
    await eventually('the past is told', () => all.some(({ type }) => type === 'RolloutPlanned'));
    await rpc.as('operator').call(rollouts.freezeRollout, { rolloutId, reason: 'stop' }, DEADLINE_MS);
    await eventually('what comes is told', () => all.some(({ type }) => type === 'RolloutFrozen'));
    stop.abort();
    await watching;
    const { body } = await product.get(`/v1/rollouts/${rolloutId}/events`).expect(200);
    const told = (body.items as { position: number; hash: string; type: string }[]).slice(0, all.length);
    expect(all.map(({ position, hash, type }) => [Number(position), hash, type])).toEqual(
      told.map(({ position, hash, type }) => [position, hash, type]),
    );
    const after = all[0]?.position ?? 0n;
    const { items } = await rpc.as('viewer').call(rollouts.getRolloutEvents, { rolloutId, after }, DEADLINE_MS);
    expect(items.map(({ position }) => position).slice(0, all.length - 1)).toEqual(all.slice(1).map(({ position }) => position));
    expect(items[0]?.metadata?.actor).toMatchObject({ subject: expect.any(String) });
  });

  it('that nobody knows, or that are asked for in vain, are refused as over REST', async () => {
    const rolloutId = randomUUID();
    const hold = (reason: string) => rpc.as('operator').call(rollouts.holdRollout, { rolloutId, reason }, DEADLINE_MS);
    expect(await rpcFailure(hold('because'))).toMatchObject({ code: 5, reason: 'ROLLOUT_UNKNOWN' });
    expect(await rpcFailure(hold(''))).toMatchObject({ code: 3, fields: ['reason: REQUIRED'] });
    const watching = async () => {
      for await (const message of rpc.as('viewer').watch(rollouts.watchRollout, { rolloutId })) throw new Error(String(message));
    };
    expect(await rpcFailure(watching())).toMatchObject({ code: 5, reason: 'ROLLOUT_UNKNOWN' });
  });
});
