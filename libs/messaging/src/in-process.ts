/**
 * The transport of one process: each consumer group has a relay of its own over the producer's log, with its checkpoint in the
 * producer's schema. No broker, no second outbox; a restart goes on at the checkpoint, so a message may be heard twice.
 */
import { Relay } from '@understudy/event-log';
import type { CloudEvent, Consumer, DeadLetter, Lag, Producer, Transport } from './api.js';
import { toCloudEvent } from './cloud-event.js';
import { bury, findDeadLetter, listDeadLetters, removeDeadLetter } from './dead-letters.js';
import { MessagingError } from './errors.js';
import { callHandler, handleBatch, reasonOf } from './handling.js';

interface Line {
  readonly consumer: Consumer;
  readonly relay: Relay<CloudEvent>;
}

export class InProcessTransport implements Transport {
  private readonly producers = new Map<string, Producer>();
  private readonly consumers: Consumer[] = [];
  private lines: readonly Line[] | undefined;
  private stopSignal = new AbortController();

  produce(producer: Producer): void {
    this.mustNotRun();
    if (this.producers.has(producer.topic))
      throw new MessagingError('TOPIC_TAKEN', `The topic ${producer.topic} has its one producer already.`);
    this.producers.set(producer.topic, producer);
  }

  consume(consumer: Consumer): void {
    this.mustNotRun();
    const { group, topic } = consumer.subscription;
    if (this.consumers.some(({ subscription }) => subscription.group === group && subscription.topic === topic)) {
      throw new MessagingError('GROUP_TAKEN', `The group ${group} consumes ${topic} already: one cursor per group.`);
    }
    this.consumers.push(consumer);
  }

  /** Throws `MessagingError` TOPIC_UNKNOWN if a consumer's topic has no producer in this process. */
  async start(): Promise<void> {
    this.mustNotRun();
    this.stopSignal = new AbortController();
    const lines = this.consumers.map((consumer) => ({ consumer, relay: this.relayFor(consumer) }));
    this.lines = lines;
    for (const { relay } of lines) relay.start();
  }

  async stop(): Promise<void> {
    this.stopSignal.abort();
    await Promise.all((this.lines ?? []).map(({ relay }) => relay.stop()));
    this.lines = undefined;
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

  async deadLetters(group: string): Promise<readonly DeadLetter[]> {
    const store = this.consumers.find(({ subscription }) => subscription.group === group)?.store;
    return store === undefined ? [] : await listDeadLetters(store, group);
  }

  async redeliver(group: string, source: string, id: string): Promise<void> {
    for (const consumer of this.consumers.filter(({ subscription }) => subscription.group === group)) {
      const letter = await findDeadLetter(consumer.store, group, source, id);
      if (letter === undefined || !Object.hasOwn(consumer.subscription.handlers, letter.message.type)) continue;
      await callHandler(consumer, letter.message).catch(async (error: unknown) => {
        await bury(consumer.store, { group, message: letter.message, reason: reasonOf(error), attempts: 1 });
        throw error;
      });
      await removeDeadLetter(consumer.store, group, source, id);
      return;
    }
    throw new MessagingError(
      'DEAD_LETTER_UNKNOWN',
      `The group ${group} has no dead letter ${id} from ${source}. List them to see which there are.`,
    );
  }

  private relayFor(consumer: Consumer): Relay<CloudEvent> {
    const { group, topic, handlers } = consumer.subscription;
    const producer = this.producers.get(topic);
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

  private mustNotRun(): void {
    if (this.lines !== undefined)
      throw new MessagingError('ALREADY_STARTED', 'Producers and consumers are named before the transport starts, once.');
  }
}
