import { signatureOf } from './channels/webhook/signature.js';
import type request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotificationModule, defaultWebhooks } from './index.js';
import { WebhookStage, arrived, publishAs, subscriptionFor } from '@understudy/testing';

const PATIENCE = { ...defaultWebhooks, allow: ['127.0.0.0/8'], allowHttp: true, timeoutMs: 500, retryScheduleMs: [50, 50, 50] };

let stage: WebhookStage;
beforeAll(async () => {
  stage = await WebhookStage.start(({ runtime }, store, transport) =>
    NotificationModule.forRoot({ runtime, store, webhooks: PATIENCE }, transport),
  );
});
afterAll(() => stage.stop());

describe('deliveries', () => {
  it('are CloudEvents, signed, once per event that fits the filter, and told to others', async () => {
    const receiver = await stage.receiver();
    const { id, secret } = await stage.subscribe(receiver, {
      types: ['understudy.orchestrator.*'],
      clusters: ['one'],
      leastSeverity: 'warning',
    });
    await stage.closed('two');
    await stage.closed('one', 'succeeded');
    await publishAs(stage.others.inventory, 'cluster-registered', 'one', { cluster: { slug: 'one' } });
    await stage.closed('one');
    await stage.ended(id, 'succeeded');
    expect(receiver.heard.map(({ event }) => [event.type, event.data])).toEqual([
      ['understudy.orchestrator.rollout-closed.v1', { rolloutId: 'r', cluster: 'one', result: 'failed', reason: 'x' }],
    ]);
    const [heard] = receiver.heard;
    const timestamp = Number(heard?.headers['webhook-timestamp']);
    expect(heard?.headers['content-type']).toContain('application/cloudevents+json');
    expect(heard?.headers['webhook-signature']).toBe(
      signatureOf({ id: heard?.id ?? '', timestamp, body: heard?.raw ?? '' }, [secret]),
    );
    expect(Math.abs(timestamp * 1_000 - Date.now())).toBeLessThan(60_000);
    await arrived(() =>
      stage.published.find(
        ({ type, data }) => type.includes('delivery-succeeded') && (data as { subscriptionId: string }).subscriptionId === id,
      ),
    );
  });

  it('are tried again after a 500, with the same id', async () => {
    const receiver = await stage.receiver({ status: 500 }, { status: 502 }, { status: 200 });
    const { id } = await stage.subscribe(receiver, { clusters: ['retried'] });
    await stage.closed('retried');
    expect(await stage.ended(id, 'succeeded')).toMatchObject({ attempts: 3, round: 1 });
    expect(new Set(receiver.heard.map((heard) => heard.id)).size).toBe(1);
  });

  it('end in a dead letter after the last attempt, with the reason, and are delivered again on request', async () => {
    const receiver = await stage.receiver({ status: 500 });
    const { id } = await stage.subscribe(receiver, { clusters: ['dead'] });
    await stage.closed('dead');
    const dead = await stage.ended(id, 'exhausted');
    expect(dead).toMatchObject({ attempts: 4, lastReason: 'The receiver answered 500.' });
    await arrived(() =>
      stage.published.find(
        ({ type, data }) => type.includes('delivery-exhausted') && (data as { deliveryId: string }).deliveryId === dead.id,
      ),
    );
    receiver.answers = [{ status: 200 }];
    const redeliver = (key: string) =>
      stage
        .http()
        .post(`/v1/deliveries/${dead.id}/redeliver`)
        .set('authorization', stage.as('operator'))
        .set('idempotency-key', key);
    expect((await redeliver('k1')).status).toBe(202);
    expect(await stage.ended(id, 'succeeded')).toMatchObject({ id: dead.id, round: 2, attempts: 1 });
    expect((await redeliver('k1')).headers['idempotency-replayed']).toBe('true');
    expect(receiver.heard).toHaveLength(5);
    expect(new Set(receiver.heard.map((heard) => heard.id))).toEqual(new Set([dead.id]));
    expect(
      (await stage.http().post(`/v1/deliveries/${crypto.randomUUID()}/redeliver`).set('authorization', stage.as('operator')))
        .status,
    ).toBe(404);
  });

  it('time out, and are tried again within bounds', async () => {
    const receiver = await stage.receiver({ status: 0 });
    const { id } = await stage.subscribe(receiver, { clusters: ['slow'] });
    await stage.closed('slow');
    expect(await stage.ended(id, 'exhausted')).toMatchObject({ attempts: 4, lastReason: 'No answer within 500 ms.' });
  });

  it('follow no redirect inward', async () => {
    const inner = await stage.receiver();
    const receiver = await stage.receiver({ status: 302, headers: { location: inner.url } });
    const { id } = await stage.subscribe(receiver, { clusters: ['redirected'] });
    await stage.closed('redirected');
    expect((await stage.ended(id, 'exhausted')).lastReason).toContain('redirects are never followed');
    expect(inner.heard).toEqual([]);
  });

  it('wait as long as a receiver asks with Retry-After', async () => {
    const receiver = await stage.receiver({ status: 429, headers: { 'retry-after': '1' } }, { status: 200 });
    const { id } = await stage.subscribe(receiver, { clusters: ['throttled'] });
    await stage.closed('throttled');
    await arrived(() => receiver.heard.length === 1 || undefined);
    const began = performance.now();
    await stage.ended(id, 'succeeded');
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  it('stop for a receiver that is gone (410): the subscription is switched off, and a change switches it on', async () => {
    const receiver = await stage.receiver({ status: 410 }, { status: 200 });
    const { id } = await stage.subscribe(receiver, { clusters: ['gone'] });
    await stage.closed('gone');
    expect(await stage.ended(id, 'exhausted')).toMatchObject({ attempts: 1 });
    const off = await stage.http().get(`/v1/subscriptions/${id}`).set('authorization', stage.as('viewer'));
    expect(off.body.disabledReason).toContain('410');
    await stage.closed('gone');
    await arrived(async () => ((await stage.transport.lag()).every(({ events }) => events === 0) ? true : undefined));
    expect(receiver.heard).toHaveLength(1);
    const on = await stage
      .http()
      .put(`/v1/subscriptions/${id}`)
      .set('authorization', stage.as('operator'))
      .set('if-match', off.headers['etag'] ?? '')
      .send(subscriptionFor(receiver.url, {}, { clusters: ['gone'] }));
    expect(on.body.disabledReason).toBeNull();
    await stage.closed('gone');
    await stage.ended(id, 'succeeded');
    expect(receiver.heard).toHaveLength(2);
  });

  it('are signed with both secrets for a day after a rotation', async () => {
    const receiver = await stage.receiver();
    const { id, secret } = await stage.subscribe(receiver, { clusters: ['rotated'] });
    const rotated = await stage.http().post(`/v1/subscriptions/${id}/rotate-secret`).set('authorization', stage.as('operator'));
    expect(rotated.status).toBe(200);
    expect(rotated.body.secret).not.toBe(secret);
    await stage.closed('rotated');
    await stage.ended(id, 'succeeded');
    const [heard] = receiver.heard;
    const signed = { id: heard?.id ?? '', timestamp: Number(heard?.headers['webhook-timestamp']), body: heard?.raw ?? '' };
    expect(heard?.headers['webhook-signature']).toBe(signatureOf(signed, [rotated.body.secret as string, secret]));
  });

  it('are listed page by page', async () => {
    const receiver = await stage.receiver();
    const { id } = await stage.subscribe(receiver, { clusters: ['paged'] });
    for (let round = 0; round < 5; round += 1) await stage.closed('paged');
    await arrived(async () => ((await stage.deliveriesOf(id, 'succeeded')).length === 5 ? true : undefined));
    const get = (query: object) =>
      stage
        .http()
        .get('/v1/deliveries')
        .query({ subscriptionId: id, limit: 2, ...query })
        .set('authorization', stage.as('viewer'));
    const seen: string[] = [];
    let cursor: string | null | undefined;
    do {
      const { body }: request.Response = await get(cursor === undefined ? {} : { cursor });
      seen.push(...(body.items as { id: string }[]).map((item) => item.id));
      cursor = body.page.nextCursor as string | null;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
  });
});
