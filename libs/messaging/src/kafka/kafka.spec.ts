import { createTestStore, needsBroker, testBroker } from '@understudy/testing';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { note, publish, transportContract, until } from '../contract.js';
import { type CloudEvent, KAFKA_RELAY, type KafkaOptions, KafkaTransport, MessagingError, type TopicPlan } from '../index.js';
import { applyTopics, checkTopics, compareTopics, readTopics } from '../index.js';
import { toRecord } from './binding.js';
import { freshTopic, recorder, topicOf } from './fixtures/contract.js';

/** The shortest that a broker takes: who is cut off must not hold up the next test. */
const SESSION_MS = 6_000;
let kafka: KafkaOptions;
const running: KafkaTransport[] = [];

beforeEach((context) =>
  needsBroker(context, async () => {
    kafka = (await testBroker()).client('contract');
  }),
);

afterEach(async () => {
  for (const transport of running.splice(0)) await transport.stop();
});

transportContract('Kafka', {
  transport: () => new KafkaTransport({ ...kafka, checkTopics: false, sessionTimeoutMs: SESSION_MS }),
  producer: async () => (await createTestStore('inventory')).store,
  consumer: async () => (await createTestStore('drift')).store,
  topic: async (name) => void (await applyTopics(kafka, [topicOf(name)])),
  relay: () => KAFKA_RELAY,
});

async function hearing(plan: TopicPlan, handlers = recorder().handlers): Promise<KafkaTransport> {
  const transport = new KafkaTransport({ ...kafka, checkTopics: false, sessionTimeoutMs: SESSION_MS });
  transport.consume({
    store: (await createTestStore('drift')).store,
    subscription: { group: 'drift', topic: plan.name, handlers },
  });
  await transport.start();
  running.push(transport);
  return transport;
}

interface Seen {
  readonly partition: number;
  readonly message: kafkajs.KafkaMessage;
}

/** What somebody reads who knows Kafka and nothing of us. */
async function readAsOutsider(topic: string, count: number): Promise<readonly Seen[]> {
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING });
  const consumer = client.consumer({ groupId: `outsider-${topic}`, maxWaitTimeInMs: 100 });
  const seen: Seen[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ eachMessage: ({ partition, message }) => Promise.resolve(void seen.push({ partition, message })) });
  await until(() => seen.length >= count);
  await consumer.disconnect();
  return seen;
}

async function writeAsOutsider(topic: string, messages: readonly kafkajs.Message[]): Promise<void> {
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING });
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, messages: [...messages] });
  await producer.disconnect();
}

function event(sequence: number, over: Partial<CloudEvent> = {}): CloudEvent {
  return {
    specversion: '1.0',
    id: `note/a/${sequence}`,
    source: '/understudy/inventory/log-1',
    type: 'understudy.inventory.noted.v1',
    subject: 'a',
    time: '2026-01-01T00:00:00.000Z',
    datacontenttype: 'application/json',
    partitionkey: 'a',
    sequence: String(sequence).padStart(20, '0'),
    data: { key: 'a', text: String(sequence) },
    ...over,
  };
}

describe('on the wire', () => {
  it('is a CloudEvent in binary mode, with the trace, in the partition that every client of Kafka computes for its key', async () => {
    const plan = freshTopic(6);
    await applyTopics(kafka, [plan]);
    // murmur2 of these keys is known from Apache Kafka's own UtilsTest: -973932308, 479470107, -985981536, -1486304829.
    const partitions = { '21': 0, abc: 3, 'a-little-bit-long-string': 2, 'a-little-bit-longer-string': 5 };
    const { store } = await createTestStore('inventory');
    const transport = new KafkaTransport({ ...kafka, checkTopics: false, sessionTimeoutMs: SESSION_MS });
    transport.produce({ service: 'inventory', topic: plan.name, publish, store });
    await transport.start();
    running.push(transport);
    for (const key of Object.keys(partitions)) await note(store, key, ['text']);
    const seen = await readAsOutsider(plan.name, 4);
    expect(Object.fromEntries(seen.map(({ partition, message }) => [String(message.key), partition]))).toEqual(partitions);
    const first = seen.find(({ message }) => String(message.key) === '21')?.message;
    expect(String(first?.value)).toBe('{"key":"21","text":"text"}');
    const headers = Object.entries(first?.headers ?? {}).map(([name, value]) => [name, String(value)]);
    expect(Object.fromEntries(headers)).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: 'note/21/1',
      ce_source: `/understudy/inventory/${store.log.logId}`,
      ce_type: 'understudy.inventory.noted.v1',
      ce_subject: '21',
      ce_time: (await store.log.readStream('note/21'))[0]?.time,
      ce_partitionkey: '21',
      ce_sequence: '00000000000000000001',
      ce_traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
  });

  it('a record that is no event of ours becomes a dead letter with the reason, and the next one is taken', async () => {
    const plan = freshTopic();
    await applyTopics(kafka, [plan]);
    const { heard, handlers } = recorder();
    const transport = await hearing(plan, handlers);
    const good = toRecord(event(2));
    await writeAsOutsider(plan.name, [
      { key: 'a', value: 'no event at all' },
      { key: 'a', value: null },
      { key: 'a', ...toRecord(event(1)), value: '{broken' },
      good,
    ]);
    await until(() => heard.length === 1);
    expect(heard[0]).toEqual(event(2));
    const letters = await transport.deadLetters('drift');
    expect(letters.map(({ reason }) => reason)).toEqual([
      'not readable: Error: the header content-type is missing',
      'not readable: Error: the header content-type is missing',
      expect.stringMatching(/^not readable: SyntaxError/),
    ]);
    expect(letters[0]?.message).toMatchObject({ id: '0', data: { value: 'no event at all' } });
    await expect(transport.redeliver('drift', letters[0]?.message.source ?? '', '0')).rejects.toThrow(MessagingError);
  });

  it('what a relay publishes once more, after it lost its duty in its sleep, is passed over', async () => {
    const plan = freshTopic();
    await applyTopics(kafka, [plan]);
    const { heard, handlers, textsOf } = recorder();
    await hearing(plan, handlers);
    const records = [1, 2, 3, 1, 2, 4].map((sequence) => toRecord(event(sequence)));
    await writeAsOutsider(plan.name, records);
    await until(() => heard.length >= 4);
    expect(textsOf('a')).toEqual(['1', '2', '3', '4']);
  });

  it('two different events at one place of one log stop the topic and say that the log was restored; a renewed log goes on', async () => {
    const plan = freshTopic();
    await applyTopics(kafka, [plan]);
    const { handlers, textsOf } = recorder();
    const transport = await hearing(plan, handlers);
    const other = { source: '/understudy/inventory/log-2' };
    await writeAsOutsider(plan.name, [event(1), event(2), event(1, other)].map(toRecord));
    await until(() => textsOf('a').length === 3);
    await writeAsOutsider(plan.name, [event(2, { id: 'note/b/1' }), event(3)].map(toRecord));
    await until(async () => (await transport.lag())[0]?.problem?.includes('restored') === true);
    expect(textsOf('a')).toEqual(['1', '2', '1']);
    expect((await transport.lag())[0]).toMatchObject({ events: 2 });
  });
});

describe('topics', () => {
  it('are what the document says, or a service does not start and says what differs', async () => {
    const topics = readTopics();
    expect(topics.map(({ name, producer }) => [name, producer])).toEqual(
      ['inventory', 'drift', 'orchestrator', 'notification'].map((service) => [`understudy.${service}.v1`, service]),
    );
    const transport = new KafkaTransport(kafka);
    const consumer = { store: (await createTestStore('drift')).store };
    transport.consume({ ...consumer, subscription: { group: 'drift', topic: 'understudy.notification.v1', handlers: {} } });
    await expect(transport.start()).rejects.toThrow('the topic understudy.notification.v1 does not exist');
    await expect(transport.start()).rejects.toMatchObject({ code: 'TOPICS_DIFFER' });
    const { missing, notes } = await applyTopics(kafka, topics);
    expect(missing).toHaveLength(4);
    expect(notes).toEqual([expect.stringContaining('no authorizer')]);
    await transport.start();
    running.push(transport);
    const unknown = new KafkaTransport(kafka);
    unknown.consume({ ...consumer, subscription: { group: 'drift', topic: 'understudy.nobody.v1', handlers: {} } });
    await expect(unknown.start()).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' });
  });

  it('that exist and differ are told and left as they are', async () => {
    const plan = freshTopic();
    await applyTopics(kafka, [plan]);
    const wanted = { ...plan, partitions: 5, retentionMs: 1_000 };
    const { missing, differing } = await applyTopics(kafka, [wanted]);
    expect(missing).toEqual([]);
    expect(differing).toEqual([
      expect.stringContaining(`the topic ${plan.name} has 3 partitions that work, not 5`),
      expect.stringContaining(`the topic ${plan.name} has retention.ms -1, not 1000`),
    ]);
    expect(await compareTopics(kafka, [plan])).toMatchObject({ missing: [], differing: [] });
    await expect(checkTopics(kafka, [wanted], 5_000)).rejects.toThrow('has 3 partitions that work, not 5');
  });
});
