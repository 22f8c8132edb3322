import { createTestStore, needsBroker, testBroker } from '@understudy/testing';
import { beforeEach, describe } from 'vitest';
import { transportContract } from '../contract.js';
import { KafkaTransport, type TopicPlan, applyTopics } from '../index.js';

const topicOf = (name: string): TopicPlan => ({
  name,
  partitions: 3,
  retentionMs: -1,
  maxMessageBytes: 8_388_608,
  producer: 'inventory',
  consumers: ['drift', 'notification'],
});

describe('over a real broker', () => {
  let kafka: { readonly brokers: readonly string[]; readonly clientId: string };
  beforeEach((context) =>
    needsBroker(context, async () => {
      kafka = (await testBroker()).client('contract');
    }),
  );

  transportContract('Kafka', {
    transport: () => new KafkaTransport({ ...kafka, checkTopics: false }),
    producer: async () => (await createTestStore('inventory')).store,
    consumer: async () => (await createTestStore('drift')).store,
    topic: async (name) => void (await applyTopics(kafka, [topicOf(name)])),
  });
});
