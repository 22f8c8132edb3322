import type { ClusterDefinition } from '@understudy/cluster';
import { openStore } from '@understudy/event-log';
import { openDriver } from '@understudy/platforms';
import { newId } from '@understudy/runtime';
import { eventually } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scheduleWindow, startOrchestrator, type StartedOrchestrator } from './fixtures/contract.js';
import { RolloutStore } from './handle.js';

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

describe('the orchestrator’s door', () => {
  let product: StartedOrchestrator;
  let patchSetId = '';
  const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
  const windowOf = (change: object = {}): object => ({
    clusters: ['orders'],
    patchSetId,
    playbook: { name: 'monthly' },
    opensAt: inAnHour(),
    closesAt: new Date(Date.now() + 2 * 3_600_000).toISOString(),
    ...change,
  });

  beforeAll(async () => {
    const platforms = { simulated: openDriver('simulated', { allowSimulated: true }) };
    product = await startOrchestrator({ definitions: [productionPair('orders'), productionPair('billing')], platforms });
    const items = [{ name: 'postgresql', targetVersion: '17.10', source: 'release' }];
    const { body } = await product.post('/v1/patch-sets', { items, publishedAt: '2026-01-01T00:00:00Z' }).expect(201);
    patchSetId = body.id as string;
    await product.put('/v1/playbooks/monthly', { name: 'monthly', version: 1, phases: { soakMs: 200 } }).expect(200);
  });

  afterAll(() => product.stop());

  const bindingsOf = async (windowId: string): Promise<Record<string, string>> => {
    let bindings: Record<string, string> = {};
    await eventually('every rollout is planned', async () => {
      const { body } = await product.get(`/v1/windows/${windowId}`).expect(200);
      const rollouts = body.rollouts as { readonly id: string; readonly binding: string | null }[];
      bindings = Object.fromEntries(rollouts.map((rollout) => [rollout.id, rollout.binding ?? '']));
      return rollouts.every((rollout) => rollout.binding !== null);
    });
    return bindings;
  };

  it('answers a repeated creating request as the first time, and refuses its key for another body', async () => {
    const key = newId();
    const send = (body: object): request.Test =>
      request(product.url)
        .post('/v1/windows')
        .set('Authorization', product.rim.bearer.operator)
        .set('Idempotency-Key', key)
        .send(body);
    const body = windowOf();
    const first = await send(body).expect(201);
    const again = await send(body).expect(201);
    expect(again.body.id).toBe(first.body.id);
    expect(again.headers['idempotency-replayed']).toBe('true');
    const other = await send(windowOf({ clusters: ['billing'] })).expect(422);
    expect(other.body).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
  });

  it('refuses a window in the past, one too short for the way there and back, and an unknown cluster, each with its place', async () => {
    const past = await product
      .post('/v1/windows', windowOf({ opensAt: '2020-01-01T00:00:00Z', closesAt: '2020-01-01T01:00:00Z' }))
      .expect(422);
    expect(past.body.errors[0]).toMatchObject({ pointer: '/opensAt', code: 'WINDOW_IN_THE_PAST' });
    const opensAt = inAnHour();
    const short = await product
      .post('/v1/windows', windowOf({ opensAt, closesAt: new Date(Date.parse(opensAt) + 1_000).toISOString() }))
      .expect(422);
    expect(short.body.errors[0]).toMatchObject({ pointer: '/closesAt', code: 'WINDOW_TOO_SHORT' });
    const unknown = await product.post('/v1/windows', windowOf({ clusters: ['nobody'] })).expect(422);
    expect(unknown.body.errors[0]).toMatchObject({ pointer: '/clusters/0', code: 'UNKNOWN_CLUSTER' });
    const { body } = await product.get('/v1/windows?limit=200').expect(200);
    expect(JSON.stringify(body)).not.toContain('nobody');
  });

  it('lets somebody else approve, and only what is in force', async () => {
    const { body: window } = await product.post('/v1/windows', windowOf()).expect(201);
    const bindings = await bindingsOf(window.id);
    const own = await product.rim.bearerOf('operator', 'approver');
    const approve = (body: object, as: string): request.Test => product.post(`/v1/windows/${window.id}/approve`, body, as);
    expect((await approve({ bindings }, own).expect(403)).body).toMatchObject({ code: 'SELF_APPROVAL' });
    expect((await approve({ bindings }, product.rim.bearer.operator).expect(403)).body).toMatchObject({ code: 'ROLE_REQUIRED' });
    const changed = Object.fromEntries(Object.keys(bindings).map((id) => [id, 'what I saw yesterday']));
    expect((await approve({ bindings: changed }, product.rim.bearer.approver).expect(409)).body).toMatchObject({
      code: 'PLAN_CHANGED',
    });
    await approve({ bindings }, product.rim.bearer.approver).set('If-Match', '"99"').expect(412);
    const approved = await approve({ bindings }, product.rim.bearer.approver).expect(200);
    expect(approved.body.approval).toMatchObject({ by: 'approver', bindings });
    const rolloutId = Object.keys(bindings)[0] ?? '';
    await eventually(
      'the rollout knows',
      async () => (await product.get(`/v1/rollouts/${rolloutId}`)).body.state.approval?.by === 'approver',
    );
  });

  it('refuses a playbook with what nobody knows, every complaint with its pointer', async () => {
    const document = {
      name: 'odd',
      version: 1,
      gates: [{ gate: 'moon', maxAgeMs: 1 }],
      pauseBefore: ['lunch'],
      checks: [{ name: 'x', kind: 'magic', expect: '1' }],
    };
    const { body } = await product.put('/v1/playbooks/odd', document).expect(422);
    const pointers = (body.errors as { readonly pointer: string }[]).map((error) => error.pointer);
    expect(pointers).toEqual(expect.arrayContaining(['/gates/0/gate', '/pauseBefore/0', '/checks/0/kind']));
    await product.get('/v1/playbooks/odd').expect(404);
  });

  it('does not change a stored version of a playbook', async () => {
    await product.put('/v1/playbooks/monthly', { name: 'monthly', version: 1, phases: { soakMs: 200 } }).expect(200);
    const other = await product.put('/v1/playbooks/monthly', { name: 'monthly', version: 1, phases: { soakMs: 5 } }).expect(409);
    expect(other.body).toMatchObject({ code: 'PLAYBOOK_VERSION_EXISTS' });
  });

  it('gives a cursor for its own list only', async () => {
    await product.post('/v1/windows', windowOf()).expect(201);
    const first = await product.get('/v1/windows?limit=1').expect(200);
    const cursor = encodeURIComponent(String(first.body.page.nextCursor));
    await product.get(`/v1/windows?limit=1&cursor=${cursor}`).expect(200);
    const other = await product.get(`/v1/rollouts?cursor=${cursor}`).expect(400);
    expect(other.body).toMatchObject({ code: 'CURSOR_INVALID' });
  });

  it('tells a rollout as it was at a position and at a time, folded from the log', async () => {
    const { body: window } = await product.post('/v1/windows', windowOf()).expect(201);
    const bindings = await bindingsOf(window.id);
    const rolloutId = Object.keys(bindings)[0] ?? '';
    await product.post(`/v1/windows/${window.id}/approve`, { bindings }, product.rim.bearer.approver).expect(200);
    await eventually(
      'the approval arrived',
      async () => (await product.get(`/v1/rollouts/${rolloutId}`)).body.state.approval !== null,
    );
    const { body: recorded } = await product.get(`/v1/rollouts/${rolloutId}/events`).expect(200);
    const planned = recorded.items[0] as { readonly position: number; readonly time: string };
    for (const at of [String(planned.position), planned.time]) {
      const { body } = await product.get(`/v1/rollouts/${rolloutId}?at=${encodeURIComponent(at)}`).expect(200);
      expect(body).toMatchObject({ version: 1, position: planned.position, status: 'planned' });
      expect(body.state.approval).toBeNull();
    }
    expect((await product.get(`/v1/rollouts/${rolloutId}?at=0`).expect(404)).body).toMatchObject({
      code: 'BEFORE_THE_BEGINNING',
    });
    expect((await product.get(`/v1/rollouts/${rolloutId}?at=teatime`).expect(400)).body).toMatchObject({ code: 'AT_INVALID' });
  });

  it('streams events from a position without gap or double, as lines and as server-sent events', async () => {
    const { body: window } = await product.post('/v1/windows', windowOf()).expect(201);
    const [rolloutId = ''] = Object.keys(await bindingsOf(window.id));
    await eventually('somebody drives it', async () => (await product.get(`/v1/rollouts/${rolloutId}`)).body.owner !== null);
    const { body } = await product.get(`/v1/rollouts/${rolloutId}/events`).expect(200);
    const positions = (body.items as { readonly position: number }[]).map((event) => event.position);
    const seen = await readSome(`${product.url}/v1/rollouts/${rolloutId}/events`, {
      Authorization: product.rim.bearer.viewer,
      Accept: 'text/event-stream',
      'Last-Event-ID': String(positions[0]),
    });
    const ids = [...seen.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    expect(ids).toEqual(positions.slice(1));
  });

  it('closes the gates of production until ticket and approval are there, and says who can open them', async () => {
    const window = await scheduleWindow(product, ['billing'], { source: 'release', targetVersion: '17.10' });
    const rolloutId = String(window.rollouts[0]?.id);
    await eventually('the gates were judged', async () => {
      const { body } = await product.get(`/v1/rollouts/${rolloutId}`).expect(200);
      return body.state.gates['change-ticket'] !== undefined;
    });
    const { body } = await product.get(`/v1/rollouts/${rolloutId}`).expect(200);
    expect(body.status).toBe('planned');
    expect(body.state.gates['change-ticket']).toMatchObject({
      status: 'closed',
      requirement: 'required',
      whoCanChangeIt: 'the change manager',
    });
    expect(body.state.gates.approval).toMatchObject({ status: 'closed', requirement: 'required' });
    expect(body.state.gates.probe).toMatchObject({ status: 'closed' });
  });

  it('lets two named persons open one gate with a reason and an expiry, and never one that an invariant stands on', async () => {
    const window = await scheduleWindow(product, ['orders'], { source: 'release', targetVersion: '17.10' });
    const overrides = `/v1/rollouts/${String(window.rollouts[0]?.id)}/overrides`;
    await eventually('the gates were judged', async () => {
      const { body } = await product.get(overrides.replace('/overrides', '')).expect(200);
      return body.state.gates['change-ticket'] !== undefined;
    });
    const { approver } = product.rim.bearer;
    const until = new Date(Date.now() + 60_000).toISOString();
    const asked = { gate: 'change-ticket', reason: 'The ticket system is down.', until };
    expect((await product.post(overrides, asked, approver).expect(403)).body).toMatchObject({ code: 'ROLE_REQUIRED' });
    expect((await product.post(overrides, { ...asked, gate: 'topology' }).expect(409)).body).toMatchObject({
      code: 'NOT_OVERRIDABLE',
      errors: [{ detail: expect.stringContaining('Invariants 1, 2, 3 and 5') }],
    });
    expect((await product.post(overrides, { ...asked, gate: 'moon' }).expect(422)).body.errors[0].pointer).toBe('/gate');
    await product.post(overrides, asked).expect(200);
    const own = await product.rim.bearerOf('operator', 'approver');
    expect((await product.post(`${overrides}/change-ticket/confirm`, undefined, own).expect(403)).body).toMatchObject({
      code: 'SAME_PERSON',
    });
    const { body } = await product.post(`${overrides}/change-ticket/confirm`, undefined, approver).expect(200);
    expect(body.state.overrides).toMatchObject([{ by: 'operator', confirmed: { by: 'approver' }, withdrawn: null }]);
    const report = await product.get(overrides.replace('/overrides', '/report')).expect(200);
    expect(report.body.overrides).toMatchObject([{ gate: 'change-ticket', reason: 'The ticket system is down.', until }]);
    const rollback = overrides.replace('/overrides', '/rollback');
    expect((await product.post(rollback, { reason: 'no' }, approver).expect(403)).body).toMatchObject({ code: 'ROLE_REQUIRED' });
    expect((await product.post(rollback, { reason: 'no' }).expect(409)).body).toMatchObject({ code: 'NOTHING_PATCHED' });
    await product.post(`${overrides}/change-ticket/withdraw`, { reason: 'It is back.' }, approver).expect(200);
  });

  it('refuses a patch set that is older than what runs, in words', async () => {
    const items = [{ name: 'postgresql', targetVersion: '17.1', source: 'release' }];
    const older = await product.post('/v1/patch-sets', { items, publishedAt: '2026-01-01T00:00:00Z' }).expect(201);
    const { body: window } = await product.post('/v1/windows', windowOf({ patchSetId: older.body.id })).expect(201);
    const [rolloutId = ''] = Object.keys(await bindingsOf(window.id));
    const { body } = await product.get(`/v1/rollouts/${rolloutId}/plan`).expect(200);
    expect(body.noPlanBecause).toContain('The patch set is older than what runs');
    await eventually('it is refused', async () => (await product.get(`/v1/rollouts/${rolloutId}`)).body.result === 'refused');
  });

  it('lets one process own a rollout: who still believes the old owner gone is refused', async () => {
    const { body: window } = await product.post('/v1/windows', windowOf()).expect(201);
    const [rolloutId = ''] = Object.keys(await bindingsOf(window.id));
    await eventually('it is driven here', async () => (await product.get(`/v1/rollouts/${rolloutId}`)).body.owner !== null);
    const connectionString = product.database.serviceConnection('orchestrator');
    const other = await openStore({ connectionString, schema: 'orchestrator', instance: 'another' });
    try {
      const rollouts = new RolloutStore(other);
      const zombie = await rollouts.load(rolloutId);
      const live = await rollouts.load(rolloutId);
      const replaces = live.state.owner?.incarnation ?? null;
      const at = new Date().toISOString();
      const adopt = { type: 'Adopt', instance: 'another', incarnation: other.incarnation, replaces, at } as const;
      const known = [...live.loaded.commands.keys()];
      expect(await rollouts.give(live, adopt)).toMatchObject({ accepted: true });
      // An order of one's own is never repeated under its id: that is not kept.
      expect([...live.loaded.commands.keys()]).toEqual(known);
      const late = await rollouts.give(zombie, { ...adopt, incarnation: newId() });
      expect(late).toMatchObject({ accepted: false, refusals: [{ code: 'OWNER_CHANGED' }] });
      const { body } = await product.get(`/v1/rollouts/${rolloutId}`).expect(200);
      expect(body.owner).toMatchObject({ instance: 'another', incarnation: other.incarnation });
    } finally {
      await other.close();
    }
  });
});

/** What a stream sends within its first second. */
async function readSome(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(1_000) });
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of answer.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true });
  } catch {
    // The time is over; what came is what counts.
  }
  return text;
}
