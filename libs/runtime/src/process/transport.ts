/** What a process tells about its transport: a bus that is away makes it degraded, never unready, for nothing waits for it. */
import type { Transport } from '@understudy/messaging';
import type { PartHealth } from '../health.js';
import { inAMoment } from '../in-a-moment.js';

export async function transportHealth(transport: Transport): Promise<PartHealth> {
  const lags = await inAMoment(transport.lag());
  if (lags === undefined) return { status: 'degraded', reason: 'how far messages are behind is not known now' };
  const stuck = lags.filter(({ problem }) => problem !== undefined);
  if (stuck.length === 0) return { status: 'ok' };
  const reason = stuck
    .map(({ group, topic, events, problem }) => `${group} on ${topic}, ${events} behind: ${problem}`)
    .join('; ');
  return { status: 'degraded', reason };
}
