import { randomUUID } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterDefinition } from '@understudy/cluster';
import type { TestPair } from '@understudy/testing';
import { eventually, testPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InventoryUnderTest, observer } from './fixtures/contract.js';

let under: InventoryUnderTest;
let pair: TestPair;

beforeAll(async () => {
  pair = await testPair({ slug: 'orders' });
  under = await InventoryUnderTest.start();
  for (const [name, login] of Object.entries(pair.cluster.credentials)) {
    const file = join(under.rim.folder, name);
    writeFileSync(file, login.password, { mode: 0o600 });
    await under
      .as('admin')
      .put(`/v1/credentials/${name}`)
      .send({ user: login.user, source: `file:${file}`, hosts: ['127.0.0.1'] })
      .expect(200);
  }
}, 120_000);

afterAll(async () => {
  await under?.stop();
  await pair?.remove();
});

const pairDefinition = (change: Partial<ClusterDefinition> = {}): ClusterDefinition => ({
  ...pair.cluster.definition,
  ...change,
});

describe('registering a real pair', () => {
  it('can be tried first: seen, classified, and nothing stored', async () => {
    const { body } = await under
      .as('operator')
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
    await under.as('viewer').get('/v1/clusters/orders').expect(404);
    expect(await under.stores.inventory.log.headPosition()).toBe(0);
  });

  it('is answered with the document, its revision and its place, and once for each key', async () => {
    const key = randomUUID();
    const first = await under.register(pairDefinition({ declaredHaLayer: 'hypervisor' }), key).expect(201);
    expect(first.headers).toMatchObject({ location: '/v1/clusters/orders', etag: '"1"' });
    expect(first.body).toMatchObject({
      slug: 'orders',
      revision: 1,
      status: 'registered',
      definition: { platform: 'postgres-streaming' },
    });
    const again = await under.register(pairDefinition({ declaredHaLayer: 'hypervisor' }), key).expect(201);
    expect(again.headers).toMatchObject({ 'idempotency-replayed': 'true', etag: '"1"' });
    await under.register(pairDefinition({ declaredHaLayer: 'none' }), key).expect(422);
    const taken = await under.register(pairDefinition()).expect(409);
    expect(taken.body).toMatchObject({ code: 'CLUSTER_EXISTS' });
  });

  it('is observed, classified by what is seen, and told once', async () => {
    await eventually('the classification is published', () => under.told('ha-layer-classified').length > 0);
    expect(under.told('cluster-registered').map((event) => event.data)).toMatchObject([
      { cluster: { slug: 'orders', declaredHaLayer: 'hypervisor', twinOf: '' } },
    ]);
    expect(under.told('ha-layer-classified')[0]?.data).toMatchObject({
      haLayer: 'application',
      rolling: true,
      reason: expect.stringContaining('It was registered as "hypervisor"'),
    });
    const nodes = under.told('topology-observed')[0]?.data['nodes'] as readonly Record<string, unknown>[];
    expect(nodes.map((node) => [node['node'], node['availability'], node['roles'], node['runningVersions']])).toEqual([
      ['orders-a', 'serving', { app: 'active' }, { postgresql: '17.9' }],
      ['orders-b', 'serving', { app: 'standby' }, { postgresql: '17.9' }],
    ]);
    const { body } = await under.as('viewer').get('/v1/clusters/orders/topology').expect(200);
    expect(body).toMatchObject({
      complete: true,
      classification: { haLayer: 'application' },
      nodes: [{ native: expect.any(String), availability: 'serving', promotable: expect.any(Boolean) }, {}],
    });
  });

  it('publishes what changed, not every look', async () => {
    const looks = async (): Promise<string> => (await under.as('viewer').get('/v1/clusters/orders/topology')).body.lastLook.at;
    const before = under.told('topology-observed').length;
    const first = await looks();
    await eventually(
      'it looked three more times',
      async () => Date.parse(await looks()) - Date.parse(first) > 3 * observer.intervalMs,
    );
    expect(under.told('topology-observed').length).toBe(before);
  });

  it('collects facts by schedule; a secret planted in primary_conninfo is in no event and no answer', async () => {
    await eventually('facts are published', () => under.told('facts-collected').length > 0);
    const facts = under.told('facts-collected')[0]?.data as {
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
    const { body } = await under.as('viewer').get('/v1/clusters/orders/facts').expect(200);
    const everything = JSON.stringify([body, await under.stores.inventory.log.readAll(0)]) + under.everythingHeard();
    for (const { password } of Object.values(pair.cluster.secrets)) expect(everything).not.toContain(password);
    expect(
      body.nodes[0].facts.some((fact: { secret: boolean; value: string | null }) => fact.secret && fact.value === null),
    ).toBe(true);
  });
});

describe('a question of the orchestrator', () => {
  const ask = (requestId: string, cluster: string, deadlineMs = 60_000) =>
    under.say('drift-assessment-requested', {
      requestId,
      cluster,
      deadline: new Date(Date.now() + deadlineMs).toISOString(),
      expectedItems: [],
    });
  const answers = (requestId: string, cluster?: string) =>
    under.told('facts-collected', cluster).filter((event) => event.data['requestId'] === requestId);

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
    await under.say('patch-set-defined', {
      patchSetId: 'ps-1',
      items: [{ name: 'postgresql', targetVersion: '17.10', source: 'release' }],
      advisories: ['CVE-2026-1'],
      publishedAt,
    });
    await eventually('debts are published', () => under.told('debt-assessed').length === 2);
    const first = await under.as('viewer').get('/v1/debts?limit=1').expect(200);
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
    const second = await under.as('viewer').get(`/v1/debts?limit=1&cursor=${first.body.page.nextCursor}`).expect(200);
    expect(second.body).toMatchObject({ items: [{ node: 'orders-b' }], page: { nextCursor: null } });
    const other = await under.as('viewer').get(`/v1/clusters?cursor=${first.body.page.nextCursor}`).expect(400);
    expect(other.body).toMatchObject({ code: 'CURSOR_INVALID' });
  });
});

describe('a restart', () => {
  it('goes on with what is registered, and tells nothing twice', async () => {
    const before = under.told('topology-observed').length;
    const lookedAt = async (): Promise<number> =>
      Date.parse((await under.as('viewer').get('/v1/clusters/orders/topology')).body.lastLook.at);
    await under.server.close();
    await under.serve();
    const restartedAt = Date.now();
    await eventually('it looks again', async () => (await lookedAt()) > restartedAt);
    expect(under.told('topology-observed').length).toBe(before);
  });
});

describe('registering a real node that stands alone', () => {
  it('as application: what is seen decides, so nothing can roll', async () => {
    const lone = await testPair({ slug: 'lone', nodes: 1 });
    try {
      for (const [name, login] of Object.entries(lone.cluster.credentials)) {
        const file = join(under.rim.folder, name);
        writeFileSync(file, login.password, { mode: 0o600 });
        const credential = { user: login.user, source: `file:${file}`, hosts: ['127.0.0.1'] };
        await under.as('admin').put(`/v1/credentials/${name}`).send(credential).expect(200);
      }
      const definition: ClusterDefinition = { ...lone.cluster.definition, declaredHaLayer: 'application' };
      await under.register(definition).expect(201);
      await eventually('the classification is published', () => under.told('ha-layer-classified', 'lone').length > 0);
      expect(under.told('ha-layer-classified', 'lone')[0]?.data).toMatchObject({
        // Which of them depends on the machine that runs this: a hypervisor below the host is seen where there is one.
        haLayer: expect.stringMatching(/^(none|hypervisor)$/),
        rolling: false,
        reason: expect.stringContaining('It was registered as "application"; what was seen decides.'),
      });
      const { body } = await under.as('viewer').get('/v1/clusters/lone/topology').expect(200);
      expect(body).toMatchObject({ complete: true, nodes: [{ node: 'lone-a', availability: 'serving' }] });
    } finally {
      await lone.remove();
    }
  });
});
