import { randomUUID } from 'node:crypto';
import { notification as contract } from '@understudy/contracts';
import type { TestRpc } from '@understudy/testing';
import { WebhookStage, eventually, publishAs, rpcFailure, testRpc } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotificationModule, defaultWebhooks } from '../../index.js';
import { notificationGrpc } from './api.js';

const { Channel, DeliveryStatus, EventSeverity, SubscriptionService, TicketService, TicketStatus } = contract;
const DEADLINE_MS = 10_000;
const PATIENCE = { ...defaultWebhooks, allow: ['127.0.0.0/8'], allowHttp: true, timeoutMs: 500, retryScheduleMs: [50, 50, 50] };
const subscriptions = SubscriptionService.method;
const tickets = TicketService.method;

let stage: WebhookStage;
let rpc: TestRpc;

beforeAll(async () => {
  stage = await WebhookStage.start(({ runtime }, store, transport) =>
    NotificationModule.forRoot({ runtime, store, webhooks: PATIENCE }, transport),
  );
  rpc = await testRpc(stage.server, stage.rim, notificationGrpc.services);
}, 120_000);

afterAll(async () => {
  await rpc?.close();
  await stage?.stop();
});

const documentFor = (url: string) => ({
  description: '',
  channel: Channel.WEBHOOK,
  url,
  filter: { leastSeverity: EventSeverity.INFO },
  enabled: true,
});

describe('subscriptions over gRPC', () => {
  it('show their secret to the call that made them, and change at the version that was read', async () => {
    const receiver = await stage.receiver();
    const idempotencyKey = randomUUID();
    const create = () =>
      rpc
        .as('operator')
        .call(subscriptions.createSubscription, { idempotencyKey, document: documentFor(receiver.url) }, DEADLINE_MS);
    const { subscription, version } = await create();
    expect([version, subscription?.secret]).toEqual([1n, expect.stringMatching(/^whsec_/)]);
    expect(await create()).toMatchObject({
      replayed: true,
      subscription: { id: subscription?.id, secret: subscription?.secret },
    });
    const subscriptionId = subscription?.id ?? '';
    const read = await rpc.as('viewer').call(subscriptions.getSubscription, { subscriptionId }, DEADLINE_MS);
    expect(read.subscription).toMatchObject({
      channel: Channel.WEBHOOK,
      enabled: true,
      filter: { leastSeverity: EventSeverity.INFO },
    });
    expect(read.subscription?.secret).toBeUndefined();
    const change = (expectedVersion: bigint, document: object) =>
      rpc.as('operator').call(subscriptions.changeSubscription, { subscriptionId, expectedVersion, document }, DEADLINE_MS);
    const off = { ...documentFor(receiver.url), enabled: false };
    expect(await change(1n, off)).toMatchObject({ version: 2n, subscription: { enabled: false } });
    expect(await rpcFailure(change(1n, off))).toMatchObject({ code: 10, reason: 'VERSION_MISMATCH' });
    const rotated = await rpc.as('operator').call(subscriptions.rotateSubscriptionSecret, { subscriptionId }, DEADLINE_MS);
    expect(rotated.subscription?.secret).not.toBe(subscription?.secret);
    const { items } = await rpc.as('viewer').call(subscriptions.listSubscriptions, {}, DEADLINE_MS);
    expect(items.map(({ id, secret }) => [id, secret])).toEqual([[subscriptionId, undefined]]);
    const { version: last } = await rpc.as('viewer').call(subscriptions.getSubscription, { subscriptionId }, DEADLINE_MS);
    await rpc.as('operator').call(subscriptions.removeSubscription, { subscriptionId, expectedVersion: last }, DEADLINE_MS);
    const gone = rpc.as('viewer').call(subscriptions.getSubscription, { subscriptionId }, DEADLINE_MS);
    expect(await rpcFailure(gone)).toMatchObject({ code: 5 });
  });

  it('are refused to a viewer, to nobody, and where they lack what is required', async () => {
    const create = (as: Parameters<TestRpc['as']>[0], document: object) =>
      rpc.as(as).call(subscriptions.createSubscription, { idempotencyKey: randomUUID(), document }, DEADLINE_MS);
    expect(await rpcFailure(create('viewer', documentFor('http://127.0.0.1:9/')))).toMatchObject({ code: 7 });
    expect(await rpcFailure(create({ token: 'x' }, {}))).toMatchObject({ code: 16 });
    const failure = await rpcFailure(create('operator', {}));
    expect([...failure.fields].sort()).toEqual([
      'document.channel: REQUIRED',
      'document.filter: REQUIRED',
      'document.url: REQUIRED',
    ]);
  });

  it('have deliveries that are listed, read and made again', async () => {
    const receiver = await stage.receiver();
    const document = documentFor(receiver.url);
    const { subscription } = await rpc
      .as('operator')
      .call(subscriptions.createSubscription, { idempotencyKey: randomUUID(), document }, DEADLINE_MS);
    const subscriptionId = subscription?.id ?? '';
    await eventually('an event was delivered', async () => {
      await publishAs(stage.others.inventory, 'cluster-retired', 'c', { cluster: 'c', reason: 'gone' });
      return receiver.heard.length > 0;
    });
    const list = () =>
      rpc.as('viewer').call(subscriptions.listDeliveries, { subscriptionId, status: DeliveryStatus.SUCCEEDED }, DEADLINE_MS);
    await eventually('it is listed', async () => (await list()).items.length > 0);
    const { id: deliveryId = '' } = (await list()).items[0] ?? {};
    const { delivery } = await rpc.as('viewer').call(subscriptions.getDelivery, { deliveryId }, DEADLINE_MS);
    expect(delivery).toMatchObject({
      round: 1,
      type: 'understudy.inventory.cluster-retired.v1',
      endedAt: { seconds: expect.any(BigInt) },
    });
    const again = await rpc.as('operator').call(subscriptions.redeliver, { deliveryId }, DEADLINE_MS);
    expect(again.delivery).toMatchObject({ id: deliveryId, round: 2 });
  });
});

describe('tickets over gRPC', () => {
  it('are recorded, read, revised at their version, and told to the gate', async () => {
    const windowId = randomUUID();
    const closesAt = new Date(Date.now() + 3_600_000).toISOString();
    const window = { windowId, clusters: ['c'], scheduledBy: 'operator', opensAt: new Date().toISOString(), closesAt };
    await publishAs(stage.others.orchestrator, 'window-scheduled', windowId, { ...window, playbook: 'p@1', patchSetId: 'ps' });
    const idempotencyKey = randomUUID();
    const wanted = { idempotencyKey, windowId, number: 'CHG-1', approver: 'boss' };
    const record = () => rpc.as('approver').call(tickets.recordTicket, wanted, DEADLINE_MS);
    await eventually('the window is known', () =>
      record().then(
        () => true,
        () => false,
      ),
    );
    const { ticket, version, replayed } = await record();
    expect([ticket, version, replayed]).toMatchObject([
      { number: 'CHG-1', status: TicketStatus.APPROVED },
      expect.any(BigInt),
      true,
    ]);
    expect(await rpcFailure(rpc.as('operator').call(tickets.recordTicket, wanted, DEADLINE_MS))).toMatchObject({ code: 7 });
    const { change } = await rpc.as('viewer').call(tickets.getChange, { windowId }, DEADLINE_MS);
    expect(change).toMatchObject({ number: 'CHG-1', approver: 'boss', approved: true });
    expect((await rpc.as('viewer').call(tickets.getChange, { windowId: 'none' }, DEADLINE_MS)).change).toBeUndefined();
    const ticketId = ticket?.id ?? '';
    const reject = (expectedVersion: bigint) =>
      rpc.as('approver').call(tickets.rejectTicket, { ticketId, expectedVersion, reason: 'not now' }, DEADLINE_MS);
    expect(await rpcFailure(reject(version + 7n))).toMatchObject({ code: 10 });
    expect((await reject(version)).ticket).toMatchObject({ status: TicketStatus.REJECTED, reason: 'not now' });
    expect((await rpc.as('viewer').call(tickets.getChange, { windowId }, DEADLINE_MS)).change).toMatchObject({ approved: false });
    expect((await rpc.as('viewer').call(tickets.listTickets, { windowId }, DEADLINE_MS)).items).toMatchObject([{ id: ticketId }]);
    expect((await rpc.as('viewer').call(tickets.getTicket, { ticketId }, DEADLINE_MS)).version).toBe(version + 1n);
  });
});
