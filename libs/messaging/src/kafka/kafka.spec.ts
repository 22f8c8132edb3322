import { createTestStore, needsBroker, testBroker } from '@understudy/testing';
import { beforeEach, describe } from 'vitest';
import { transportContract } from '../contract.js';
import { type KafkaOptions, KAFKA_RELAY, KafkaTransport, applyTopics } from '../index.js';
import { topicOf } from './fixtures/contract.js';

describe('over a real broker', () => {
  let kafka: KafkaOptions;
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
    relay: () => KAFKA_RELAY,
  });
});
