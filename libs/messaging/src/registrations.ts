/** What both transports keep: who produces and consumes, named before the start, and the dead letters of the consumers. */
import type { Consumer, DeadLetter, Producer } from './api.js';
import { bury, findDeadLetter, listDeadLetters, removeDeadLetter } from './dead-letters.js';
import { MessagingError } from './errors.js';
import { callHandler, reasonOf } from './handling.js';

export class Registrations {
  readonly producers = new Map<string, Producer>();
  readonly consumers: Consumer[] = [];
  private running = false;

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

  /** From now on until `unlock` nothing may be added. */
  lock(): void {
    this.mustNotRun();
    this.running = true;
  }

  unlock(): void {
    this.running = false;
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

  private mustNotRun(): void {
    if (this.running)
      throw new MessagingError('ALREADY_STARTED', 'Producers and consumers are named before the transport starts, once.');
  }
}
