import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { drift as contract } from '@understudy/contracts';
import type { inventory as published } from '@understudy/contracts';
import type { Store } from '@understudy/event-log';
import { openStore } from '@understudy/event-log';
import { InProcessTransport } from '@understudy/messaging';
import type { HttpServer } from '@understudy/runtime';
import type { TestRpc, TestRuntime } from '@understudy/testing';
import { createTestDatabase, eventually, rpcFailure, testRpc, testRuntime, testServer } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DriftModule } from '../../index.js';
import { driftGrpc } from './api.js';

const { BaselineService, Environment, FindingService, FindingState, Severity } = contract;
const DEADLINE_MS = 10_000;
const baselines = BaselineService.method;
const findings = FindingService.method;

let rim: TestRuntime;
let server: HttpServer;
let rpc: TestRpc;
const stores: Store[] = [];

beforeAll(async () => {
  rim = await testRuntime();
  const database = await createTestDatabase(['drift', 'inventory', 'orchestrator']);
  for (const schema of ['drift', 'inventory', 'orchestrator'] as const)
    stores.push(await openStore({ connectionString: database.serviceConnection(schema), schema }));
  const [store, inventory, orchestrator] = stores as [Store, Store, Store];
  const transport = new InProcessTransport();
  for (const [service, log] of Object.entries({ inventory, orchestrator })) {
    const publish = ({ type, body }: { type: string; body: unknown }) => ({ type, key: 'k', subject: 's', data: body });
    transport.produce({ service, topic: `understudy.${service}.v1`, publish, store: log });
  }
  const config = { runtime: rim.runtime, store, connectionString: database.serviceConnection('drift'), reassessIntervalMs: 200 };
  server = await testServer([DriftModule.forRoot(config, transport)], rim, [transport]);
  rpc = await testRpc(server, rim, driftGrpc.services);
  const cluster: published.ClusterJson = {
    slug: 'orders',
    platform: 'postgres-streaming',
    environment: 'production',
    nodes: [{ slug: 'a' }, { slug: 'b' }],
  };
  const facts = (node: string, value: string): published.NodeFactsJson => ({
    node,
    collectedAt: new Date().toISOString(),
    missing: [],
    facts: [{ area: 'setting', name: 'max_connections', value }],
  });
  await say(inventory, 'inventory.cluster-registered', { cluster });
  await say(orchestrator, 'orchestrator.drift-assessment-requested', {
    requestId: 'r-1',
    cluster: 'orders',
    rolloutId: '',
    deadline: new Date(Date.now() + 60_000).toISOString(),
    expectedItems: [],
  });
  const nodes = [facts('a', '200'), facts('b', '100')];
  await say(inventory, 'inventory.facts-collected', { cluster: 'orders', requestId: 'r-1', activeNode: 'a', nodes });
}, 120_000);

afterAll(async () => {
  await rpc?.close();
  await server?.close();
  await Promise.all(stores.map((store) => store.close()));
  rim?.remove();
});

async function say(store: Store, name: string, body: object): Promise<void> {
  const events = [{ type: `understudy.${name}.v1`, schemaVersion: 1, body }];
  const actor = { subject: 's', role: 'system', authentication: 'internal', from: 'spec' };
  const streams = [{ stream: `said/${randomUUID()}`, expectedVersion: 0, events }];
  await store.log.append({ streams, metadata: { commandId: randomUUID(), actor } });
}

const list = (request: object = {}) => rpc.as('viewer').call(findings.listFindings, request, DEADLINE_MS);

describe('findings over gRPC', () => {
  it('are listed, read and waived with the severity and state of the contract', async () => {
    await eventually('the finding is open', async () => (await list({ cluster: 'orders' })).items.length > 0);
    const { items } = await list({ cluster: 'orders', severity: Severity.BLOCKING });
    expect(items).toMatchObject([
      { node: 'b', name: 'max_connections', value: '100', expected: '200', severity: Severity.BLOCKING },
    ]);
    const findingId = items[0]?.findingId ?? '';
    const { finding } = await rpc.as('viewer').call(findings.getFinding, { findingId }, DEADLINE_MS);
    expect(finding).toMatchObject({ state: FindingState.OPEN, openedAt: { seconds: expect.any(BigInt) } });
    const waiver = { findingId, reason: 'planned', expiresAt: timestampFromMs(Date.now() + 3_600_000) };
    expect(await rpcFailure(rpc.as('operator').call(findings.waiveFinding, waiver, DEADLINE_MS))).toMatchObject({ code: 7 });
    const waived = await rpc.as('approver').call(findings.waiveFinding, waiver, DEADLINE_MS);
    expect(waived.finding).toMatchObject({ state: FindingState.WAIVED, waiver: { owner: 'approver', reason: 'planned' } });
    const endless = { ...waiver, expiresAt: timestampFromMs(Date.now() + 400 * 86_400_000) };
    expect(await rpcFailure(rpc.as('approver').call(findings.waiveFinding, endless, DEADLINE_MS))).toMatchObject({ code: 3 });
    await rpc.as('approver').call(findings.withdrawWaiver, { findingId }, DEADLINE_MS);
    expect((await list({ state: FindingState.WAIVED })).items).toEqual([]);
  });

  it('are refused to a wrong token, and a request without what is required names the field', async () => {
    expect(await rpcFailure(rpc.as({ token: 'x' }).call(findings.listFindings, {}, DEADLINE_MS))).toMatchObject({ code: 16 });
    const empty = rpc.as('approver').call(findings.waiveFinding, { findingId: 'f-0123456789abcdef' }, DEADLINE_MS);
    expect(await rpcFailure(empty)).toMatchObject({
      code: 3,
      fields: expect.arrayContaining(['reason: REQUIRED', 'expires_at: REQUIRED']),
    });
    const odd = rpc.as('viewer').call(findings.getFinding, { findingId: 'nonsense' }, DEADLINE_MS);
    expect(await rpcFailure(odd)).toMatchObject({ code: 3, fields: ['finding_id: WRONG_FORMAT'] });
  });

  it('answer an assessment request to whoever asks again', async () => {
    const ask = (requestId: string) =>
      rpc.as('viewer').call(findings.getDriftAssessment, { slug: 'orders', requestId }, DEADLINE_MS);
    expect((await ask('r-1')).assessment).toMatchObject({
      requestId: 'r-1',
      blocking: [{ node: 'b', severity: 'blocking' }],
      incomplete: [],
    });
    expect(await rpcFailure(ask('r-9'))).toMatchObject({ code: 5 });
    const fidelity = rpc.as('viewer').call(findings.getFidelity, { slug: 'orders' }, DEADLINE_MS);
    expect(await rpcFailure(fidelity)).toMatchObject({ code: 5 });
  });
});

describe('baselines over gRPC', () => {
  const must = (rule: contract.Requirement['must']) => ({
    description: '',
    appliesTo: { environments: [Environment.LAB] },
    requirements: [{ area: 'setting', name: 'work_mem', severity: Severity.WARNING, must: rule }],
  });
  const set = (document: object, expectedVersion?: bigint) =>
    rpc
      .as('approver')
      .call(
        baselines.setBaseline,
        { name: 'house', document, ...(expectedVersion === undefined ? {} : { expectedVersion }) },
        DEADLINE_MS,
      );

  it('say exactly one thing of each value: a oneof here, one of four fields over REST', async () => {
    const choices = create(contract.ChoicesSchema, { values: ['4MB', '8MB'] });
    const { baseline, version } = await set(must({ case: 'oneOf', value: choices }));
    expect([version, baseline?.requirements[0]?.must]).toMatchObject([1n, { case: 'oneOf', value: { values: ['4MB', '8MB'] } }]);
    expect(await set(must({ case: 'absent', value: true }), 1n)).toMatchObject({ version: 2n });
    expect(await rpcFailure(set(must({ case: 'value', value: '4MB' }), 1n))).toMatchObject({ code: 10 });
    expect(await rpcFailure(set(must({ case: undefined })))).toMatchObject({ code: 3, reason: 'VALIDATION_FAILED' });
    const { baseline: kept } = await rpc.as('viewer').call(baselines.getBaseline, { name: 'house' }, DEADLINE_MS);
    expect(kept).toMatchObject({
      appliesTo: { environments: [Environment.LAB] },
      requirements: [{ must: { case: 'absent', value: true } }],
    });
    expect((await rpc.as('viewer').call(baselines.listBaselines, {}, DEADLINE_MS)).items).toMatchObject([
      { name: 'house', revision: 2n },
    ]);
    await rpc.as('approver').call(baselines.removeBaseline, { name: 'house', expectedVersion: 2n }, DEADLINE_MS);
    expect(await rpcFailure(rpc.as('viewer').call(baselines.getBaseline, { name: 'house' }, DEADLINE_MS))).toMatchObject({
      code: 5,
    });
  });
});
