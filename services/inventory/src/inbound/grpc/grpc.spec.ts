import { randomUUID } from 'node:crypto';
import { inventory as contract } from '@understudy/contracts';
import type { TestRpc } from '@understudy/testing';
import { rpcFailure, testRpc } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InventoryUnderTest } from '../../fixtures/contract.js';
import { inventoryGrpc } from './api.js';

const { ClusterService, CredentialService, Environment, HaLayer } = contract;
const DEADLINE_MS = 10_000;
const clusters = ClusterService.method;

let under: InventoryUnderTest;
let rpc: TestRpc;

beforeAll(async () => {
  under = await InventoryUnderTest.start();
  rpc = await testRpc(under.server, under.rim, inventoryGrpc.services);
}, 120_000);

afterAll(async () => {
  await rpc?.close();
  await under?.stop();
});

/** A cluster whose hosts reach nothing. */
function document(slug: string) {
  const { nodes, hosts, settings } = under.lonely(slug);
  return {
    slug,
    platform: 'postgres-streaming',
    environment: Environment.LAB,
    declaredHaLayer: HaLayer.APPLICATION,
    workloads: ['app'],
    nodes: nodes.map(({ slug: node, host, settings: own }) => ({ slug: node, host, settings: { ...own } })),
    hosts: hosts.map(({ slug: host, access }) => ({
      slug: host,
      access: { kind: contract.AccessKind.LOCAL, root: access.kind === 'local' ? access.root : '' },
      patching: { release: { folder: 'releases' } },
    })),
    credentials: {},
    settings: { ...settings },
  };
}

const register = (slug: string, idempotencyKey: string = randomUUID()) =>
  rpc.as('operator').call(clusters.registerCluster, { idempotencyKey, document: document(slug) }, DEADLINE_MS);

describe('clusters over gRPC', () => {
  it('are registered as over REST: one document, one revision, one answer for a key at both doors', async () => {
    const key = randomUUID();
    const first = await register('alpha', key);
    expect(first).toMatchObject({ version: 1n, replayed: false, cluster: { slug: 'alpha', revision: 1n } });
    const rest = await under.as('viewer').get('/v1/clusters/alpha').expect(200);
    expect(rest.body.definition).toMatchObject({
      environment: 'lab',
      declaredHaLayer: 'application',
      hosts: [{ access: { kind: 'local' }, patching: { release: { folder: 'releases' } } }],
    });
    const again = await register('alpha', key);
    expect(again).toMatchObject({ version: 1n, replayed: true });
    await under.register(rest.body.definition, key).expect(201).expect('idempotency-replayed', 'true');
    expect(await rpcFailure(register('alpha'))).toMatchObject({ code: 9, reason: 'CLUSTER_EXISTS' });
    const { cluster, version } = await rpc.as('viewer').call(clusters.getCluster, { slug: 'alpha' }, DEADLINE_MS);
    expect(cluster).toMatchObject({ status: contract.ClusterStatus.REGISTERED, definition: { environment: Environment.LAB } });
    expect(version).toBe(1n);
  });

  it('are previewed without being stored', async () => {
    const { preview } = await rpc.as('operator').call(clusters.previewCluster, { document: document('nowhere') }, DEADLINE_MS);
    expect(preview).toMatchObject({ cluster: 'nowhere', next: expect.stringContaining('Nothing was stored') });
    expect(await rpcFailure(rpc.as('viewer').call(clusters.getCluster, { slug: 'nowhere' }, DEADLINE_MS))).toMatchObject({
      code: 5,
      reason: 'NOT_FOUND',
    });
  });

  it('are changed at the version that was read; another one is ABORTED, none is refused', async () => {
    await register('beta');
    const change = (expectedVersion?: bigint) =>
      rpc.as('operator').call(
        clusters.changeCluster,
        {
          slug: 'beta',
          document: { ...document('beta'), workloads: ['app', 'more'] },
          ...(expectedVersion === undefined ? {} : { expectedVersion }),
        },
        DEADLINE_MS,
      );
    expect(await rpcFailure(change())).toMatchObject({ code: 3, fields: ['expected_version: REQUIRED'] });
    expect(await change(1n)).toMatchObject({ version: 2n, cluster: { definition: { workloads: ['app', 'more'] } } });
    expect(await rpcFailure(change(1n))).toMatchObject({ code: 10, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    await rpc.as('operator').call(clusters.retireCluster, { slug: 'beta', expectedVersion: 2n, reason: 'gone' }, DEADLINE_MS);
    const { items } = await rpc.as('viewer').call(clusters.listClusters, { retired: true }, DEADLINE_MS);
    expect(items.map(({ slug }) => slug)).toEqual(['beta']);
  });

  it('come in pages by slug, with filters', async () => {
    await register('gamma');
    const list = (request: object) => rpc.as('viewer').call(clusters.listClusters, request, DEADLINE_MS);
    const first = await list({ limit: 1, environment: Environment.LAB });
    expect(first).toMatchObject({ items: [{ slug: 'alpha' }], page: { limit: 1 } });
    const cursor = first.page?.nextCursor ?? '';
    const second = await list({ limit: 1, environment: Environment.LAB, cursor });
    expect(second.items).toMatchObject([{ slug: 'gamma' }]);
    expect(second.page?.nextCursor).toBeUndefined();
    expect(await rpcFailure(list({ cursor }))).toMatchObject({
      code: 3,
      reason: 'CURSOR_INVALID',
      fields: ['cursor: CURSOR_INVALID'],
    });
    expect((await list({ environment: Environment.PRODUCTION })).items).toEqual([]);
    expect(await rpcFailure(list({ limit: 201 }))).toMatchObject({ code: 3, fields: ['limit: OUT_OF_RANGE'] });
  });

  it('answer what protects them, and nothing where that is not known', async () => {
    expect((await rpc.as('viewer').call(clusters.getHaLayer, { slug: 'gamma' }, DEADLINE_MS)).classification).toBeUndefined();
    const { topology } = await rpc.as('viewer').call(clusters.getTopology, { slug: 'gamma' }, DEADLINE_MS);
    expect(topology).toMatchObject({ cluster: 'gamma', complete: false, nodes: [] });
    expect((await rpc.as('viewer').call(clusters.getFacts, { slug: 'gamma' }, DEADLINE_MS)).facts).toMatchObject({
      cluster: 'gamma',
    });
    expect((await rpc.as('viewer').call(clusters.listDebts, {}, DEADLINE_MS)).items).toEqual([]);
  });
});

describe('a request that is not valid changes nothing and says all that is wrong', () => {
  it('where fields lack or have unknown values', async () => {
    const before = await under.stores.inventory.log.headPosition();
    const bad = { ...document('delta'), environment: 42 as contract.Environment, workloads: [], nodes: [{ host: 'Not A Slug' }] };
    const call = rpc.as('operator').call(clusters.registerCluster, { idempotencyKey: randomUUID(), document: bad }, DEADLINE_MS);
    const failure = await rpcFailure(call);
    expect(failure).toMatchObject({ code: 3, reason: 'VALIDATION_FAILED' });
    expect([...failure.fields].sort()).toEqual([
      'document.environment: NOT_ALLOWED',
      'document.nodes[0].host: WRONG_FORMAT',
      'document.nodes[0].slug: REQUIRED',
      'document.workloads: WRONG_SIZE',
    ]);
    const none = rpc.as('operator').call(clusters.registerCluster, { document: document('delta') }, DEADLINE_MS);
    expect(await rpcFailure(none)).toMatchObject({
      code: 3,
      reason: 'IDEMPOTENCY_KEY_REQUIRED',
      fields: ['idempotency_key: REQUIRED'],
    });
    const empty = rpc.as('operator').call(clusters.registerCluster, { idempotencyKey: randomUUID() }, DEADLINE_MS);
    expect(await rpcFailure(empty)).toMatchObject({ code: 3, fields: ['document: REQUIRED'] });
    expect(await under.stores.inventory.log.headPosition()).toBe(before);
  });

  it('where the token is missing, unknown or of a lesser role: told before the message is read', async () => {
    const list = (as: Parameters<TestRpc['as']>[0]) => rpc.as(as).call(clusters.listClusters, { limit: -1 }, DEADLINE_MS);
    expect(await rpcFailure(list({ token: 'nonsense' }))).toMatchObject({ code: 16, reason: 'TOKEN_INVALID' });
    expect(await rpcFailure(list({ token: '' }))).toMatchObject({ code: 16, reason: 'TOKEN_REQUIRED' });
    const asViewer = rpc.as('viewer').call(clusters.registerCluster, {}, DEADLINE_MS);
    expect(await rpcFailure(asViewer)).toMatchObject({ code: 7, reason: 'ROLE_REQUIRED' });
  });
});

describe('credentials over gRPC', () => {
  it('are for admins alone, and show neither secret nor place', async () => {
    const { defineCredential, listCredentials, removeCredential } = CredentialService.method;
    const wanted = { name: 'db', user: 'u', source: 'env:SECRET', hosts: ['*.example'] };
    expect(await rpcFailure(rpc.as('operator').call(defineCredential, wanted, DEADLINE_MS))).toMatchObject({ code: 7 });
    const { credential } = await rpc.as('admin').call(defineCredential, wanted, DEADLINE_MS);
    expect(credential).toMatchObject({ name: 'db', hosts: ['*.example'] });
    expect((await rpc.as('admin').call(listCredentials, {}, DEADLINE_MS)).items).toMatchObject([{ name: 'db' }]);
    await rpc.as('admin').call(removeCredential, { name: 'db' }, DEADLINE_MS);
    expect(await rpcFailure(rpc.as('admin').call(removeCredential, { name: 'db' }, DEADLINE_MS))).toMatchObject({ code: 5 });
  });
});

describe('hosts over gRPC', () => {
  it('say how a host is reached by SSH as over REST', async () => {
    const key = { hosts: ['db.example', 'bastion.example'] };
    await under.as('admin').put('/v1/credentials/patching-key').send(key).expect(200);
    const hostKeys = [`SHA256:${'A'.repeat(43)}`];
    const jump = { address: 'bastion.example', user: 'hop', credential: 'patching-key', hostKeys };
    const place = { address: 'db.example', port: 2222, user: 'understudy', credential: 'patching-key' };
    const given = document('far');
    const hosts = given.hosts.map((host) => ({
      ...host,
      access: { kind: contract.AccessKind.SSH, root: '/var/lib/understudy', ...place, jumps: [jump] },
    }));
    await rpc
      .as('operator')
      .call(clusters.registerCluster, { idempotencyKey: randomUUID(), document: { ...given, hosts } }, DEADLINE_MS);
    const rest = await under.as('viewer').get('/v1/clusters/far').expect(200);
    expect(rest.body.definition.hosts[0].access).toEqual({ kind: 'ssh', root: '/var/lib/understudy', ...place, jumps: [jump] });
    const { cluster } = await rpc.as('viewer').call(clusters.getCluster, { slug: 'far' }, DEADLINE_MS);
    expect(cluster?.definition?.hosts[0]?.access).toMatchObject({ kind: contract.AccessKind.SSH, port: 2222, hostKeys: [] });
  });
});
