import type { StepRequested } from './rollout.js';

/** Ids of the detached jobs of a rollout, as they lie on the hosts. */

/** A new attempt of a step is another job. */
export function jobIdOf(requested: Pick<StepRequested, 'key'>): string {
  return requested.key.replaceAll('/', '-');
}

/** One probe measures the whole rollout. */
export function probeJobId(rolloutId: string): string {
  return `${rolloutId}-probe`;
}
