import { ProjectionRunner, poolTransactions } from '@understudy/event-log';
import type { Transport } from '@understudy/messaging';
import { Gauge } from 'prom-client';
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
  private readonly projections: readonly ProjectionRunner<pg.ClientBase>[];
  private readonly sender: Sender;

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
    this.projections = [subscriptions, tickets];
    this.sender = new Sender({
      store,
      queue: this.queue,
      secrets,
      channel,
      options: webhooks,
      log: runtime.log,
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
    const { runtime } = this.config;
    for (const [index, projection] of this.projections.entries()) {
      projection.start();
      runtime.health.register(`notification.projection-${index + 1}`, async () => {
        const { state, lagEvents, problem } = await projection.status();
        if (state === 'restored') return { status: 'down', reason: problem ?? 'the log was restored' };
        return problem === undefined
          ? { status: 'ok' }
          : { status: 'degraded', reason: `${lagEvents} events behind: ${problem}` };
      });
    }
    this.registerMetrics();
    this.sender.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    await this.sender.stop();
    for (const projection of this.projections) await projection.stop();
  }

  /** Waits until lists show what was just written, so that a caller reads its own writes; a slow projection delays nobody for long. */
  async written(position: number | undefined): Promise<void> {
    if (position === undefined) return;
    await Promise.all(
      this.projections.map((projection) => projection.caughtUp(READ_YOUR_WRITES_MS, position).catch(() => undefined)),
    );
  }

  private registerMetrics(): void {
    const { queue } = this;
    const gauge = new Gauge({
      name: 'understudy_notification_deliveries',
      help: 'Deliveries that wait for an attempt (pending) or were given up (exhausted).',
      labelNames: ['status'],
      registers: [this.config.runtime.metrics.registry],
      async collect() {
        const { pending, exhausted } = await queue.counts();
        this.set({ status: 'pending' }, pending);
        this.set({ status: 'exhausted' }, exhausted);
      },
    });
    gauge.reset();
  }
}
