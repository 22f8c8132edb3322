/** What doors may ask about subscriptions. REST and gRPC call the same methods; each throws `Problem`s. */
import { execute, loadStream } from '@understudy/event-log';
import type { EventMetadata, Store } from '@understudy/event-log';
import { subscriptionDecider } from '@understudy/notification-domain';
import type { SubscriptionCommand, SubscriptionDocument, SubscriptionState } from '@understudy/notification-domain';
import { notFound, refused } from '@understudy/runtime';
import type { Channel } from '../channels/channel.js';
import { accepted, subscriptionCodec, subscriptionStream } from '../handle.js';
import type { DeliveryQueue } from '../queues/deliveries.js';
import type { WebhookSecrets } from '../queues/secrets.js';

export interface SubscriptionView extends SubscriptionDocument {
  readonly id: string;
  /** Why it was switched off by us; null = it was not. */
  readonly disabledReason: string | null;
}

export interface Changed {
  readonly view: SubscriptionView;
  readonly version: number;
  readonly replayed: boolean;
  /** Position of what was written; undefined = nothing new. */
  readonly position: number | undefined;
}

export interface SubscriptionTools {
  readonly store: Store;
  readonly channel: Channel;
  readonly secrets: WebhookSecrets;
  readonly queue: DeliveryQueue;
}

export class Subscriptions {
  constructor(private readonly tools: SubscriptionTools) {}

  /** `secret` is shown by this answer, and by none that does not repeat this very request. */
  async create(
    id: string,
    document: SubscriptionDocument,
    metadata: EventMetadata,
  ): Promise<Changed & { readonly secret: string }> {
    await this.checkReceiver(document.url);
    const changed = await this.execute(id, { type: 'create', subscriptionId: id, document }, metadata);
    return { ...changed, secret: await this.tools.secrets.ensure(id, 1) };
  }

  async change(
    id: string,
    document: SubscriptionDocument,
    metadata: EventMetadata,
    expectedVersion: number | undefined,
  ): Promise<Changed> {
    await this.checkReceiver(document.url);
    return await this.execute(id, { type: 'change', document, expectedVersion }, metadata);
  }

  /** The new secret; the one before signs as well for a day. */
  async rotateSecret(id: string, metadata: EventMetadata): Promise<Changed & { readonly secret: string }> {
    const { log } = this.tools.store;
    const result = accepted(
      await execute(log, subscriptionDecider, {
        stream: subscriptionStream(id),
        codec: subscriptionCodec,
        command: { type: 'rotate-secret' },
        metadata,
      }),
    );
    const generation = result.state.status === 'active' ? result.state.secretGeneration : 1;
    const secret = await this.tools.secrets.ensure(id, generation);
    await this.tools.secrets.retireBefore(id, generation);
    return {
      view: viewOf(id, result.state),
      version: result.version,
      replayed: result.repeated,
      position: result.stored.at(-1)?.position,
      secret,
    };
  }

  async remove(
    id: string,
    metadata: EventMetadata,
    expectedVersion: number | undefined,
  ): Promise<{ readonly position: number | undefined }> {
    const { log } = this.tools.store;
    const command: SubscriptionCommand = { type: 'remove', expectedVersion };
    const result = accepted(
      await execute(log, subscriptionDecider, { stream: subscriptionStream(id), codec: subscriptionCodec, command, metadata }),
    );
    await this.tools.queue.drop(id);
    await this.tools.secrets.forget(id);
    return { position: result.stored.at(-1)?.position };
  }

  async get(id: string): Promise<{ readonly view: SubscriptionView; readonly version: number }> {
    const { state, version } = await loadStream(
      this.tools.store.log,
      subscriptionDecider,
      subscriptionCodec,
      subscriptionStream(id),
    );
    return { view: viewOf(id, state), version };
  }

  private async execute(id: string, command: SubscriptionCommand, metadata: EventMetadata): Promise<Changed> {
    const result = accepted(
      await execute(this.tools.store.log, subscriptionDecider, {
        stream: subscriptionStream(id),
        codec: subscriptionCodec,
        command,
        metadata,
      }),
    );
    return {
      view: viewOf(id, result.state),
      version: result.version,
      replayed: result.repeated,
      position: result.stored.at(-1)?.position,
    };
  }

  private async checkReceiver(url: string): Promise<void> {
    const refusals = await this.tools.channel.check(url);
    if (refusals.length > 0) throw refused({ kind: 'invalid', refusals });
  }
}

function viewOf(id: string, state: SubscriptionState): SubscriptionView {
  if (state.status !== 'active') throw notFound('subscription', id);
  return { id, ...state.document, disabledReason: state.disabledReason };
}
