import { execute } from '@understudy/event-log';
import type { EventMetadata, Store } from '@understudy/event-log';
import { deliveryDecider } from '@understudy/notification-domain';
import { notFound } from '@understudy/runtime';
import { accepted, deliveryCodec, deliveryStream } from '../handle.js';
import type { DeliveryQueue, DeliveryRow } from '../queues/deliveries.js';

/** What doors may ask about deliveries; throws `Problem`s. */
export class Deliveries {
  constructor(
    private readonly store: Store,
    private readonly queue: DeliveryQueue,
    private readonly wakeSender: () => void,
  ) {}

  /** Begins another round of attempts for one that has ended. Asked again with the same command id it mends what a kill left half done. */
  async redeliver(id: string, metadata: EventMetadata): Promise<{ readonly row: DeliveryRow; readonly replayed: boolean }> {
    const known = (await this.queue.one(id)) !== undefined;
    const result = accepted(
      await execute(this.store.log, deliveryDecider, {
        stream: deliveryStream(id),
        codec: deliveryCodec,
        command: { type: 'request-redelivery', known },
        metadata,
      }),
    );
    await this.queue.begin(id, result.state.round);
    this.wakeSender();
    return { row: await this.get(id), replayed: result.repeated };
  }

  async get(id: string): Promise<DeliveryRow> {
    const row = await this.queue.one(id);
    if (row === undefined) throw notFound('delivery', id);
    return row;
  }
}
