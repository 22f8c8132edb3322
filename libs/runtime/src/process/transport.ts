/** What a process tells about its transport: a bus that is away makes it degraded, never unready, for nothing waits for it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lag, Transport } from '@understudy/messaging';
import type { PartHealth } from '../health.js';

const ANSWER_LIMIT_MS = 1_500;

/** Lag within a moment; undefined when the transport could not say. */
export async function lagOf(transport: Transport): Promise<readonly Lag[] | undefined> {
  const over = new AbortController();
  const late = delay(ANSWER_LIMIT_MS, undefined, { signal: over.signal }).catch(() => undefined);
  try {
    return await Promise.race([transport.lag(), late]);
  } catch {
    return undefined;
  } finally {
    over.abort();
  }
}

export async function transportHealth(transport: Transport): Promise<PartHealth> {
  const lags = await lagOf(transport);
  if (lags === undefined) return { status: 'degraded', reason: 'how far messages are behind is not known now' };
  const stuck = lags.filter(({ problem }) => problem !== undefined);
  if (stuck.length === 0) return { status: 'ok' };
  const reason = stuck
    .map(({ group, topic, events, problem }) => `${group} on ${topic}, ${events} behind: ${problem}`)
    .join('; ');
  return { status: 'degraded', reason };
}
