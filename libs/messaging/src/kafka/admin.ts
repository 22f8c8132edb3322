import type { Admin } from 'kafkajs';
import { openClient } from './client.js';
import { settled, within } from './limits.js';
import type { KafkaOptions } from './options.js';
import { explained } from './publisher.js';

const CLOSE_LIMIT_MS = 1_000;

/** One piece of work with an admin client. Rejects with `MessagingError` BROKER_AWAY, TOPIC_REFUSED, or what the work throws. */
export async function withAdmin<T>(
  options: KafkaOptions,
  job: { readonly what: string; readonly limitMs: number; readonly work: (admin: Admin) => Promise<T> },
): Promise<T> {
  const client = openClient(options);
  const admin = client.kafka.admin();
  const whole = async (): Promise<T> => {
    await admin.connect();
    return await job.work(admin);
  };
  try {
    return await within(job.limitMs, job.what, whole());
  } catch (error) {
    throw explained(error, job.what);
  } finally {
    await settled(admin.disconnect(), CLOSE_LIMIT_MS);
    client.cut();
  }
}
