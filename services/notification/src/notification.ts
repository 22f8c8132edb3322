import { ProjectionRunner, poolTransactions } from '@understudy/event-log';
import type { Transport } from '@understudy/messaging';
import { ReadModels } from '@understudy/runtime';
import { Counter, Gauge } from 'prom-client';
import type pg from 'pg';
import { channelsOf } from './channels/index.js';
import type { NotificationConfig } from './config.js';
import { Sender } from './effects/sender.js';
import { CONSUMED_TOPICS, handlersFor } from './inbound/events/handlers.js';
import { NOTIFICATION_TOPIC, publish } from './outbound/publish.js';
import { SubscriptionList, subscriptionProjection } from './projections/subscriptions/subscriptions.js';
import { KnownWindows, TicketList, ticketProjection } from './projections/tickets/tickets.js';
import { DeliveryQueue } from './queues/deliveries.js';
import { WebhookSecrets } from './queues/secrets.js';
import { Deliveries } from './use-cases/deliveries.js';
import { Subscriptions } from './use-cases/subscriptions.js';
import { Tickets } from './use-cases/tickets.js';

const READ_YOUR_WRITES_MS = 2_000;
const HEAR_LIMIT_MS = 5_000;

/** The service put together: its use cases and queries, and what runs beside them. Doors call it; it knows no door. */
export class Notification {
  readonly subscriptions: Subscriptions;
  readonly subscriptionList: SubscriptionList;
  readonly deliveries: Deliveries;
  readonly queue: DeliveryQueue;
  readonly tickets: Tickets;
  readonly ticketList: TicketList;
  readonly readModels: ReadModels;
  private readonly sender: Sender;
  private attempts: Counter<'result'> | undefined;

  /** Registers what it produces and consumes: the transport must not have been started. */
  constructor(
    private readonly config: NotificationConfig,
    transport: Transport,
  ) {
    const { store, webhooks, runtime } = config;
    const channel = channelsOf(config).webhook;
    const secrets = new WebhookSecrets(store);
    const windows = new KnownWindows(store);
    this.queue = new DeliveryQueue(store);
    this.subscriptionList = new SubscriptionList(store);
    this.ticketList = new TicketList(store);
    const [subscriptions, tickets] = [subscriptionProjection(store.schema), ticketProjection(store.schema)].map(
      (projection) => new ProjectionRunner({ store, projection, transactions: poolTransactions(store.pool) }),
    ) as [ProjectionRunner<pg.ClientBase>, ProjectionRunner<pg.ClientBase>];
    this.readModels = new ReadModels(runtime, { 'notification.subscriptions': subscriptions, 'notification.tickets': tickets });
    this.sender = new Sender({
      store,
      queue: this.queue,
      secrets,
      channel,
      options: webhooks,
      log: runtime.log,
      onAttempt: (result) => this.attempts?.inc({ result }),
      chance: Math.random,
    });
    const wakeSender = (): void => this.sender.wake();
    this.subscriptions = new Subscriptions({ store, channel, secrets, queue: this.queue });
    this.deliveries = new Deliveries(store, this.queue, wakeSender);
    this.tickets = new Tickets(store, windows, this.ticketList, () => tickets.caughtUp(READ_YOUR_WRITES_MS));
    const tools = {
      subscriptions: this.subscriptionList,
      caughtUp: () => subscriptions.caughtUp(HEAR_LIMIT_MS),
      queue: this.queue,
      windows,
      wakeSender,
    };
    transport.produce({ service: 'notification', topic: NOTIFICATION_TOPIC, publish, store });
    for (const topic of CONSUMED_TOPICS) {
      transport.consume({ subscription: { group: 'notification', topic, handlers: handlersFor(topic, tools) }, store });
    }
  }

  start(): Promise<void> {
    this.readModels.start();
    this.registerMetrics();
    this.sender.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    await this.sender.stop();
    await this.readModels.stop();
  }

  private registerMetrics(): void {
    const { queue } = this;
    const { metrics } = this.config.runtime;
    this.attempts = new Counter({
      name: 'understudy_notification_attempts_total',
      help: 'Attempts to deliver, by how they ended: failed is tried again, exhausted is given up.',
      labelNames: ['result'],
      registers: metrics.registersFor('understudy_notification_attempts_total'),
    });
    const gauge = new Gauge({
      name: 'understudy_notification_deliveries',
      help: 'Deliveries that wait for an attempt (pending) or were given up (exhausted).',
      labelNames: ['status'],
      registers: metrics.registersFor('understudy_notification_deliveries'),
      async collect() {
        const { pending, exhausted } = await queue.counts();
        this.set({ status: 'pending' }, pending);
        this.set({ status: 'exhausted' }, exhausted);
      },
    });
    gauge.reset();
  }
}
