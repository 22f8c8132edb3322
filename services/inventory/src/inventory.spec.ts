import { randomUUID } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterDefinition } from '@understudy/cluster';
import type { Store } from '@understudy/event-log';
import { openStore } from '@understudy/event-log';
import type { CloudEvent } from '@understudy/messaging';
import { InProcessTransport } from '@understudy/messaging';
import type { HttpServer } from '@understudy/runtime';
import type { TestPair, TestRuntime } from '@understudy/testing';
import { createTestDatabase, eventually, testPair, testRuntime, testServer } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InventoryModule, usablePlatforms } from './index.js';
import { INVENTORY_TOPIC } from './inventory.js';

const FACTS_KEY = 'a-key-for-specs-of-32-characters!';
const observer = { intervalMs: 300, factsIntervalMs: 60_000, concurrency: 4, lookDeadlineMs: 8_000, factsDeadlineMs: 15_000 };

let rim: TestRuntime;
let pair: TestPair;
let server: HttpServer;
let inventory: Store;
let orchestrator: Store;
let consumer: Store;
const heard: CloudEvent[] = [];

beforeAll(async () => {
  rim = await testRuntime();
  pair = await testPair({ slug: 'orders' });
  const database = await createTestDatabase(['inventory', 'orchestrator', 'drift']);
  const open = (schema: 'inventory' | 'orchestrator' | 'drift'): Promise<Store> =>
    openStore({ connectionString: database.serviceConnection(schema), schema });
  inventory = await open('inventory');
  orchestrator = await open('orchestrator');
  consumer = await open('drift');
  const transport = new InProcessTransport();
  // The orchestrator's part is played by its log alone: what is appended is published as it stands.
  transport.produce({
    service: 'orchestrator',
    topic: 'understudy.orchestrator.v1',
    store: orchestrator,
    publish: ({ type, body }) => ({ type, key: 'k', subject: 's', data: body }),
  });
  const hear = async (event: CloudEvent): Promise<void> => void heard.push(event);
  const types = [
    'cluster-registered',
    'cluster-changed',
    'cluster-retired',
    'topology-observed',
    'ha-layer-classified',
    'facts-collected',
    'debt-assessed',
  ];
  const handlers = Object.fromEntries(types.map((type) => [`understudy.inventory.${type}.v1`, hear]));
  const module = InventoryModule.forRoot(
    {
      runtime: rim.runtime,
      store: inventory,
      connectionString: database.serviceConnection('inventory'),
      platforms: usablePlatforms(false),
      factsKey: FACTS_KEY,
      observer,
    },
    transport,
  );
  server = await testServer([module], rim, [
    {
      start: async () => {
        transport.consume({ subscription: { group: 'spy', topic: INVENTORY_TOPIC, handlers }, store: consumer });
        await transport.start();
      },
      stop: () => transport.stop(),
    },
  ]);
  await defineCredentials();
}, 120_000);

afterAll(async () => {
  await server?.close();
  await Promise.all([inventory, orchestrator, consumer].map((store) => store?.close()));
  await pair?.remove();
  rim?.remove();
});

async function defineCredentials(): Promise<void> {
  for (const [name, login] of Object.entries(pair.cluster.credentials)) {
    const file = join(rim.folder, name);
    writeFileSync(file, login.password, { mode: 0o600 });
    await as('admin')
      .put(`/v1/credentials/${name}`)
      .send({ user: login.user, source: `file:${file}`, hosts: ['127.0.0.1'] })
      .expect(200);
  }
}

function as(role: keyof TestRuntime['bearer']) {
  const agent = request(server.url);
  const authorized = (method: 'get' | 'post' | 'put' | 'delete') => (path: string) =>
    agent[method](path).set('Authorization', rim.bearer[role]);
  return { get: authorized('get'), post: authorized('post'), put: authorized('put'), delete: authorized('delete') };
}

const register = (definition: object, key: string = randomUUID()) =>
  as('operator').post('/v1/clusters').set('Idempotency-Key', key).send(definition);
const told = (name: string, cluster = 'orders'): readonly CloudEvent<Record<string, unknown>>[] =>
  heard.filter((event) => event.type === `understudy.inventory.${name}.v1` && event.partitionkey === cluster) as CloudEvent<
    Record<string, unknown>
  >[];
const pairDefinition = (change: Partial<ClusterDefinition> = {}): ClusterDefinition => ({
  ...pair.cluster.definition,
  ...change,
});

/** One more document, that reaches nothing: its hosts are folders of the spec. */
function lonely(slug: string, change: Partial<ClusterDefinition> = {}): ClusterDefinition {
  return {
    slug,
    platform: 'postgres-streaming',
    environment: 'production',
    workloads: ['app'],
    nodes: [
      {
        slug: `${slug}-a`,
        host: `${slug}-a`,
        settings: { address: '127.0.0.1', port: '1', dataFolder: 'data', binFolder: 'bin' },
      },
    ],
    hosts: [{ slug: `${slug}-a`, access: { kind: 'local', root: join(rim.folder, slug) }, patching: {} }],
    credentials: {},
    settings: { database: 'app' },
    ...change,
  };
}

describe('registering a real pair', () => {
  it('can be tried first: seen, classified, and nothing stored', async () => {
    const { body } = await as('operator')
      .post('/v1/clusters?dryRun=true')
      .set('Idempotency-Key', randomUUID())
      .send(pairDefinition({ declaredHaLayer: 'hypervisor' }))
      .expect(200);
    expect(body).toMatchObject({
      dryRun: true,
      cluster: 'orders',
      classification: { haLayer: 'application', rolling: true },
      topology: { complete: true },
    });
    expect(body.summary[0]).toBe('orders (practice, postgres-streaming): 2 nodes on 2 hosts.');
    expect(body.summary.join('\n')).toMatch(
      /orders-a is serving \(.*\): active for app.*orders-b is serving \(.*\): standby for app, \d+ bytes behind/s,
    );
    expect(body.summary.at(-1)).toContain(
      'It was registered as "hypervisor"; what was seen decides. A rolling patch can be planned.',
    );
    expect(body.next).toContain('Nothing was stored.');
    await as('viewer').get('/v1/clusters/orders').expect(404);
    expect(await inventory.log.headPosition()).toBe(0);
  });

  it('is answered with the document, its revision and its place, and once for each key', async () => {
    const key = randomUUID();
    const first = await register(pairDefinition({ declaredHaLayer: 'hypervisor' }), key).expect(201);
    expect(first.headers).toMatchObject({ location: '/v1/clusters/orders', etag: '"1"' });
    expect(first.body).toMatchObject({
      slug: 'orders',
      revision: 1,
      status: 'registered',
      definition: { platform: 'postgres-streaming' },
    });
    const again = await register(pairDefinition({ declaredHaLayer: 'hypervisor' }), key).expect(201);
    expect(again.headers).toMatchObject({ 'idempotency-replayed': 'true', etag: '"1"' });
    await register(pairDefinition({ declaredHaLayer: 'none' }), key).expect(422);
    const taken = await register(pairDefinition()).expect(409);
    expect(taken.body).toMatchObject({ code: 'CLUSTER_EXISTS' });
  });

  it('is observed, classified by what is seen, and told once', async () => {
    await eventually('the classification is published', () => told('ha-layer-classified').length > 0);
    expect(told('cluster-registered').map((event) => event.data)).toMatchObject([
      { cluster: { slug: 'orders', declaredHaLayer: 'hypervisor', twinOf: '' } },
    ]);
    expect(told('ha-layer-classified')[0]?.data).toMatchObject({
      haLayer: 'application',
      rolling: true,
      reason: expect.stringContaining('It was registered as "hypervisor"'),
    });
    const nodes = told('topology-observed')[0]?.data['nodes'] as readonly Record<string, unknown>[];
    expect(nodes.map((node) => [node['node'], node['availability'], node['roles'], node['runningVersions']])).toEqual([
      ['orders-a', 'serving', { app: 'active' }, { postgresql: '17.9' }],
      ['orders-b', 'serving', { app: 'standby' }, { postgresql: '17.9' }],
    ]);
    const { body } = await as('viewer').get('/v1/clusters/orders/topology').expect(200);
    expect(body).toMatchObject({
      complete: true,
      classification: { haLayer: 'application' },
      nodes: [{ native: expect.any(String), availability: 'serving', promotable: expect.any(Boolean) }, {}],
    });
  });

  it('publishes what changed, not every look', async () => {
    const looks = async (): Promise<string> => (await as('viewer').get('/v1/clusters/orders/topology')).body.lastLook.at;
    const before = told('topology-observed').length;
    const first = await looks();
    await eventually(
      'it looked three more times',
      async () => Date.parse(await looks()) - Date.parse(first) > 3 * observer.intervalMs,
    );
    expect(told('topology-observed').length).toBe(before);
  });

  it('collects facts by schedule; a secret planted in primary_conninfo is in no event and no answer', async () => {
    await eventually('facts are published', () => told('facts-collected').length > 0);
    const facts = told('facts-collected')[0]?.data as {
      activeNode: string;
      requestId: string;
      nodes: readonly {
        node: string;
        facts: readonly { area: string; name: string; value: string }[];
        missing: readonly string[];
      }[];
    };
    expect(facts).toMatchObject({ activeNode: 'orders-a', requestId: '' });
    expect(facts.nodes.map((node) => [node.node, node.missing])).toEqual([
      ['orders-a', []],
      ['orders-b', []],
    ]);
    const areas = new Set(facts.nodes.flatMap((node) => node.facts.map((fact) => fact.area)));
    for (const area of ['setting', 'authentication', 'version', 'kernel', 'archiving', 'certificate', 'library'])
      expect(areas).toContain(area);
    const { body } = await as('viewer').get('/v1/clusters/orders/facts').expect(200);
    const everything = JSON.stringify([body, await inventory.log.readAll(0), heard]);
    for (const { password } of Object.values(pair.cluster.secrets)) expect(everything).not.toContain(password);
    expect(
      body.nodes[0].facts.some((fact: { secret: boolean; value: string | null }) => fact.secret && fact.value === null),
    ).toBe(true);
  });
});

describe('a question of the orchestrator', () => {
  const ask = (requestId: string, cluster: string, deadlineMs = 60_000) =>
    orchestrator.log.append({
      streams: [
        {
          stream: `question/${randomUUID()}`,
          expectedVersion: 0,
          events: [
            {
              type: 'understudy.orchestrator.drift-assessment-requested.v1',
              schemaVersion: 1,
              body: { requestId, cluster, deadline: new Date(Date.now() + deadlineMs).toISOString(), expectedItems: [] },
            },
          ],
        },
      ],
      metadata: { commandId: randomUUID(), actor: { subject: 's', role: 'system', authentication: 'internal', from: 'spec' } },
    });
  const answers = (requestId: string, cluster?: string) =>
    told('facts-collected', cluster).filter((event) => event.data['requestId'] === requestId);

  it('is answered with facts taken now, under its id, once however often it is heard', async () => {
    const node = pair.cluster.nodes[1];
    appendFileSync(join(node?.root ?? '', 'data', 'node.conf'), 'max_wal_senders = 5\n');
    await ask('r-1', 'orders');
    await ask('r-1', 'orders');
    await eventually('the answer is published', () => answers('r-1').length > 0);
    const nodes = answers('r-1')[0]?.data['nodes'] as readonly {
      node: string;
      facts: readonly { name: string; value: string; runningValue?: string }[];
    }[];
    const standby = nodes.find((facts) => facts.node === 'orders-b');
    expect(standby?.facts.find((fact) => fact.name === 'max_wal_senders')).toMatchObject({
      value: '5',
      runningValue: expect.not.stringMatching(/^5$/),
    });
    await ask('r-2', 'orders');
    await eventually('the next answer is published', () => answers('r-2').length > 0);
    expect(answers('r-1')).toHaveLength(1);
  });

  it('about a cluster that nobody registered is answered as such, and an old one not at all', async () => {
    await ask('r-late', 'orders', -1_000);
    await ask('r-3', 'nobody');
    await eventually('the answer is published', () => answers('r-3', 'nobody').length > 0);
    expect(answers('r-3', 'nobody')[0]?.data).toEqual({ cluster: 'nobody', requestId: 'r-3', nodes: [], activeNode: '' });
    expect(answers('r-late')).toEqual([]);
  });

  it('patch sets count as debt of every node that runs less', async () => {
    const publishedAt = new Date(Date.now() - 3.5 * 86_400_000).toISOString();
    await orchestrator.log.append({
      streams: [
        {
          stream: 'patch-set/ps-1',
          expectedVersion: 0,
          events: [
            {
              type: 'understudy.orchestrator.patch-set-defined.v1',
              schemaVersion: 1,
              body: {
                patchSetId: 'ps-1',
                items: [{ name: 'postgresql', targetVersion: '17.10', source: 'release' }],
                advisories: ['CVE-2026-1'],
                publishedAt,
              },
            },
          ],
        },
      ],
      metadata: { commandId: randomUUID(), actor: { subject: 's', role: 'system', authentication: 'internal', from: 'spec' } },
    });
    await eventually('debts are published', () => told('debt-assessed').length === 2);
    const first = await as('viewer').get('/v1/debts?limit=1').expect(200);
    expect(first.body.items).toMatchObject([
      {
        cluster: 'orders',
        node: 'orders-a',
        patchSetId: 'ps-1',
        days: 3,
        settled: false,
        advisories: ['CVE-2026-1'],
        availableSince: publishedAt,
      },
    ]);
    const second = await as('viewer').get(`/v1/debts?limit=1&cursor=${first.body.page.nextCursor}`).expect(200);
    expect(second.body).toMatchObject({ items: [{ node: 'orders-b' }], page: { nextCursor: null } });
    const other = await as('viewer').get(`/v1/clusters?cursor=${first.body.page.nextCursor}`).expect(400);
    expect(other.body).toMatchObject({ code: 'CURSOR_INVALID' });
  });
});

describe('documents that do not hold', () => {
  it('name every reason at once, in words, by place', async () => {
    const [a] = lonely('bad').nodes;
    const { body } = await register(
      lonely('bad', {
        platform: 'oracle',
        environment: 'lab',
        twinOf: 'nobody',
        nodes: [{ ...a!, host: 'elsewhere' }],
        credentials: { driver: 'typo' },
      }),
    ).expect(422);
    expect(body.errors.map((error: { pointer: string; code: string }) => `${error.pointer} ${error.code}`)).toEqual([
      '/platform UNKNOWN_PLATFORM',
      '/nodes/0/host UNKNOWN_HOST',
      '/hosts/0 UNUSED_HOST',
      '/credentials/driver UNKNOWN_CREDENTIAL',
      '/twinOf UNKNOWN_TWIN',
    ]);
  });
  it('are refused for a field that nobody knows and for a value of another type: nothing is dropped or coerced', async () => {
    const [a] = lonely('bad').nodes;
    const { body } = await register({ ...lonely('bad'), hapax: 1, nodes: [{ ...a!, settings: { port: 5432 } }] }).expect(422);
    expect(body.errors.map((error: { pointer: string; code: string }) => `${error.pointer} ${error.code}`).sort()).toEqual([
      '/hapax UNKNOWN_FIELD',
      '/nodes/0/settings/port WRONG_TYPE',
    ]);
  });
  it('are refused with line and column where the YAML is malformed', async () => {
    const { body } = await as('operator')
      .post('/v1/clusters')
      .set('Idempotency-Key', randomUUID())
      .set('Content-Type', 'application/yaml')
      .send('slug: a\nnodes: [1, 2\nhosts: {}\n')
      .expect(400);
    expect(body).toMatchObject({ code: 'YAML_MALFORMED', detail: expect.stringMatching(/line 3, column \d+/) });
  });
  it('may be YAML', async () => {
    const yaml = JSON.stringify(lonely('from-yaml'), null, 2);
    await as('operator')
      .post('/v1/clusters')
      .set('Idempotency-Key', randomUUID())
      .set('Content-Type', 'application/yaml')
      .send(yaml)
      .expect(201);
  });
  it('may not call one machine by two names, across clusters; one machine may carry two clusters', async () => {
    const [host] = lonely('from-yaml').hosts;
    const second = lonely('second', { hosts: [{ ...host!, slug: 'second-a' }] });
    const { body } = await register(second).expect(422);
    expect(body).toMatchObject({ code: 'SAME_ACCESS_TARGET', errors: [{ pointer: '/hosts/0/access' }] });
    expect(body.detail).toContain('was registered with cluster "from-yaml"');
    await register(lonely('second', { hosts: [host!], nodes: [{ ...lonely('second').nodes[0]!, host: host!.slug }] })).expect(
      201,
    );
    const concurrent = await Promise.all(
      [1, 2].map((n) =>
        register(
          lonely(`race-${n}`, { hosts: [{ slug: `race-${n}-a`, access: { kind: 'local', root: '/srv/one' }, patching: {} }] }),
        ),
      ),
    );
    expect(concurrent.map((answer) => answer.status).sort()).toEqual([201, 422]);
  });
  it('do not let a credential be shown to a host that it is not bound to', async () => {
    const [a] = lonely('thief').nodes;
    const thief = lonely('thief', {
      nodes: [{ ...a!, settings: { ...a!.settings, address: '10.6.6.6' } }],
      credentials: { driver: 'orders-driver' },
    });
    const { body } = await register(thief).expect(422);
    expect(body).toMatchObject({ code: 'CREDENTIAL_NOT_FOR_HOST', errors: [{ pointer: '/credentials/driver' }] });
  });
});

describe('a single node', () => {
  it('registered as application is classified by what is seen, and told why nothing could be seen', async () => {
    await register(lonely('single', { declaredHaLayer: 'application' })).expect(201);
    await eventually(
      'it was looked at',
      async () => (await as('viewer').get('/v1/clusters/single/topology')).body.lastLook !== null,
    );
    const { body } = await as('viewer').get('/v1/clusters/single/topology').expect(200);
    expect(body.lastLook.problem).toEqual(expect.any(String));
    expect(body.classification?.rolling ?? false).toBe(false);
  });
});

describe('changing and retiring', () => {
  it('needs the revision that was read', async () => {
    const changed = lonely('from-yaml', { declaredHaLayer: 'none' });
    await as('operator').put('/v1/clusters/from-yaml').send(changed).expect(428);
    await as('operator').put('/v1/clusters/from-yaml').set('If-Match', '"7"').send(changed).expect(412);
    const { headers } = await as('operator').put('/v1/clusters/from-yaml').set('If-Match', '"1"').send(changed).expect(200);
    expect(headers['etag']).toBe('"2"');
    const { body } = await as('viewer').get('/v1/clusters/from-yaml').expect(200).expect('etag', '"2"');
    expect(body.definition).toEqual(changed);
    await as('operator').put('/v1/clusters/from-yaml').set('If-Match', '"2"').send(lonely('other')).expect(422);
  });
  it('retires: no longer listed, its hosts free for another name', async () => {
    await as('operator').delete('/v1/clusters/from-yaml').set('If-Match', '"1"').expect(412);
    await as('operator').delete('/v1/clusters/from-yaml?reason=moved').set('If-Match', '"2"').expect(204);
    const { body } = await as('viewer').get('/v1/clusters?environment=production').expect(200);
    expect(body.items.map((item: { slug: string }) => item.slug)).not.toContain('from-yaml');
    await as('viewer')
      .get('/v1/clusters?retired=true')
      .expect(200)
      .expect(({ body: page }) => expect(page.items).toMatchObject([{ slug: 'from-yaml', status: 'retired' }]));
    await as('operator').delete('/v1/clusters/from-yaml').set('If-Match', '"2"').expect(404);
    await eventually('it is told', () => told('cluster-retired', 'from-yaml').length === 1);
    expect(told('cluster-retired', 'from-yaml')[0]?.data).toEqual({ cluster: 'from-yaml', reason: 'moved' });
  });
  it('takes roles', async () => {
    await request(server.url).get('/v1/clusters').expect(401);
    await as('viewer').post('/v1/clusters').set('Idempotency-Key', randomUUID()).send(lonely('x')).expect(403);
    await as('viewer').get('/v1/clusters/nobody').expect(404);
  });
});

describe('credentials', () => {
  it('are for admins, and show names and host patterns only', async () => {
    await as('approver').get('/v1/credentials').expect(403);
    const { body, text } = await as('admin').get('/v1/credentials').expect(200);
    expect(body.items).toContainEqual({ name: 'orders-driver', hosts: ['127.0.0.1'] });
    expect(text).not.toMatch(/file:|understudy_probe|password/);
    await as('admin')
      .put('/v1/credentials/x')
      .send({ source: 'http://evil', hosts: ['**'] })
      .expect(422);
    await as('admin').delete('/v1/credentials/none').expect(404);
  });
});
