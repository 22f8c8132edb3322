/**
 * Between processes: each producing service's log goes to its topic through one relay (a duty: one process at a time), each consuming
 * group is a Kafka consumer group of exactly that name. The broker being away never stops a service: what it has to say waits in
 * the log, what it has to hear waits at the broker, and `lag` says so.
 */
import { Relay } from '@understudy/event-log';
import type { CloudEvent, Consumer, DeadLetter, Lag, Producer, Transport } from '../api.js';
import { toCloudEvent } from '../cloud-event.js';
import { MessagingError } from '../errors.js';
import { Registrations } from '../registrations.js';
import { ConsumerGroup } from './group.js';
import { LagReader } from './lags.js';
import { settled } from './limits.js';
import type { KafkaOptions } from './options.js';
import { Publisher } from './publisher.js';
import { readTopics } from './topics/document.js';
import { LateCheck } from './topics/late-check.js';
import { checkTopics } from './topics/topics.js';

/** In `lag`, and as the duty's name: the way from a service's log to its topic. */
export const KAFKA_RELAY = 'relay/kafka';

const RELAY_BATCH_EVENTS = 1_000;
const SESSION_TIMEOUT_MS = 30_000;
const CHECK_LIMIT_MS = 5_000;
const RELAY_STOP_LIMIT_MS = 1_000;
const CONSUMER_STOP_LIMIT_MS = 4_500;

export interface KafkaTransportOptions extends KafkaOptions {
  /** At the start, topics that differ from `deploy/kafka/topics.yaml` are refused. Default true. */
  readonly checkTopics?: boolean;
  /** How long a member of a group may be silent before its partitions go to others. Default 30 s. */
  readonly sessionTimeoutMs?: number;
}

interface Outgoing {
  readonly producer: Producer;
  readonly publisher: Publisher;
  readonly relay: Relay<CloudEvent>;
}

interface Running {
  readonly outgoing: readonly Outgoing[];
  readonly groups: ReadonlyMap<string, ConsumerGroup>;
  readonly lags: LagReader;
  /** Only if the broker was away at the start. */
  readonly lateCheck: LateCheck | undefined;
}

export class KafkaTransport implements Transport {
  private readonly known = new Registrations();
  private running: Running | undefined;
  private lastLags: readonly number[] = [];

  constructor(private readonly options: KafkaTransportOptions) {}

  produce(producer: Producer): void {
    this.known.produce(producer);
  }

  consume(consumer: Consumer): void {
    this.known.consume(consumer);
  }

  /**
   * With the broker away it returns within 5 s and waits for it in the background; the topics are compared when it is there, and
   * `lag` tells what differs. Throws `MessagingError` TOPICS_DIFFER if the topics
   * are not as the document says, TOPIC_REFUSED if the broker refuses this principal, TOPIC_UNKNOWN for a topic that is not in it.
   */
  async start(): Promise<void> {
    this.known.lock();
    let lateCheck: LateCheck | undefined;
    try {
      if (this.options.checkTopics !== false) lateCheck = await this.check();
    } catch (error) {
      this.known.unlock();
      throw error;
    }
    const places = this.known.consumers.map(({ subscription: { group, topic } }) => ({ group, topic }));
    this.lastLags = places.map(() => 0);
    this.running = {
      outgoing: [...this.known.producers.values()].map((producer) => this.outgoing(producer)),
      groups: new Map([...new Set(places.map(({ group }) => group))].map((group) => [group, this.groupOf(group)])),
      lags: new LagReader(this.options, places),
      lateCheck,
    };
    lateCheck?.start();
    for (const { relay } of this.running.outgoing) relay.start();
    for (const group of this.running.groups.values()) group.start();
  }

  async stop(): Promise<void> {
    const { running } = this;
    if (running === undefined) return;
    running.lateCheck?.stop();
    await Promise.all([
      ...running.outgoing.map((outgoing) => stopOutgoing(outgoing)),
      ...[...running.groups.values()].map((group) => settled(group.stop(), CONSUMER_STOP_LIMIT_MS)),
      running.lags.close(),
    ]);
    this.running = undefined;
    this.known.unlock();
  }

  /** Groups first, in the order of `consume`; then each relay as the group `relay/kafka`. */
  async lag(): Promise<readonly Lag[]> {
    const { running } = this;
    if (running === undefined) return [];
    const [consumed, published] = await Promise.all([this.consumerLags(running), Promise.all(running.outgoing.map(relayLag))]);
    return [...consumed, ...published].map((lag) => {
      const problem = running.lateCheck?.problem(lag.topic) ?? lag.problem;
      return problem === undefined ? lag : { ...lag, problem };
    });
  }

  deadLetters(group: string): Promise<readonly DeadLetter[]> {
    return this.known.deadLetters(group);
  }

  redeliver(group: string, source: string, id: string): Promise<void> {
    return this.known.redeliver(group, source, id);
  }

  /** Answers what is to be asked again when the broker did not answer. */
  private async check(): Promise<LateCheck | undefined> {
    const names = new Set([
      ...this.known.producers.keys(),
      ...this.known.consumers.map(({ subscription }) => subscription.topic),
    ]);
    const plan = readTopics().filter(({ name }) => names.has(name));
    const unknown = [...names].filter((name) => !plan.some((topic) => topic.name === name));
    if (unknown.length > 0)
      throw new MessagingError('TOPIC_UNKNOWN', `No topic ${unknown.join(', ')} is in deploy/kafka/topics.yaml; add it there.`);
    try {
      await checkTopics(this.options, plan, CHECK_LIMIT_MS);
      return undefined;
    } catch (error) {
      if (!(error instanceof MessagingError) || error.code !== 'BROKER_AWAY') throw error;
      this.options.log?.warn(
        { brokers: this.options.brokers },
        `${error.message} The service starts without its bus and goes on trying.`,
      );
      return new LateCheck(this.options, plan);
    }
  }

  private async consumerLags({ groups, lags }: Running): Promise<readonly Lag[]> {
    let asked: string | undefined;
    try {
      this.lastLags = await lags.read();
    } catch (error) {
      asked = `Kafka does not answer (${error instanceof Error ? error.message : String(error)}); the figure is the last one known.`;
    }
    return this.known.consumers.map(({ subscription: { group, topic } }, index) => {
      const problem = groups.get(group)?.problem(topic) ?? asked;
      return { group, topic, events: this.lastLags[index] ?? 0, ...(problem === undefined ? {} : { problem }) };
    });
  }

  private groupOf(group: string): ConsumerGroup {
    const consumers = this.known.consumers.filter(({ subscription }) => subscription.group === group);
    const sessionTimeoutMs = this.options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
    return new ConsumerGroup({ kafka: this.options, group, consumers, sessionTimeoutMs });
  }

  private outgoing(producer: Producer): Outgoing {
    const { store, service, topic, publish } = producer;
    const publisher = new Publisher(this.options);
    const relay = new Relay<CloudEvent>({
      store,
      name: KAFKA_RELAY,
      batchSize: RELAY_BATCH_EVENTS,
      publish: (stored) => {
        const publication = publish(stored);
        return publication === undefined ? undefined : toCloudEvent(stored, publication, service, store.log.logId);
      },
      deliver: (batch) => publisher.send(topic, batch),
    });
    return { producer, publisher, relay };
  }
}

async function relayLag({ producer, relay }: Outgoing): Promise<Lag> {
  const { lagEvents, problem } = await relay.status();
  return { group: KAFKA_RELAY, topic: producer.topic, events: lagEvents, ...(problem === undefined ? {} : { problem }) };
}

/** The batch on its way may end; then its connection is cut, and the relay with it. */
async function stopOutgoing({ relay, publisher }: Outgoing): Promise<void> {
  const stopped = relay.stop();
  await settled(stopped, RELAY_STOP_LIMIT_MS);
  await publisher.close();
  await stopped;
}
