import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Store, StoredEvent } from '@understudy/event-log';
import { InProcessTransport } from '@understudy/messaging';
import type { CloudEvent } from '@understudy/messaging';
import { openApiDocument } from '@understudy/runtime';
import type { HttpServer } from '@understudy/runtime';
import { createTestStore, testRuntime, testServer } from '@understudy/testing';
import type { TestRuntime } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signatureOf } from './channels/webhook/signature.js';
import { NOTIFICATION_TOPIC, NotificationModule, defaultWebhooks, notificationApi } from './index.js';

interface Heard {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
  readonly event: CloudEvent;
}

class Receiver {
  readonly heard: Heard[] = [];
  /** Answers by turn; the last one stays. */
  answers: { status: number; headers?: Record<string, string> }[] = [{ status: 200 }];
  private constructor(
    readonly url: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<Receiver> {
    const server = createServer((incoming, response) => {
      let raw = '';
      incoming.on('data', (chunk: Buffer) => (raw += chunk.toString()));
      incoming.on('end', () => {
        receiver.heard.push({
          id: String(incoming.headers['webhook-id']),
          headers: incoming.headers,
          raw,
          event: JSON.parse(raw) as CloudEvent,
        });
        const answer = (receiver.answers.length > 1 ? receiver.answers.shift() : receiver.answers[0]) ?? { status: 200 };
        if (answer.status !== 0) response.writeHead(answer.status, answer.headers).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const receiver = new Receiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, server);
    return receiver;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

let rim: TestRuntime;
let server: HttpServer;
let transport: InProcessTransport;
let store: Store;
let others: Readonly<Record<'inventory' | 'drift' | 'orchestrator', Store>>;
const published: CloudEvent[] = [];
const receivers: Receiver[] = [];
let appended = 0;

async function until<T>(what: () => Promise<T | undefined> | T | undefined, limitMs = 20_000): Promise<T> {
  for (const deadline = performance.now() + limitMs; ; await delay(20)) {
    const found = await what();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not reached: ${what.toString()}`);
  }
}

/** A stand-in for what the other services store: the body is the payload, the stream says the key. */
async function say(service: keyof typeof others, name: string, key: string, data: object): Promise<void> {
  appended += 1;
  const metadata = {
    commandId: `say-${appended}`,
    actor: { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' },
  };
  const stream = `said/${appended}`;
  await others[service].log.append({
    streams: [{ stream, expectedVersion: 0, events: [{ type: name, schemaVersion: 1, body: { key, data } }] }],
    metadata,
  });
}

function asSaid(service: string) {
  return (stored: StoredEvent) => {
    const { key, data } = stored.body as { key: string; data: object };
    return { type: `understudy.${service}.${stored.type}.v1`, key, subject: key, data };
  };
}

const closed = (cluster: string, result = 'failed') =>
  say('orchestrator', 'rollout-closed', cluster, { rolloutId: 'r', cluster, result, reason: 'x' });

beforeAll(async () => {
  rim = await testRuntime();
  ({ store } = await createTestStore('notification'));
  others = {
    inventory: (await createTestStore('inventory')).store,
    drift: (await createTestStore('drift')).store,
    orchestrator: (await createTestStore('orchestrator')).store,
  };
  transport = new InProcessTransport();
  for (const service of ['inventory', 'drift', 'orchestrator'] as const) {
    transport.produce({ service, topic: `understudy.${service}.v1`, publish: asSaid(service), store: others[service] });
  }
  const take = (event: CloudEvent) => Promise.resolve(void published.push(event));
  const types = ['change-created', 'change-approved', 'change-rejected', 'delivery-succeeded', 'delivery-exhausted'];
  const handlers = Object.fromEntries(types.map((name) => [`understudy.notification.${name}.v1`, take]));
  transport.consume({ subscription: { group: 'spec', topic: NOTIFICATION_TOPIC, handlers }, store: others.orchestrator });
  const webhooks = { ...defaultWebhooks, allow: ['127.0.0.0/8'], allowHttp: true, timeoutMs: 500, retryScheduleMs: [50, 50, 50] };
  server = await testServer([NotificationModule.forRoot({ runtime: rim.runtime, store, webhooks }, transport)], rim, [transport]);
});
afterAll(async () => {
  await server.close();
  for (const receiver of receivers) receiver.stop();
  rim.remove();
});

const http = () => request(server.url);
const as = (role: keyof TestRuntime['bearer']) => rim.bearer[role];
const documentFor = (url: string, more: object = {}, filter: object = {}) => ({
  description: 'spec',
  channel: 'webhook',
  url,
  enabled: true,
  filter: { types: [], clusters: [], leastSeverity: 'info', ...filter },
  ...more,
});

async function newReceiver(...answers: Receiver['answers']): Promise<Receiver> {
  const receiver = await Receiver.start();
  if (answers.length > 0) receiver.answers = answers;
  receivers.push(receiver);
  return receiver;
}

async function subscribe(receiver: Receiver, filter: object = {}): Promise<{ id: string; secret: string }> {
  const response = await http()
    .post('/v1/subscriptions')
    .set('authorization', as('operator'))
    .set('idempotency-key', crypto.randomUUID())
    .send(documentFor(receiver.url, {}, filter));
  expect(response.status).toBe(201);
  return response.body as { id: string; secret: string };
}

const deliveriesOf = async (subscriptionId: string, status?: string) => {
  const response = await http()
    .get('/v1/deliveries')
    .query({ subscriptionId, ...(status === undefined ? {} : { status }) })
    .set('authorization', as('viewer'));
  return response.body.items as { id: string; status: string; attempts: number; round: number; lastReason: string | null }[];
};
const ended = (subscriptionId: string, status: string) => until(async () => (await deliveriesOf(subscriptionId, status))[0]);

describe('subscriptions', () => {
  it('show their secret at the creation and to a repetition of it, and never again', async () => {
    const key = crypto.randomUUID();
    const send = (document: object) =>
      http().post('/v1/subscriptions').set('authorization', as('operator')).set('idempotency-key', key).send(document);
    const document = documentFor('http://127.0.0.1:9/x', {}, { clusters: ['nowhere'] });
    const first = await send(document);
    const second = await send(document);
    expect(first.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect([second.status, second.headers['idempotency-replayed'], second.headers['etag']]).toEqual([201, 'true', '"1"']);
    expect(second.body).toEqual(first.body);
    const other = await send({ ...document, description: 'another' });
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    const get = await http()
      .get(first.headers['location'] ?? '')
      .set('authorization', as('viewer'));
    expect(get.headers['etag']).toBe('"1"');
    const list = await http().get('/v1/subscriptions').set('authorization', as('viewer'));
    const events = JSON.stringify(await store.log.readAll(0, 5_000));
    for (const text of [get.text, list.text, events]) expect(text).not.toContain(first.body.secret);
    expect(list.body.items).toContainEqual(get.body);
  });

  it('change at the version that was seen, and are gone after their removal', async () => {
    const receiver = await newReceiver();
    const { id } = await subscribe(receiver, { clusters: ['nobody'] });
    const put = (etag: string, document: object) =>
      http().put(`/v1/subscriptions/${id}`).set('authorization', as('operator')).set('if-match', etag).send(document);
    const changed = await put('"1"', documentFor(receiver.url, { description: 'changed' }, { clusters: ['nobody'] }));
    expect([changed.status, changed.headers['etag'], changed.body.description]).toEqual([200, '"2"', 'changed']);
    expect((await put('"1"', documentFor(receiver.url))).body.code).toBe('VERSION_MISMATCH');
    expect(
      (await http().put(`/v1/subscriptions/${id}`).set('authorization', as('operator')).send(documentFor(receiver.url))).status,
    ).toBe(428);
    expect(
      (await http().delete(`/v1/subscriptions/${id}`).set('authorization', as('operator')).set('if-match', '"2"')).status,
    ).toBe(204);
    expect((await http().get(`/v1/subscriptions/${id}`).set('authorization', as('viewer'))).status).toBe(404);
    expect((await store.pool.query(`select from ${store.schema}.webhook_secret where subscription_id = $1`, [id])).rowCount).toBe(
      0,
    );
  });

  it.each([
    ['http://10.0.0.1/', 'WEBHOOK_ADDRESS_REFUSED'],
    ['https://169.254.169.254/latest', 'WEBHOOK_ADDRESS_REFUSED'],
    ['https://[::ffff:10.0.0.1]/', 'WEBHOOK_ADDRESS_REFUSED'],
    ['gopher://x.example/', 'WEBHOOK_URL_INVALID'],
  ])('are refused to go to %s', async (url, code) => {
    const response = await http()
      .post('/v1/subscriptions')
      .set('authorization', as('operator'))
      .set('idempotency-key', crypto.randomUUID())
      .send(documentFor(url));
    expect([response.status, response.body.code, response.body.errors[0].pointer]).toEqual([422, code, '/url']);
  });

  it('need the role operator, known event types, and only known fields', async () => {
    const send = (role: 'viewer' | 'operator', document: object) =>
      http().post('/v1/subscriptions').set('authorization', as(role)).set('idempotency-key', crypto.randomUUID()).send(document);
    expect((await send('viewer', documentFor('https://a.example/'))).status).toBe(403);
    expect((await send('operator', documentFor('http://127.0.0.1/', {}, { types: ['understudy.drfit.*'] }))).body.code).toBe(
      'EVENT_TYPE_UNKNOWN',
    );
    expect((await send('operator', documentFor('http://127.0.0.1/', { secret: 'mine' }))).body.errors[0].code).toBe(
      'UNKNOWN_FIELD',
    );
  });
});

describe('deliveries', () => {
  it('are CloudEvents, signed, once per event that fits the filter, and told to others', async () => {
    const receiver = await newReceiver();
    const { id, secret } = await subscribe(receiver, {
      types: ['understudy.orchestrator.*'],
      clusters: ['one'],
      leastSeverity: 'warning',
    });
    await closed('two');
    await closed('one', 'succeeded');
    await say('inventory', 'cluster-registered', 'one', { cluster: { slug: 'one' } });
    await closed('one');
    await ended(id, 'succeeded');
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
    await until(() =>
      published.find(
        ({ type, data }) => type.includes('delivery-succeeded') && (data as { subscriptionId: string }).subscriptionId === id,
      ),
    );
  });

  it('are tried again after a 500, with the same id', async () => {
    const receiver = await newReceiver({ status: 500 }, { status: 502 }, { status: 200 });
    const { id } = await subscribe(receiver, { clusters: ['retried'] });
    await closed('retried');
    expect(await ended(id, 'succeeded')).toMatchObject({ attempts: 3, round: 1 });
    expect(new Set(receiver.heard.map((heard) => heard.id)).size).toBe(1);
  });

  it('end in a dead letter after the last attempt, with the reason, and are delivered again on request', async () => {
    const receiver = await newReceiver({ status: 500 });
    const { id } = await subscribe(receiver, { clusters: ['dead'] });
    await closed('dead');
    const dead = await ended(id, 'exhausted');
    expect(dead).toMatchObject({ attempts: 4, lastReason: 'The receiver answered 500.' });
    await until(() =>
      published.find(
        ({ type, data }) => type.includes('delivery-exhausted') && (data as { deliveryId: string }).deliveryId === dead.id,
      ),
    );
    receiver.answers = [{ status: 200 }];
    const redeliver = (key: string) =>
      http().post(`/v1/deliveries/${dead.id}/redeliver`).set('authorization', as('operator')).set('idempotency-key', key);
    expect((await redeliver('k1')).status).toBe(202);
    expect(await ended(id, 'succeeded')).toMatchObject({ id: dead.id, round: 2, attempts: 1 });
    expect((await redeliver('k1')).headers['idempotency-replayed']).toBe('true');
    expect(receiver.heard).toHaveLength(5);
    expect(new Set(receiver.heard.map((heard) => heard.id))).toEqual(new Set([dead.id]));
    expect(
      (await http().post(`/v1/deliveries/${crypto.randomUUID()}/redeliver`).set('authorization', as('operator'))).status,
    ).toBe(404);
  });

  it('time out, and are tried again within bounds', async () => {
    const receiver = await newReceiver({ status: 0 });
    const { id } = await subscribe(receiver, { clusters: ['slow'] });
    await closed('slow');
    expect(await ended(id, 'exhausted')).toMatchObject({ attempts: 4, lastReason: 'No answer within 500 ms.' });
  });

  it('follow no redirect inward', async () => {
    const inner = await newReceiver();
    const receiver = await newReceiver({ status: 302, headers: { location: inner.url } });
    const { id } = await subscribe(receiver, { clusters: ['redirected'] });
    await closed('redirected');
    expect((await ended(id, 'exhausted')).lastReason).toContain('redirects are never followed');
    expect(inner.heard).toEqual([]);
  });

  it('wait as long as a receiver asks with Retry-After', async () => {
    const receiver = await newReceiver({ status: 429, headers: { 'retry-after': '1' } }, { status: 200 });
    const { id } = await subscribe(receiver, { clusters: ['throttled'] });
    await closed('throttled');
    await until(() => receiver.heard.length === 1 || undefined);
    const began = performance.now();
    await ended(id, 'succeeded');
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  it('stop for a receiver that is gone (410): the subscription is switched off, and a change switches it on', async () => {
    const receiver = await newReceiver({ status: 410 }, { status: 200 });
    const { id } = await subscribe(receiver, { clusters: ['gone'] });
    await closed('gone');
    expect(await ended(id, 'exhausted')).toMatchObject({ attempts: 1 });
    const off = await http().get(`/v1/subscriptions/${id}`).set('authorization', as('viewer'));
    expect(off.body.disabledReason).toContain('410');
    await closed('gone');
    await until(async () => ((await transport.lag()).every(({ events }) => events === 0) ? true : undefined));
    expect(receiver.heard).toHaveLength(1);
    const on = await http()
      .put(`/v1/subscriptions/${id}`)
      .set('authorization', as('operator'))
      .set('if-match', off.headers['etag'] ?? '')
      .send(documentFor(receiver.url, {}, { clusters: ['gone'] }));
    expect(on.body.disabledReason).toBeNull();
    await closed('gone');
    await ended(id, 'succeeded');
    expect(receiver.heard).toHaveLength(2);
  });

  it('are signed with both secrets for a day after a rotation', async () => {
    const receiver = await newReceiver();
    const { id, secret } = await subscribe(receiver, { clusters: ['rotated'] });
    const rotated = await http().post(`/v1/subscriptions/${id}/rotate-secret`).set('authorization', as('operator'));
    expect(rotated.status).toBe(200);
    expect(rotated.body.secret).not.toBe(secret);
    await closed('rotated');
    await ended(id, 'succeeded');
    const [heard] = receiver.heard;
    const signed = { id: heard?.id ?? '', timestamp: Number(heard?.headers['webhook-timestamp']), body: heard?.raw ?? '' };
    expect(heard?.headers['webhook-signature']).toBe(signatureOf(signed, [rotated.body.secret as string, secret]));
  });

  it('are listed page by page', async () => {
    const receiver = await newReceiver();
    const { id } = await subscribe(receiver, { clusters: ['paged'] });
    for (let round = 0; round < 5; round += 1) await closed('paged');
    await until(async () => ((await deliveriesOf(id, 'succeeded')).length === 5 ? true : undefined));
    const get = (query: object) =>
      http()
        .get('/v1/deliveries')
        .query({ subscriptionId: id, limit: 2, ...query })
        .set('authorization', as('viewer'));
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

describe('tickets', () => {
  const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
  async function window(id: string, scheduledBy = 'operator'): Promise<void> {
    await say('orchestrator', 'window-scheduled', id, {
      windowId: id,
      clusters: ['c'],
      opensAt: new Date().toISOString(),
      closesAt: inAnHour(),
      playbook: 'p',
      patchSetId: 's',
      scheduledBy,
    });
    await until(async () =>
      (await store.pool.query(`select from ${store.schema}.window_view where window_id = $1`, [id])).rowCount === 1
        ? true
        : undefined,
    );
  }
  const record = (bearer: string, ticket: object) =>
    http().post('/v1/tickets').set('authorization', bearer).set('idempotency-key', crypto.randomUUID()).send(ticket);

  it('with number and approver of another person open the gate of their window', async () => {
    await window('w-1');
    const made = await record(as('approver'), { windowId: 'w-1', number: 'CHG1', approver: 'anna' });
    expect([made.status, made.body.status, made.headers['etag']]).toEqual([201, 'approved', '"2"']);
    const approved = await until(() => published.find(({ type }) => type === 'understudy.notification.change-approved.v1'));
    expect(approved).toMatchObject({
      partitionkey: 'w-1',
      data: { change: { ticketId: made.body.id, windowId: 'w-1', system: 'manual', number: 'CHG1', approver: 'anna' } },
    });
    const rejected = await http()
      .post(`/v1/tickets/${made.body.id}/reject`)
      .set('authorization', as('approver'))
      .set('if-match', '"2"')
      .send({ reason: 'freeze' });
    expect(rejected.body.status).toBe('rejected');
    await until(() => published.find(({ type }) => type === 'understudy.notification.change-rejected.v1'));
    const list = await http().get('/v1/tickets').query({ windowId: 'w-1' }).set('authorization', as('viewer'));
    expect(list.body.items).toEqual([rejected.body]);
    expect((await http().get(`/v1/tickets/${made.body.id}`).set('authorization', as('viewer'))).body).toEqual(rejected.body);
  });

  it('are refused to the role operator, to the person who scheduled the window, and for unknown windows', async () => {
    await window('w-2', 'admin');
    expect((await record(as('operator'), { windowId: 'w-2', number: 'CHG2', approver: 'anna' })).status).toBe(403);
    const own = await record(as('admin'), { windowId: 'w-2', number: 'CHG2', approver: 'anna' });
    expect([own.status, own.body.code]).toEqual([403, 'OWN_APPROVAL']);
    expect((await record(as('approver'), { windowId: 'w-2', number: 'CHG2', approver: 'admin' })).body.code).toBe('OWN_APPROVAL');
    expect((await record(as('approver'), { windowId: 'w-none', number: 'CHG2', approver: 'anna' })).body.code).toBe(
      'WINDOW_UNKNOWN',
    );
  });
});

describe('the service', () => {
  it('hears a message twice without effect', async () => {
    const receiver = await newReceiver();
    const { id } = await subscribe(receiver, { clusters: ['twice'] });
    await closed('twice');
    await ended(id, 'succeeded');
    const { rows } = await store.pool.query<{ event: CloudEvent }>(
      `select event from ${store.schema}.delivery where subscription_id = $1`,
      [id],
    );
    const { handlersFor } = await import('./inbound/events/handlers.js');
    const { DeliveryQueue } = await import('./queues/deliveries.js');
    const { SubscriptionList } = await import('./projections/subscriptions/subscriptions.js');
    const { KnownWindows } = await import('./projections/tickets/tickets.js');
    const tools = {
      subscriptions: new SubscriptionList(store),
      caughtUp: () => Promise.resolve(),
      queue: new DeliveryQueue(store),
      windows: new KnownWindows(store),
      wakeSender: () => undefined,
    };
    const event = rows[0]?.event;
    if (event === undefined) throw new Error('no delivery');
    await handlersFor('understudy.orchestrator.v1', tools)[event.type]?.(event);
    expect(await deliveriesOf(id)).toHaveLength(1);
  });

  it('keeps its OpenAPI document beside it (UPDATE_OPENAPI=1 writes it anew)', () => {
    const file = new URL('../openapi.json', import.meta.url);
    if (process.env['UPDATE_OPENAPI'] === '1')
      writeFileSync(file, `${JSON.stringify(openApiDocument(notificationApi), null, 2)}\n`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(openApiDocument(notificationApi))));
  });
});
