import type { Store, StoredEvent } from './api.js';
import { atPlace } from './crash-place.js';
import { moveCheckpointSql } from './duty.js';
import { Follower, type FollowerStatus } from './follower.js';

const DEFAULT_BATCH_EVENTS = 200;

export interface RelayOptions<T> {
  readonly store: Store;
  /** One cursor per name, e.g. `relay/kafka` or `relay/<consumer group>`. */
  readonly name: string;
  /** What is published is not what is stored; undefined = this event is not published. Pure. */
  readonly publish: (event: StoredEvent) => T | undefined;
  /** Awaited before the checkpoint moves; a rejection is tried again with the same batch. At least once. */
  readonly deliver: (batch: readonly T[]) => Promise<void>;
  /** Events of the log per batch, published or not. Default 200. */
  readonly batchSize?: number;
}

/**
 * Publishes a log in commit order from a stored checkpoint. One process at a time does it (a duty). The log is its own outbox:
 * there is no second one.
 */
export class Relay<T> {
  private readonly follower: Follower;

  constructor(private readonly options: RelayOptions<T>) {
    this.follower = new Follower({
      store: options.store,
      name: options.name,
      batchSize: options.batchSize ?? DEFAULT_BATCH_EVENTS,
      handle: (events, checkpoint) => this.handle(events, checkpoint),
    });
  }

  start(): void {
    this.follower.start();
  }

  /** Lets the delivery in flight end. */
  stop(): Promise<void> {
    return this.follower.stop();
  }

  status(): Promise<FollowerStatus> {
    return this.follower.status();
  }

  private async handle(events: readonly StoredEvent[], checkpoint: number): Promise<boolean> {
    const { store, name, publish, deliver } = this.options;
    const batch = events.map(publish).filter((item) => item !== undefined);
    const cursor = `${store.schema} ${name}`;
    if (batch.length > 0) {
      atPlace('before-relay-published', cursor);
      await deliver(batch);
      atPlace('after-relay-published', cursor);
    }
    const values = [name, store.incarnation, checkpoint, events.at(-1)?.position ?? checkpoint];
    atPlace('before-checkpoint-moved', cursor);
    const moved = await store.pool.query(moveCheckpointSql(store.schema), values);
    atPlace('after-checkpoint-moved', cursor);
    return moved.rows.length === 1;
  }
}
