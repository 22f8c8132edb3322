/** What an auditor gets at the doors: signed checkpoints, verification with what vouches for it, and the report that carries one. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterDefinition } from '@understudy/cluster';
import { orchestrator as contract } from '@understudy/contracts';
import {
  checkEvents,
  checkExport,
  ensureCheckpointKey,
  readTrustedKeys,
  type SignedHead,
  type SignedStatement,
} from '@understudy/event-log';
import { openDriver } from '@understudy/platforms';
import { eventually, testRpc, type TestRpc } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scheduleWindow, startOrchestrator, type StartedOrchestrator } from './fixtures/contract.js';
import { orchestratorGrpc } from './inbound/grpc/api.js';

const DEADLINE_MS = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'understudy-audit-'));
const keyFile = join(folder, 'key.pem');

const pair: ClusterDefinition = {
  slug: 'orders',
  platform: 'simulated',
  environment: 'production',
  workloads: ['orders'],
  nodes: ['a', 'b'].map((slug) => ({ slug, host: slug, settings: {} })),
  hosts: ['a', 'b'].map((slug) => ({ slug, access: { kind: 'local' as const, root: `/nowhere/${slug}` }, patching: {} })),
  credentials: {},
  settings: { version: '17.9' },
};

let product: StartedOrchestrator;
let rpc: TestRpc;
let rolloutId: string;

beforeAll(async () => {
  ensureCheckpointKey(keyFile);
  product = await startOrchestrator({
    definitions: [pair],
    platforms: { simulated: openDriver('simulated', { allowSimulated: true }) },
    checkpoints: { keyFile, everyMs: 3_600_000 },
  });
  rpc = await testRpc(product.server, product.rim, orchestratorGrpc.services);
  const window = await scheduleWindow(product, ['orders'], { source: 'release', targetVersion: '17.10' });
  rolloutId = window.rollouts[0]?.id ?? '';
  await eventually('it is planned', async () => (await product.get(`/v1/rollouts/${rolloutId}`)).status === 200);
  await product.post(`/v1/rollouts/${rolloutId}/freeze`, { reason: 'for the audit' }).expect(200);
}, 120_000);

afterAll(async () => {
  await rpc?.close();
  await product?.stop();
  rmSync(folder, { recursive: true });
});

describe('an auditor', () => {
  it('is told what is not signed yet, by verification and report', async () => {
    const { body: before } = await product.get('/v1/verify').expect(200);
    expect(before).toMatchObject({
      intact: true,
      signed: { says: expect.stringMatching(/not signed yet|Nothing is signed yet/) },
    });
    const { body: report } = await product.get(`/v1/rollouts/${rolloutId}/report`).expect(200);
    expect(report).toMatchObject({ checkpoint: null });
    const text = await product.get(`/v1/rollouts/${rolloutId}/report`).set('Accept', 'text/markdown').expect(200);
    expect(text.text).toContain('The last of these events is not signed yet');
  });

  it('gets what was signed over REST and gRPC alike, page by page, and can check events by it without us', async () => {
    await product.store.checkpoints?.sign();
    const rows: SignedStatement[] = [];
    for (let cursor = ''; ;) {
      const { body } = await product.get(`/v1/checkpoints?limit=1${cursor}`).expect(200);
      rows.push(...(body.items as SignedStatement[]));
      if (body.page.nextCursor === null) break;
      cursor = `&cursor=${body.page.nextCursor as string}`;
    }
    expect(rows).toEqual(await product.store.checkpoints?.list(0, 100));
    expect(rows.length).toBeGreaterThan(1);
    const { items } = await rpc.as('viewer').call(contract.AuditService.method.listCheckpoints, {}, DEADLINE_MS);
    expect(items.map(({ statement, signature, keyId }) => ({ statement, signature, keyId }))).toEqual(
      rows.map(({ statement, signature, keyId }) => ({ statement, signature, keyId })),
    );

    const heads: SignedHead[] = [];
    const source = (async function* () {
      yield* rows;
    })();
    const trusted = readTrustedKeys(readFileSync(keyFile, 'utf8'), keyFile);
    expect(await checkExport('orchestrator', trusted, source, (head) => heads.push(head))).toMatchObject({ intact: true });
    const { body: events } = await product.get(`/v1/rollouts/${rolloutId}/events`).expect(200);
    const found = checkEvents(events.items, heads);
    expect(found).toMatchObject({ intact: true, stream: `rollout/${rolloutId}`, signedVersion: events.items.length });
  });

  it('reads how far signatures vouch, in one answer over both doors, and takes a checkpoint along with the report', async () => {
    const { body } = await product.get(`/v1/rollouts/${rolloutId}/verify`).expect(200);
    expect(body).toMatchObject({ intact: true, signed: { says: expect.stringContaining('That is everything there is.') } });
    const { verification } = await rpc
      .as('viewer')
      .call(contract.RolloutService.method.verifyRollout, { rolloutId }, DEADLINE_MS);
    expect(verification?.signed).toMatchObject({
      keyId: body.signed.keyId,
      position: BigInt(body.signed.position),
      says: body.signed.says,
    });
    const { body: report } = await product.get(`/v1/rollouts/${rolloutId}/report`).expect(200);
    expect(report.checkpoint).toMatchObject({
      keyId: body.signed.keyId,
      statement: expect.stringContaining(`rollout/${rolloutId}`),
    });
    for (const type of ['text/markdown', 'text/html']) {
      const { text } = await product.get(`/v1/rollouts/${rolloutId}/report`).set('Accept', type).expect(200);
      expect(text).toContain(report.checkpoint.keyId);
      expect(text).toContain(`up to position ${report.checkpoint.position as number} of the log`);
    }
    const overGrpc = await rpc.as('viewer').call(contract.RolloutService.method.getReport, { rolloutId }, DEADLINE_MS);
    expect(overGrpc.report?.checkpoint).toMatchObject({ statement: report.checkpoint.statement });
  });
});
