/**
 * The transport of one process: each consumer group has a relay of its own over the producer's log, with its checkpoint in the
 * producer's schema. No broker, no second outbox; a restart goes on at the checkpoint, so a message may be heard twice.
 */
import { Relay } from '@understudy/event-log';
import type { CloudEvent, Consumer, DeadLetter, Lag, Producer, Transport } from './api.js';
import { toCloudEvent } from './cloud-event.js';
import { MessagingError } from './errors.js';
import { handleBatch } from './handling.js';
import { Registrations } from './registrations.js';

interface Line {
  readonly consumer: Consumer;
  readonly relay: Relay<CloudEvent>;
}

export class InProcessTransport implements Transport {
  private readonly known = new Registrations();
  private lines: readonly Line[] | undefined;
  private stopSignal = new AbortController();

  produce(producer: Producer): void {
    this.known.produce(producer);
  }

  consume(consumer: Consumer): void {
    this.known.consume(consumer);
  }

  /** Throws `MessagingError` TOPIC_UNKNOWN if a consumer's topic has no producer in this process. */
  async start(): Promise<void> {
    this.stopSignal = new AbortController();
    const lines = this.known.consumers.map((consumer) => ({ consumer, relay: this.relayFor(consumer) }));
    this.known.lock();
    this.lines = lines;
    for (const { relay } of lines) relay.start();
  }

  async stop(): Promise<void> {
    this.stopSignal.abort();
    await Promise.all((this.lines ?? []).map(({ relay }) => relay.stop()));
    this.lines = undefined;
    this.known.unlock();
  }

  async lag(): Promise<readonly Lag[]> {
    return await Promise.all(
      (this.lines ?? []).map(async ({ consumer, relay }) => {
        const { lagEvents, problem } = await relay.status();
        const { group, topic } = consumer.subscription;
        return { group, topic, events: lagEvents, ...(problem === undefined ? {} : { problem }) };
      }),
    );
  }

  deadLetters(group: string): Promise<readonly DeadLetter[]> {
    return this.known.deadLetters(group);
  }

  redeliver(group: string, source: string, id: string): Promise<void> {
    return this.known.redeliver(group, source, id);
  }

  private relayFor(consumer: Consumer): Relay<CloudEvent> {
    const { group, topic, handlers } = consumer.subscription;
    const producer = this.known.producers.get(topic);
    if (producer === undefined)
      throw new MessagingError('TOPIC_UNKNOWN', `Nobody in this process produces ${topic}, which ${group} consumes.`);
    const { store, service, publish } = producer;
    const { signal } = this.stopSignal;
    return new Relay<CloudEvent>({
      store,
      name: `relay/${group}`,
      publish: (stored) => {
        const publication = publish(stored);
        if (publication === undefined || !Object.hasOwn(handlers, publication.type)) return undefined;
        return toCloudEvent(stored, publication, service, store.log.logId);
      },
      deliver: (batch) => handleBatch(consumer, batch, signal),
    });
  }
}
