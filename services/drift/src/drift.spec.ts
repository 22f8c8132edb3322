import { randomUUID } from 'node:crypto';
import type { inventory as published, orchestrator as asked } from '@understudy/contracts';
import type { Store } from '@understudy/event-log';
import { openStore } from '@understudy/event-log';
import type { CloudEvent } from '@understudy/messaging';
import { InProcessTransport } from '@understudy/messaging';
import type { HttpServer } from '@understudy/runtime';
import type { TestRuntime } from '@understudy/testing';
import { createTestDatabase, eventually, testRuntime, testServer } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DRIFT_TOPIC, Drift, DriftModule } from './index.js';

let rim: TestRuntime;
let server: HttpServer;
let drift: Store;
let inventory: Store;
let orchestrator: Store;
const heard: CloudEvent<Record<string, unknown>>[] = [];

beforeAll(async () => {
  rim = await testRuntime();
  const database = await createTestDatabase(['drift', 'inventory', 'orchestrator']);
  const open = (schema: 'inventory' | 'orchestrator' | 'drift'): Promise<Store> =>
    openStore({ connectionString: database.serviceConnection(schema), schema });
  drift = await open('drift');
  inventory = await open('inventory');
  orchestrator = await open('orchestrator');
  const transport = new InProcessTransport();
  // The other services are played by their logs alone: what is appended is published as it stands.
  for (const [service, store] of Object.entries({ inventory, orchestrator })) {
    const publish = ({ type, body }: { type: string; body: unknown }) => ({ type, key: 'k', subject: 's', data: body });
    transport.produce({ service, topic: `understudy.${service}.v1`, publish, store });
  }
  const hear = async (event: CloudEvent): Promise<void> => void heard.push(event as CloudEvent<Record<string, unknown>>);
  const types = ['finding-opened', 'finding-resolved', 'finding-waived', 'drift-assessed', 'fidelity-scored'];
  const handlers = Object.fromEntries(types.map((type) => [`understudy.drift.${type}.v1`, hear]));
  const config = {
    runtime: rim.runtime,
    store: drift,
    connectionString: database.serviceConnection('drift'),
    reassessIntervalMs: 200,
  };
  server = await testServer([DriftModule.forRoot(config, transport)], rim, [
    {
      start: async () => {
        transport.consume({ subscription: { group: 'spy', topic: DRIFT_TOPIC, handlers }, store: orchestrator });
        await transport.start();
      },
      stop: () => transport.stop(),
    },
  ]);
}, 120_000);

afterAll(async () => {
  await server?.close();
  await Promise.all([drift, inventory, orchestrator].map((store) => store?.close()));
  rim?.remove();
});

const told = (name: string) => heard.filter((event) => event.type === `understudy.drift.${name}.v1`).map((event) => event.data);

function as(role: keyof TestRuntime['bearer']) {
  const agent = request(server.url);
  const authorized = (method: 'get' | 'post' | 'put' | 'delete') => (path: string) =>
    agent[method](path).set('Authorization', rim.bearer[role]);
  return { get: authorized('get'), put: authorized('put'), delete: authorized('delete') };
}

async function say(store: Store, type: string, body: object): Promise<void> {
  await store.log.append({
    streams: [{ stream: `said/${randomUUID()}`, expectedVersion: 0, events: [{ type, schemaVersion: 1, body }] }],
    metadata: { commandId: randomUUID(), actor: { subject: 's', role: 'system', authentication: 'internal', from: 'spec' } },
  });
}

const register = (slug: string, change: Partial<published.ClusterJson> = {}) => {
  const cluster: published.ClusterJson = {
    slug,
    platform: 'postgres-streaming',
    environment: 'production',
    nodes: [{ slug: 'a' }, { slug: 'b' }],
    ...change,
  };
  return say(inventory, 'understudy.inventory.cluster-registered.v1', { cluster } satisfies published.ClusterRegisteredJson);
};

interface Values {
  readonly active?: string;
  readonly standby?: string;
  readonly version?: readonly [string, string];
}

function collect(cluster: string, { active = '100', standby = '100', version = ['17.9', '17.9'] }: Values, requestId = '') {
  const node = (slug: string, connections: string, running: string): published.NodeFactsJson => ({
    node: slug,
    collectedAt: new Date().toISOString(),
    missing: [],
    facts: [
      { area: 'setting', name: 'max_connections', value: connections },
      { area: 'version', name: 'postgresql', value: running },
      { area: 'setting', name: 'restore_command', value: `hash-of-${slug}`, secret: true },
    ],
  });
  const facts: published.FactsCollectedJson = {
    cluster,
    requestId,
    activeNode: 'a',
    nodes: [node('a', active, version[0]), node('b', standby, version[1])],
  };
  return say(inventory, 'understudy.inventory.facts-collected.v1', facts);
}

const ask = (cluster: string, requestId: string, change: Partial<asked.DriftAssessmentRequestedJson> = {}) =>
  say(orchestrator, 'understudy.orchestrator.drift-assessment-requested.v1', {
    requestId,
    cluster,
    deadline: new Date(Date.now() + 60_000).toISOString(),
    ...change,
  });
const answer = (requestId: string) => told('drift-assessed').filter((data) => data['requestId'] === requestId);
const openFindings = async (query = '') =>
  (await as('viewer').get(`/v1/findings?${query}`).expect(200)).body.items as readonly Record<string, unknown>[];

describe('findings', () => {
  it('open when a standby would not serve as the active node does, are told and listed', async () => {
    await register('orders');
    await collect('orders', { standby: '50' });
    await eventually('the findings are published', () => told('finding-opened').length === 2);
    const [finding] = await openFindings('cluster=orders&severity=blocking');
    expect(finding).toMatchObject({
      cluster: 'orders',
      node: 'b',
      against: 'a',
      area: 'setting',
      name: 'max_connections',
      value: '50',
      expected: '100',
      state: 'open',
      waiver: null,
    });
    expect(finding?.['detail']).toMatch(/does not start/);
    expect(told('finding-opened')).toContainEqual({
      finding: expect.objectContaining({ findingId: finding?.['findingId'], severity: 'blocking' }),
    });
    const one = await as('viewer')
      .get(`/v1/findings/${String(finding?.['findingId'])}`)
      .expect(200);
    expect(one.body).toEqual(finding);
  });
  it('never show a secret: different is all that is told', async () => {
    const everything = JSON.stringify([await openFindings(), heard]);
    expect(everything).toContain('restore_command');
    expect(everything).not.toContain('hash-of-');
  });
  it('are paged, and a cursor is good for its list and filter alone', async () => {
    const first = await as('viewer').get('/v1/findings?limit=1').expect(200);
    const second = await as('viewer').get(`/v1/findings?limit=1&cursor=${first.body.page.nextCursor}`).expect(200);
    expect(second.body.items[0].findingId).not.toBe(first.body.items[0].findingId);
    expect(second.body.page.nextCursor).toBeNull();
    await as('viewer').get(`/v1/findings?limit=1&severity=info&cursor=${first.body.page.nextCursor}`).expect(400);
    await as('viewer').get('/v1/findings?severity=terrible').expect(400);
    await as('viewer').get('/v1/findings?colour=red').expect(400);
    await request(server.url).get('/v1/findings').expect(401);
  });
});

describe('assessments', () => {
  it('answer a request under its id, with what blocks', async () => {
    await ask('orders', 'r-1');
    await collect('orders', { standby: '50' }, 'r-1');
    await eventually('the answer is published', () => answer('r-1').length > 0);
    expect(answer('r-1')).toMatchObject([
      { cluster: 'orders', blocking: [{ node: 'b', name: 'max_connections' }], warnings: 1, incomplete: [] },
    ]);
    const { body } = await as('viewer').get('/v1/clusters/orders/assessments/r-1').expect(200);
    expect(body).toMatchObject({ requestId: 'r-1', blocking: [{ name: 'max_connections' }] });
    await as('viewer').get('/v1/clusters/other/assessments/r-1').expect(404);
    const again = await server.app.get(Drift).ledgers.assessment('orders', 'r-1');
    expect(again).toEqual(body);
  });
  it('do not mind which of question and facts comes first, nor repetition', async () => {
    await collect('orders', { standby: '50' }, 'r-2');
    await ask('orders', 'r-2');
    await ask('orders', 'r-2');
    await eventually('the answer is published', () => answer('r-2').length > 0);
    await ask('orders', 'r-3');
    await collect('orders', { standby: '50' }, 'r-3');
    await eventually('the next answer is published', () => answer('r-3').length > 0);
    expect(answer('r-2')).toHaveLength(1);
  });
  it('of a cluster that nobody knows are answered as incomplete', async () => {
    await ask('nobody', 'r-4');
    await say(inventory, 'understudy.inventory.facts-collected.v1', {
      cluster: 'nobody',
      requestId: 'r-4',
      nodes: [],
      activeNode: '',
    });
    await eventually('the answer is published', () => answer('r-4').length > 0);
    expect(answer('r-4')).toMatchObject([{ blocking: [], incomplete: [expect.stringContaining('not registered')] }]);
  });
  it('do not count what the running rollout changes, until it is closed', async () => {
    await register('rolling');
    await ask('rolling', 'r-5', { rolloutId: 'ro-1', expectedItems: ['postgresql'] });
    await collect('rolling', { version: ['17.9', '17.10'] }, 'r-5');
    await eventually('the answer is published', () => answer('r-5').length > 0);
    expect(answer('r-5')).toMatchObject([{ blocking: [], warnings: 1 }]);
    await say(orchestrator, 'understudy.orchestrator.rollout-closed.v1', {
      rolloutId: 'ro-1',
      cluster: 'rolling',
      result: 'aborted',
    });
    await eventually('the mixed version is drift again', async () =>
      (await openFindings('cluster=rolling')).some((finding) => finding['area'] === 'version'),
    );
  });
});

describe('waivers', () => {
  const blocking = async () => String((await openFindings('cluster=orders&severity=blocking'))[0]?.['findingId']);
  const waive = (id: string, expiresAt: Date, role: keyof TestRuntime['bearer'] = 'approver') =>
    as(role)
      .put(`/v1/findings/${id}/waiver`)
      .send({ reason: 'the node is replaced this week', expiresAt: expiresAt.toISOString() });

  it('take an approver, a reason and an end within reach', async () => {
    const id = await blocking();
    await waive(id, new Date(Date.now() + 60_000), 'operator').expect(403);
    await as('approver').put(`/v1/findings/${id}/waiver`).send({ expiresAt: new Date().toISOString() }).expect(422);
    const past = await waive(id, new Date(Date.now() - 1_000)).expect(422);
    expect(past.body).toMatchObject({ code: 'EXPIRY_IN_PAST', errors: [{ pointer: '/expiresAt' }] });
    await waive('f-0000000000000000', new Date(Date.now() + 60_000)).expect(404);
  });
  it('cover a finding in assessments, and can be withdrawn', async () => {
    const id = await blocking();
    const { body } = await waive(id, new Date(Date.now() + 60_000)).expect(200);
    expect(body).toMatchObject({
      findingId: id,
      state: 'waived',
      waiver: { owner: 'approver', reason: 'the node is replaced this week' },
    });
    await eventually('it is told', () =>
      told('finding-waived').some((data) => data['findingId'] === id && data['owner'] === 'approver'),
    );
    await ask('orders', 'r-6');
    await collect('orders', { standby: '50' }, 'r-6');
    await eventually('the answer is published', () => answer('r-6').length > 0);
    expect(answer('r-6')).toMatchObject([{ blocking: [], waived: 1 }]);
    await as('approver').delete(`/v1/findings/${id}/waiver`).expect(204);
    expect(await blocking()).toBe(id);
  });
  it('lapse by themselves, and the finding is told again', async () => {
    const id = await blocking();
    const before = told('finding-opened').length;
    await waive(id, new Date(Date.now() + 400)).expect(200);
    await eventually('it is open again', async () => (await blocking()) === id);
    await eventually('it is told again', () => told('finding-opened').length > before);
  });
});

describe('baselines', () => {
  const document = (value: string) => ({
    description: 'd',
    appliesTo: { clusters: ['orders'] },
    requirements: [{ area: 'setting', name: 'max_connections', atLeast: value, severity: 'blocking', reason: 'Peak load.' }],
  });
  it('are set by approvers, judged at once, and kept by revision', async () => {
    await as('operator').put('/v1/baselines/load').send(document('80')).expect(403);
    const { body } = await as('approver')
      .put('/v1/baselines/load')
      .send({ ...document('80'), requirements: [{ area: 'x', name: 'y', severity: 'info', value: '1', atLeast: '1' }] })
      .expect(422);
    expect(body.code).toBe('VALIDATION_FAILED');
    const first = await as('approver').put('/v1/baselines/load').send(document('80')).expect(200);
    expect(first.headers['etag']).toBe('"1"');
    await eventually('the ledger was judged by it', async () =>
      (await openFindings('cluster=orders')).some((finding) => finding['against'] === 'baseline:load'),
    );
    await as('approver').put('/v1/baselines/load').set('If-Match', '"7"').send(document('40')).expect(412);
    await as('approver').put('/v1/baselines/load').set('If-Match', '"1"').send(document('40')).expect(200);
    await eventually(
      'the finding is resolved',
      async () => !(await openFindings('cluster=orders')).some((finding) => finding['against'] === 'baseline:load'),
    );
    await as('viewer')
      .get('/v1/baselines')
      .expect(200)
      .expect(({ body: page }) => expect(page.items).toMatchObject([{ name: 'load', revision: 2 }]));
    await as('approver').delete('/v1/baselines/load').set('If-Match', '"2"').expect(204);
    await as('viewer').get('/v1/baselines/load').expect(404);
  });
});

describe('a lab', () => {
  it('is scored against the production cluster that it mirrors, whichever changes', async () => {
    await register('lab', { environment: 'lab', twinOf: 'orders' });
    await collect('lab', { active: '100' });
    await eventually('it is scored', () => told('fidelity-scored').length > 0);
    const before = (await as('viewer').get('/v1/clusters/lab/fidelity').expect(200)).body as { score: number };
    expect(before).toMatchObject({ cluster: 'lab', twinOf: 'orders', score: 100 });
    await collect('orders', { active: '200', standby: '200' });
    await eventually('it is scored again', () => told('fidelity-scored').length > 1);
    await eventually(
      'the new score can be read',
      async () => (await as('viewer').get('/v1/clusters/lab/fidelity')).body.score < 100,
    );
    const after = (await as('viewer').get('/v1/clusters/lab/fidelity').expect(200)).body as {
      score: number;
      reasons: readonly string[];
    };
    expect(after.score).toBeLessThan(before.score);
    expect(after.reasons[0]).toContain('max_connections');
    await as('viewer').get('/v1/clusters/orders/fidelity').expect(404);
  });
});

describe('a cluster that is retired', () => {
  it('has no open findings', async () => {
    await say(inventory, 'understudy.inventory.cluster-retired.v1', { cluster: 'rolling', reason: 'moved' });
    await eventually('its findings are resolved', async () => (await openFindings('cluster=rolling')).length === 0);
    expect((await openFindings('cluster=rolling&state=resolved')).length).toBeGreaterThan(0);
  });
});
