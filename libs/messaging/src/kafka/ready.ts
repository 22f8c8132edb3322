import { setTimeout as delay } from 'node:timers/promises';
import { MessagingError } from '../errors.js';
import { openClient } from './client.js';
import { settled, within } from './limits.js';
import type { KafkaOptions } from './options.js';

const POLL_MS = 150;
const TRY_LIMIT_MS = 10_000;
const CLOSE_LIMIT_MS = 1_000;

/**
 * Returns when the broker answers a metadata request and coordinates groups (a first join otherwise meets "coordinator is loading").
 * Throws `MessagingError` BROKER_AWAY after `limitMs`, with what the last try said.
 */
export async function kafkaReady(
  options: KafkaOptions,
  { limitMs, signal }: { readonly limitMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      await once(options);
      return;
    } catch (error) {
      if (signal?.aborted === true || performance.now() > deadline) {
        throw new MessagingError('BROKER_AWAY', `Kafka at ${options.brokers.join(', ')} did not get ready: ${String(error)}`);
      }
      await delay(POLL_MS);
    }
  }
}

async function once(options: KafkaOptions): Promise<void> {
  const client = openClient(options);
  const admin = client.kafka.admin();
  const ask = async (): Promise<void> => {
    await admin.connect();
    await admin.describeCluster();
    await admin.describeGroups([options.clientId]);
  };
  try {
    await within(TRY_LIMIT_MS, 'A look at the broker', ask());
  } finally {
    await settled(admin.disconnect(), CLOSE_LIMIT_MS);
    client.cut();
  }
}
