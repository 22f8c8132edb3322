import { type Broker, createTestStore, needsBroker, ownBroker } from '@understudy/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { note, publish, transportContract, until } from '../contract.js';
import { KAFKA_RELAY, KafkaTransport, MessagingError, applyTopics, compareTopics } from '../index.js';
import { freshTopic, recorder, topicOf } from './fixtures/contract.js';

/** Groups of the contract, and a stranger who may nothing. */
const USERS = ['inventory', 'drift', 'notification', 'stranger'];
/** The shortest that a broker takes: who is cut off must not hold up the next test. */
const SESSION_MS = 6_000;
let broker: Broker;

beforeEach((context) =>
  needsBroker(context, async () => {
    const users = Object.fromEntries(USERS.map((name) => [name, `${name}-secret`]));
    broker ??= await ownBroker({ secure: { users }, authorize: true });
  }),
);

describe('over TLS with SCRAM, rights checked', () => {
  transportContract('Kafka, secure', {
    transport: () => new KafkaTransport({ ...broker.client('contract'), checkTopics: false, sessionTimeoutMs: SESSION_MS }),
    producer: async () => (await createTestStore('inventory')).store,
    consumer: async () => (await createTestStore('drift')).store,
    topic: async (name) => void (await applyTopics(broker.client('topics'), [topicOf(name)])),
    relay: () => KAFKA_RELAY,
  });
});

describe('rights', () => {
  const producerOf = async (user: string, topic: string): Promise<KafkaTransport> => {
    const transport = new KafkaTransport({ ...broker.client('spec', user), checkTopics: false, sessionTimeoutMs: SESSION_MS });
    const { store } = await createTestStore('inventory');
    transport.produce({ service: 'inventory', topic, publish, store });
    await note(store, 'a', ['a1']);
    return transport;
  };

  it('are what one topic needs: its producer writes, its consumers read in the group of their name', async () => {
    const plan = freshTopic();
    const first = await applyTopics(broker.client('topics'), [plan]);
    expect(first.missing).toContain(`the topic ${plan.name} with 3 partitions does not exist`);
    expect(first.missing).toContain(`the right does not exist: User:inventory may write topic ${plan.name}`);
    expect(await applyTopics(broker.client('topics'), [plan])).toEqual({ missing: [], differing: [], notes: [] });
    const sender = await producerOf('inventory', plan.name);
    const receiver = new KafkaTransport({ ...broker.client('spec', 'drift'), checkTopics: false, sessionTimeoutMs: SESSION_MS });
    const { heard, handlers } = recorder();
    receiver.consume({
      store: (await createTestStore('drift')).store,
      subscription: { group: 'drift', topic: plan.name, handlers },
    });
    await Promise.all([sender.start(), receiver.start()]);
    await until(async () => heard.length === 1 && (await receiver.lag())[0]?.events === 0);
    await Promise.all([sender.stop(), receiver.stop()]);
  });

  it('are refused to another principal: nothing is published, and the lag says why', async () => {
    const plan = freshTopic();
    await applyTopics(broker.client('topics'), [plan]);
    const forger = await producerOf('drift', plan.name);
    await forger.start();
    await until(async () => (await forger.lag())[0]?.problem?.includes('TOPIC_AUTHORIZATION_FAILED') === true);
    expect((await forger.lag())[0]?.events).toBe(1);
    await forger.stop();
  });

  it('that the document does not name are told, not taken away', async () => {
    const plan = freshTopic();
    await applyTopics(broker.client('topics'), [plan]);
    const { differing } = await compareTopics(broker.client('topics'), [{ ...plan, producer: 'orchestrator' }]);
    expect(differing).toEqual([
      expect.stringContaining(`User:inventory may write to ${plan.name} as well: only User:orchestrator may`),
    ]);
  });

  it('a wrong password refuses the start', async () => {
    const { sasl, ...rest } = broker.client('spec', 'drift');
    if (sasl === undefined) throw new Error('the broker is secure');
    const transport = new KafkaTransport({ ...rest, sasl: { ...sasl, password: 'wrong' } });
    const started = transport.start();
    await expect(started).rejects.toThrow(MessagingError);
    await expect(started).rejects.toMatchObject({ code: 'TOPIC_REFUSED' });
  });
});
