import { readFileSync, writeFileSync } from 'node:fs';
import type { CloudEvent } from '@understudy/messaging';
import { openApiDocument } from '@understudy/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebhookStage, arrived, publishAs, subscriptionFor } from '@understudy/testing';
import { NotificationModule, defaultWebhooks, notificationApi } from './index.js';

const PATIENCE = { ...defaultWebhooks, allow: ['127.0.0.0/8'], allowHttp: true, timeoutMs: 500, retryScheduleMs: [50, 50, 50] };

let stage: WebhookStage;
beforeAll(async () => {
  stage = await WebhookStage.start(({ runtime }, store, transport) =>
    NotificationModule.forRoot({ runtime, store, webhooks: PATIENCE }, transport),
  );
});
afterAll(() => stage.stop());

describe('subscriptions', () => {
  it('show their secret at the creation and to a repetition of it, and never again', async () => {
    const key = crypto.randomUUID();
    const send = (document: object) =>
      stage
        .http()
        .post('/v1/subscriptions')
        .set('authorization', stage.as('operator'))
        .set('idempotency-key', key)
        .send(document);
    const document = subscriptionFor('http://127.0.0.1:9/x', {}, { clusters: ['nowhere'] });
    const first = await send(document);
    const second = await send(document);
    expect(first.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect([second.status, second.headers['idempotency-replayed'], second.headers['etag']]).toEqual([201, 'true', '"1"']);
    expect(second.body).toEqual(first.body);
    const other = await send({ ...document, description: 'another' });
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    const get = await stage
      .http()
      .get(first.headers['location'] ?? '')
      .set('authorization', stage.as('viewer'));
    expect(get.headers['etag']).toBe('"1"');
    const list = await stage.http().get('/v1/subscriptions').set('authorization', stage.as('viewer'));
    const events = JSON.stringify(await stage.store.log.readAll(0, 5_000));
    for (const text of [get.text, list.text, events]) expect(text).not.toContain(first.body.secret);
    expect(list.body.items).toContainEqual(get.body);
  });

  it('change at the version that was seen, and are gone after their removal', async () => {
    const receiver = await stage.receiver();
    const { id } = await stage.subscribe(receiver, { clusters: ['nobody'] });
    const put = (etag: string, document: object) =>
      stage.http().put(`/v1/subscriptions/${id}`).set('authorization', stage.as('operator')).set('if-match', etag).send(document);
    const changed = await put('"1"', subscriptionFor(receiver.url, { description: 'changed' }, { clusters: ['nobody'] }));
    expect([changed.status, changed.headers['etag'], changed.body.description]).toEqual([200, '"2"', 'changed']);
    expect((await put('"1"', subscriptionFor(receiver.url))).body.code).toBe('VERSION_MISMATCH');
    expect(
      (
        await stage
          .http()
          .put(`/v1/subscriptions/${id}`)
          .set('authorization', stage.as('operator'))
          .send(subscriptionFor(receiver.url))
      ).status,
    ).toBe(428);
    expect(
      (await stage.http().delete(`/v1/subscriptions/${id}`).set('authorization', stage.as('operator')).set('if-match', '"2"'))
        .status,
    ).toBe(204);
    expect((await stage.http().get(`/v1/subscriptions/${id}`).set('authorization', stage.as('viewer'))).status).toBe(404);
    expect(
      (await stage.store.pool.query(`select from ${stage.store.schema}.webhook_secret where subscription_id = $1`, [id]))
        .rowCount,
    ).toBe(0);
  });

  it.each([
    ['http://10.0.0.1/', 'WEBHOOK_ADDRESS_REFUSED'],
    ['https://169.254.169.254/latest', 'WEBHOOK_ADDRESS_REFUSED'],
    ['https://[::ffff:10.0.0.1]/', 'WEBHOOK_ADDRESS_REFUSED'],
    ['gopher://x.example/', 'WEBHOOK_URL_INVALID'],
  ])('are refused to go to %s', async (url, code) => {
    const response = await stage
      .http()
      .post('/v1/subscriptions')
      .set('authorization', stage.as('operator'))
      .set('idempotency-key', crypto.randomUUID())
      .send(subscriptionFor(url));
    expect([response.status, response.body.code, response.body.errors[0].pointer]).toEqual([422, code, '/url']);
  });

  it('need the role operator, known event types, and only known fields', async () => {
    const send = (role: 'viewer' | 'operator', document: object) =>
      stage
        .http()
        .post('/v1/subscriptions')
        .set('authorization', stage.as(role))
        .set('idempotency-key', crypto.randomUUID())
        .send(document);
    expect((await send('viewer', subscriptionFor('https://a.example/'))).status).toBe(403);
    expect((await send('operator', subscriptionFor('http://127.0.0.1/', {}, { types: ['understudy.drfit.*'] }))).body.code).toBe(
      'EVENT_TYPE_UNKNOWN',
    );
    expect((await send('operator', subscriptionFor('http://127.0.0.1/', { secret: 'mine' }))).body.errors[0].code).toBe(
      'UNKNOWN_FIELD',
    );
  });
});

describe('tickets', () => {
  const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
  async function window(id: string, scheduledBy = 'operator'): Promise<void> {
    await publishAs(stage.others.orchestrator, 'window-scheduled', id, {
      windowId: id,
      clusters: ['c'],
      opensAt: new Date().toISOString(),
      closesAt: inAnHour(),
      playbook: 'p',
      patchSetId: 's',
      scheduledBy,
    });
    await arrived(async () =>
      (await stage.store.pool.query(`select from ${stage.store.schema}.window_view where window_id = $1`, [id])).rowCount === 1
        ? true
        : undefined,
    );
  }
  const record = (bearer: string, ticket: object) =>
    stage.http().post('/v1/tickets').set('authorization', bearer).set('idempotency-key', crypto.randomUUID()).send(ticket);

  it('with number and approver of another person open the gate of their window', async () => {
    await window('w-1');
    const made = await record(stage.as('approver'), { windowId: 'w-1', number: 'CHG1', approver: 'anna' });
    expect([made.status, made.body.status, made.headers['etag']]).toEqual([201, 'approved', '"2"']);
    const approved = await arrived(() =>
      stage.published.find(({ type }) => type === 'understudy.notification.change-approved.v1'),
    );
    expect(approved).toMatchObject({
      partitionkey: 'w-1',
      data: { change: { ticketId: made.body.id, windowId: 'w-1', system: 'manual', number: 'CHG1', approver: 'anna' } },
    });
    const rejected = await stage
      .http()
      .post(`/v1/tickets/${made.body.id}/reject`)
      .set('authorization', stage.as('approver'))
      .set('if-match', '"2"')
      .send({ reason: 'freeze' });
    expect(rejected.body.status).toBe('rejected');
    await arrived(() => stage.published.find(({ type }) => type === 'understudy.notification.change-rejected.v1'));
    const list = await stage.http().get('/v1/tickets').query({ windowId: 'w-1' }).set('authorization', stage.as('viewer'));
    expect(list.body.items).toEqual([rejected.body]);
    expect((await stage.http().get(`/v1/tickets/${made.body.id}`).set('authorization', stage.as('viewer'))).body).toEqual(
      rejected.body,
    );
  });

  it('are refused to the role operator, to the person who scheduled the window, and for unknown windows', async () => {
    await window('w-2', 'admin');
    expect((await record(stage.as('operator'), { windowId: 'w-2', number: 'CHG2', approver: 'anna' })).status).toBe(403);
    const own = await record(stage.as('admin'), { windowId: 'w-2', number: 'CHG2', approver: 'anna' });
    expect([own.status, own.body.code]).toEqual([403, 'OWN_APPROVAL']);
    expect((await record(stage.as('approver'), { windowId: 'w-2', number: 'CHG2', approver: 'admin' })).body.code).toBe(
      'OWN_APPROVAL',
    );
    expect((await record(stage.as('approver'), { windowId: 'w-none', number: 'CHG2', approver: 'anna' })).body.code).toBe(
      'WINDOW_UNKNOWN',
    );
  });
});

describe('the service', () => {
  it('hears a message twice without effect', async () => {
    const receiver = await stage.receiver();
    const { id } = await stage.subscribe(receiver, { clusters: ['twice'] });
    await stage.closed('twice');
    await stage.ended(id, 'succeeded');
    const { rows } = await stage.store.pool.query<{ event: CloudEvent }>(
      `select event from ${stage.store.schema}.delivery where subscription_id = $1`,
      [id],
    );
    const { handlersFor } = await import('./inbound/events/handlers.js');
    const { DeliveryQueue } = await import('./queues/deliveries.js');
    const { SubscriptionList } = await import('./projections/subscriptions/subscriptions.js');
    const { KnownWindows } = await import('./projections/tickets/tickets.js');
    const tools = {
      subscriptions: new SubscriptionList(stage.store),
      caughtUp: () => Promise.resolve(),
      queue: new DeliveryQueue(stage.store),
      windows: new KnownWindows(stage.store),
      wakeSender: () => undefined,
    };
    const event = rows[0]?.event;
    if (event === undefined) throw new Error('no delivery');
    await handlersFor('understudy.orchestrator.v1', tools)[event.type]?.(event);
    expect(await stage.deliveriesOf(id)).toHaveLength(1);
  });

  it('keeps its OpenAPI document beside it (UPDATE_OPENAPI=1 writes it anew)', () => {
    const file = new URL('../openapi.json', import.meta.url);
    if (process.env['UPDATE_OPENAPI'] === '1')
      writeFileSync(file, `${JSON.stringify(openApiDocument(notificationApi), null, 2)}\n`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(openApiDocument(notificationApi))));
  });
});
