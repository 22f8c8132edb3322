/** Sends what is due: claims rows, tries once each, writes down what follows. A kill at any place costs at most a second attempt. */
import { setTimeout as delay } from 'node:timers/promises';
import { execute, inNewTrace } from '@understudy/event-log';
import type { Store } from '@understudy/event-log';
import { deliveryDecider, nextMove, subscriptionDecider } from '@understudy/notification-domain';
import type { AttemptOutcome, DeliveryCommand } from '@understudy/notification-domain';
import { derivedId } from '@understudy/runtime';
import type { Log } from '@understudy/runtime';
import type { Channel } from '../channels/channel.js';
import type { WebhookOptions } from '../config.js';
import { deliveryCodec, deliveryStream, ownMetadata, subscriptionCodec, subscriptionStream } from '../handle.js';
import type { ClaimedDelivery, DeliveryQueue } from '../queues/deliveries.js';
import type { WebhookSecrets } from '../queues/secrets.js';

const AT_ONCE = 16;
const PER_SUBSCRIPTION = 4;
const POLL_MS = 200;
const AWAY_PAUSE_MS = 1_000;
/** A claim outlasts the attempt by this much; then another process may try. */
const CLAIM_MARGIN_MS = 10_000;
const STOP_LIMIT_MS = 3_000;
const PRUNE_EVERY_MS = 3_600_000;
const CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8';

const RESULTS = { succeed: 'succeeded', retry: 'failed', exhaust: 'exhausted' } as const;

export interface SenderTools {
  readonly store: Store;
  readonly queue: DeliveryQueue;
  readonly secrets: WebhookSecrets;
  readonly channel: Channel;
  readonly options: WebhookOptions;
  readonly log: Log;
  /** Told how each attempt ended. */
  readonly onAttempt: (result: 'succeeded' | 'failed' | 'exhausted') => void;
  /** In [0, 1). */
  readonly chance: () => number;
}

export class Sender {
  private readonly inFlight = new Map<string, { readonly subscriptionId: string; readonly done: Promise<void> }>();
  private stopping = new AbortController();
  private attempts = new AbortController();
  private running: Promise<void> | undefined;
  private wakeUp: () => void = () => undefined;
  private prunedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly tools: SenderTools) {}

  start(): void {
    this.stopping = new AbortController();
    this.attempts = new AbortController();
    this.running ??= this.run();
  }

  /** Something may be due. */
  wake(): void {
    this.wakeUp();
  }

  /** Attempts in flight get 3 s; what is cut off is given back, uncounted. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.wake();
    await this.running;
    this.running = undefined;
    const ended = Promise.all([...this.inFlight.values()].map(({ done }) => done));
    const timer = setTimeout(() => this.attempts.abort(), STOP_LIMIT_MS);
    await ended;
    clearTimeout(timer);
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        const free = AT_ONCE - this.inFlight.size;
        const claimed = free > 0 ? await this.claim(free) : [];
        for (const delivery of claimed) this.begin(delivery);
        await this.pruneSometimes();
        if (claimed.length === 0) await this.sleep();
      } catch (error) {
        this.tools.log.warn({ err: error }, 'deliveries wait for the store');
        await delay(AWAY_PAUSE_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  private claim(limit: number): Promise<readonly ClaimedDelivery[]> {
    const counts = new Map<string, number>();
    for (const { subscriptionId } of this.inFlight.values()) counts.set(subscriptionId, (counts.get(subscriptionId) ?? 0) + 1);
    const busy = [...counts].filter(([, count]) => count >= PER_SUBSCRIPTION).map(([id]) => id);
    return this.tools.queue.claim({
      limit,
      perSubscription: PER_SUBSCRIPTION,
      busy,
      claimMs: this.tools.options.timeoutMs + CLAIM_MARGIN_MS,
    });
  }

  private begin(delivery: ClaimedDelivery): void {
    const attributes = { 'understudy.delivery_id': delivery.id, 'messaging.message.id': delivery.event.id };
    const trace = { name: 'deliver webhook', after: [delivery.event.traceparent], attributes };
    const done = inNewTrace(trace, () => this.attempt(delivery))
      .catch((error: unknown) =>
        this.tools.log.warn({ err: error, deliveryId: delivery.id }, 'an attempt could not be recorded; its claim lapses'),
      )
      .finally(() => {
        this.inFlight.delete(delivery.id);
        this.wake();
      });
    this.inFlight.set(delivery.id, { subscriptionId: delivery.subscriptionId, done });
  }

  private async attempt(delivery: ClaimedDelivery): Promise<void> {
    const { channel, secrets, store, queue } = this.tools;
    const outcome = await channel.send(
      {
        deliveryId: delivery.id,
        url: delivery.url,
        body: JSON.stringify(delivery.event),
        contentType: CONTENT_TYPE,
        secrets: await secrets.signing(delivery.subscriptionId),
        at: store.now(),
      },
      this.attempts.signal,
    );
    if (outcome.kind === 'failed' && this.attempts.signal.aborted) await queue.giveBack(delivery);
    else await this.settle(delivery, outcome);
  }

  /** The fact first, then the row: a kill between the two is mended by the next claim, whose fact is no news. */
  private async settle(delivery: ClaimedDelivery, outcome: AttemptOutcome): Promise<void> {
    const { queue, options, chance } = this.tools;
    const { id: deliveryId, subscriptionId, attempts, round } = delivery;
    const next = nextMove(outcome, attempts, options.retryScheduleMs, chance());
    this.tools.onAttempt(RESULTS[next.move]);
    switch (next.move) {
      case 'succeed':
        await this.record(delivery, { type: 'succeed', deliveryId, subscriptionId, attempts, round });
        await queue.end(delivery, 'succeeded', null);
        return;
      case 'retry':
        await queue.retry(delivery, next.afterMs, next.reason);
        return;
      case 'exhaust':
        if (next.disable) await this.switchOff(delivery, next.reason);
        await this.record(delivery, { type: 'exhaust', deliveryId, subscriptionId, attempts, reason: next.reason, round });
        await queue.end(delivery, 'exhausted', next.reason);
        return;
    }
  }

  private async record({ id, round }: ClaimedDelivery, command: DeliveryCommand): Promise<void> {
    const metadata = ownMetadata('sender', derivedId('delivery', id, String(round), command.type));
    await execute(this.tools.store.log, deliveryDecider, { stream: deliveryStream(id), codec: deliveryCodec, command, metadata });
  }

  private async switchOff({ id, subscriptionId, round }: ClaimedDelivery, reason: string): Promise<void> {
    await execute(this.tools.store.log, subscriptionDecider, {
      stream: subscriptionStream(subscriptionId),
      codec: subscriptionCodec,
      command: { type: 'disable', reason },
      metadata: ownMetadata('sender', derivedId('switch-off', id, String(round))),
    });
  }

  private async pruneSometimes(): Promise<void> {
    if (performance.now() - this.prunedAt < PRUNE_EVERY_MS) return;
    this.prunedAt = performance.now();
    await this.tools.queue.prune();
  }

  private async sleep(): Promise<void> {
    const awake = new AbortController();
    this.wakeUp = () => awake.abort();
    if (this.stopping.signal.aborted) return;
    await delay(POLL_MS, undefined, { signal: awake.signal }).catch(() => undefined);
  }
}
