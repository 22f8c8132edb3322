import { setTimeout as delay } from 'node:timers/promises';
import { MessagingError } from '../errors.js';

/** The work's result, or `MessagingError` BROKER_AWAY after the limit. The work itself goes on: cut what it waits for. */
export async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = delay(limitMs, undefined, { signal: over.signal }).then(() => {
    throw new MessagingError('BROKER_AWAY', `${what} had no answer from the broker within ${limitMs} ms.`);
  });
  late.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

/** Resolves when the work ends, however, or when the limit has passed. */
export async function settled(work: Promise<unknown>, limitMs: number): Promise<void> {
  await within(limitMs, 'It', work).catch(() => undefined);
}
