import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Store, StoredEvent } from '@understudy/event-log';
import type { ClusterDefinition } from '@understudy/cluster';
import { InProcessTransport, type Publication } from '@understudy/messaging';
import { drivers } from '@understudy/platforms';
import { newId } from '@understudy/runtime';
import { createTestStore, eventually, testPair, testRuntime, testServer, withClient, type TestPair } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RolloutStore, systemMetadata } from './handle.js';
import { OrchestratorModule } from './orchestrator.module.js';
import type { Peers } from './peers.js';

/** Answers as inventory, drift and notification would, so that the orchestrator is tried alone. */
class Others implements Peers {
  private readonly assessedAt = new Map<string, string>();

  constructor(private readonly rollouts: RolloutStore) {}

  haLayer: Peers['haLayer'] = async () => ({ haLayer: 'application', rolling: true, reason: 'A streaming standby was seen.' });
  change: Peers['change'] = async () => null;
  driftAssessment: Peers['driftAssessment'] = async (_cluster, requestId) => this.assessment(requestId);

  async answer(event: StoredEvent): Promise<void> {
    if (event.type !== 'DriftAssessmentRequested') return;
    const { requestId } = event.body as { readonly requestId: string };
    this.assessedAt.set(requestId, event.time);
    const assessment = this.assessment(requestId);
    if (!assessment) return;
    const rolloutId = event.stream.slice('rollout/'.length);
    await this.rollouts.handle(rolloutId, { type: 'RecordDriftAssessment', assessment, at: event.time }, systemMetadata());
  }

  private assessment(requestId: string): Awaited<ReturnType<Peers['driftAssessment']>> {
    const assessedAt = this.assessedAt.get(requestId);
    return assessedAt === undefined ? null : { requestId, assessedAt, blocking: [], warnings: 0, waived: 0, incomplete: [] };
  }
}

function registered(event: StoredEvent): Publication {
  const cluster = event.body as ClusterDefinition;
  return { type: 'understudy.inventory.cluster-registered.v1', key: cluster.slug, subject: event.stream, data: { cluster } };
}

/** Hands every event of the log on, in order, until stopped. */
function follow(store: Store, hear: (event: StoredEvent) => Promise<void>): () => void {
  let position = 0;
  let turn = Promise.resolve();
  return store.log.onAppend(() => {
    turn = turn.then(async () => {
      for (const event of await store.log.readAll(position)) {
        position = event.position;
        await hear(event);
      }
    });
  });
}

describe('a rollout driven by the orchestrator alone, on a real pair', () => {
  let pair: TestPair;
  let store: Store;
  let url = '';
  let bearer: Awaited<ReturnType<typeof testRuntime>>['bearer'];
  const undo: (() => unknown)[] = [];

  beforeAll(async () => {
    pair = await testPair({ withNewer: true });
    undo.push(() => pair.remove());
    const made = await createTestStore('orchestrator');
    store = made.store;
    const rim = await testRuntime({ logLevel: 'warn' });
    bearer = rim.bearer;
    for (const [name, { user, password }] of Object.entries(pair.cluster.credentials)) {
      const file = join(rim.folder, name);
      writeFileSync(file, password, { mode: 0o600 });
      await rim.runtime.credentials.put(name, { source: `file:${file}`, user, hosts: ['**'] });
    }
    const others = new Others(new RolloutStore(store));
    undo.push(follow(store, (event) => others.answer(event)));
    const transport = new InProcessTransport();
    const inventory = await createTestStore('inventory');
    for (const service of ['drift', 'notification'] as const) {
      const { store: theirs } = await createTestStore('drift');
      transport.produce({ service, topic: `understudy.${service}.v1`, publish: () => undefined, store: theirs });
    }
    transport.produce({ service: 'inventory', topic: 'understudy.inventory.v1', publish: registered, store: inventory.store });
    const connectionString = made.database.serviceConnection('orchestrator');
    const config = { runtime: rim.runtime, store, connectionString, platforms: drivers, commandsFolder: undefined };
    const server = await testServer([OrchestratorModule.forRoot(config, transport, others)], rim, [transport]);
    url = server.url;
    undo.push(() => server.close());
    const { slug } = pair.cluster.definition;
    const event = { type: 'Registered', schemaVersion: 1, body: pair.cluster.definition };
    await inventory.store.log.append({ streams: [{ stream: `cluster/${slug}`, expectedVersion: 0, events: [event] }], metadata: systemMetadata() });
  });

  afterAll(async () => {
    for (const step of undo.reverse()) await step();
  });

  const post = (path: string, body: object): request.Test =>
    request(url).post(path).set('Authorization', bearer.operator).set('Idempotency-Key', newId()).send(body);
  const get = (path: string): request.Test => request(url).get(path).set('Authorization', bearer.viewer);

  it('patches the standby, moves the workload, patches the original node, and says so', async () => {
    const patchSet = await post('/v1/patch-sets', {
      items: [{ name: 'postgresql', targetVersion: '17.10', source: 'release', artifact: 'postgresql-17.10' }],
      advisories: ['CVE-2026-0001'],
      publishedAt: '2026-01-01T00:00:00Z',
    }).expect(201);
    await request(url)
      .put('/v1/playbooks/monthly')
      .set('Authorization', bearer.operator)
      .send({ name: 'monthly', version: 1, phases: { soakMs: 200 } })
      .expect(200);
    const opensAt = new Date(Date.now()).toISOString();
    const closesAt = new Date(Date.now() + 3_600_000).toISOString();
    const window = await post('/v1/windows', {
      clusters: [pair.cluster.definition.slug],
      patchSetId: patchSet.body.id,
      playbook: { name: 'monthly' },
      opensAt,
      closesAt,
    }).expect(201);
    const rolloutId = String(window.body.rollouts[0].id);
    await eventually('the rollout is closed', async () => (await get(`/v1/rollouts/${rolloutId}`)).body.status === 'closed', 90_000).catch(() => undefined);
    const report = await get(`/v1/rollouts/${rolloutId}/report`).expect(200);
    expect(report.body.result, JSON.stringify(report.body.story, null, 1)).toBe('succeeded');
    expect(report.body.interruption).toMatchObject({ measured: true, lostWrites: 0 });
    for (const node of pair.cluster.nodes) {
      const version = await withClient(node, pair.cluster.secrets.driver, 'postgres', (client) => client.query('show server_version'));
      expect(version.rows).toEqual([{ server_version: '17.10' }]);
    }
    const verify = await get(`/v1/rollouts/${rolloutId}/verify`).expect(200);
    expect(verify.body).toMatchObject({ intact: true });
  }, 120_000);
});
