/** Kafka as somebody else's program uses it: the library itself, none of the product's code. */
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import kafkajs, { type IHeaders } from 'kafkajs';
import { waitUntil } from './waiting.js';

export const TOPICS = ['inventory', 'drift', 'orchestrator', 'notification'].map((service) => `understudy.${service}.v1`);
const JOIN_LIMIT_MS = 60_000;

/** How to reach the broker, as the stage answers it. */
export interface BrokerAccess {
  readonly brokers: readonly string[];
  readonly tls?: { readonly caFile?: string };
  readonly sasl?: { readonly mechanism: string; readonly username: string; readonly password: string };
}

/** A CloudEvent in binary mode, where it lies in the topic. */
export interface HeardRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** Position in its source's log. */
  readonly sequence: bigint;
  readonly traceparent: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Listener {
  /** Every record of the topics from their beginning, once each by partition and offset, in the order they were read. */
  records(): readonly HeardRecord[];
  stop(): Promise<void>;
}

export function kafkaClient(access: BrokerAccess): kafkajs.Kafka {
  const { brokers, tls, sasl } = access;
  return new kafkajs.Kafka({
    clientId: 'somebody-else',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    ...(tls?.caFile === undefined ? {} : { ssl: { ca: readFileSync(tls.caFile) } }),
    ...(sasl === undefined ? {} : { sasl: sasl as kafkajs.SASLOptions }),
  });
}

/** Reads topics from their beginning in a consumer group of its own; returns when it has joined. */
export async function listen(access: BrokerAccess, topics: readonly string[] = TOPICS): Promise<Listener> {
  const consumer = kafkaClient(access).consumer({ groupId: `somebody-else-${randomUUID()}` });
  const heard = new Map<string, HeardRecord>();
  let joined = false;
  consumer.on(consumer.events.GROUP_JOIN, () => (joined = true));
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ topic, partition, message }) => {
      const place = `${topic}/${partition}/${message.offset}`;
      // A rebalance may hand a record to this consumer again; that says nothing about what lies in the topic.
      if (!heard.has(place)) heard.set(place, recordOf(topic, partition, message));
      return Promise.resolve();
    },
  });
  await waitUntil('the consumer to join its group', JOIN_LIMIT_MS, () => joined);
  return { records: () => [...heard.values()], stop: () => consumer.disconnect() };
}

function recordOf(topic: string, partition: number, message: kafkajs.KafkaMessage): HeardRecord {
  const header = (name: string): string => headerOf(message.headers, name) ?? '';
  return {
    topic,
    partition,
    offset: message.offset,
    key: message.key?.toString() ?? '',
    id: header('ce_id'),
    source: header('ce_source'),
    type: header('ce_type'),
    sequence: BigInt(header('ce_sequence')),
    traceparent: headerOf(message.headers, 'traceparent'),
    data: JSON.parse(message.value?.toString() ?? 'null') as HeardRecord['data'],
  };
}

function headerOf(headers: IHeaders | undefined, name: string): string | undefined {
  const value = headers?.[name];
  return value === undefined ? undefined : String(Array.isArray(value) ? value[0] : value);
}

/** How many records of the topics a consumer group has not committed yet. */
export async function lagOf(access: BrokerAccess, group: string, topics: readonly string[]): Promise<number> {
  const admin = kafkaClient(access).admin();
  await admin.connect();
  try {
    const committed = await admin.fetchOffsets({ groupId: group, topics: [...topics] });
    const ends = await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)));
    const lags = topics.flatMap((topic, index) => {
      const places = committed.find((entry) => entry.topic === topic)?.partitions ?? [];
      return (ends[index] ?? []).map(({ partition, high, low }) => {
        const offset = Number(places.find((place) => place.partition === partition)?.offset ?? -1);
        return Number(high) - (offset < 0 ? Number(low) : offset);
      });
    });
    return lags.reduce((sum, lag) => sum + lag, 0);
  } finally {
    await admin.disconnect();
  }
}

/** Which topics a service hears, as `deploy/kafka/topics.yaml` says; its group has its own name. */
export const HEARD_BY: Readonly<Record<string, readonly string[]>> = {
  inventory: ['understudy.orchestrator.v1'],
  drift: ['understudy.inventory.v1', 'understudy.orchestrator.v1'],
  notification: ['understudy.inventory.v1', 'understudy.drift.v1', 'understudy.orchestrator.v1'],
  orchestrator: ['understudy.inventory.v1', 'understudy.drift.v1', 'understudy.notification.v1'],
};

/**
 * What a consumer hears that passes over every event whose place in its source's log is not above the last one of its key. A relay
 * that did not hear the broker's answer says a batch again; that is all that this takes away.
 */
export function heardOnce(records: readonly HeardRecord[]): readonly HeardRecord[] {
  const last = new Map<string, bigint>();
  return [...records].sort(byOffset).filter(({ topic, partition, key, source, sequence }) => {
    const name = `${topic} ${partition} ${key} ${source}`;
    if (sequence <= (last.get(name) ?? -1n)) return false;
    last.set(name, sequence);
    return true;
  });
}

function byOffset(a: HeardRecord, b: HeardRecord): number {
  return Number(BigInt(a.offset) - BigInt(b.offset));
}

/** Ids that lie at more than one offset of their topic. */
export function saidTwice(records: readonly HeardRecord[]): readonly string[] {
  const places = new Map<string, number>();
  for (const { source, id } of records) places.set(`${source} ${id}`, (places.get(`${source} ${id}`) ?? 0) + 1);
  return [...places].filter(([, count]) => count > 1).map(([name, count]) => `${name}: ${count} times`);
}

/** Keys that lie in more than one partition, or whose events stand there in another order than in their source's log. */
export function outOfOrder(records: readonly HeardRecord[]): readonly string[] {
  const last = new Map<string, HeardRecord>();
  const wrong: string[] = [];
  for (const record of [...records].sort(byOffset)) {
    const before = last.get(`${record.topic} ${record.key}`);
    if (before !== undefined && before.partition !== record.partition)
      wrong.push(`${record.topic} ${record.key}: two partitions`);
    if (before !== undefined && before.sequence > record.sequence)
      wrong.push(`${record.topic} ${record.key}: ${record.id} after ${before.id}`);
    last.set(`${record.topic} ${record.key}`, record);
  }
  return wrong;
}
