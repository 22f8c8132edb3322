import { dependenciesOf } from './arrange.js';
import type { Dependency } from './window.js';

/** What the time of a wave is computed from. */
export interface Timed {
  readonly cluster: string;
  readonly hosts: readonly string[];
  readonly forwardMs: number;
  readonly wayBackMs: number;
}

/**
 * From the beginning of a wave to the moment, in milliseconds, at which the last of its rollouts would be back if it failed
 * at its very end. Found by playing the wave through: each begins as soon as those it depends on have ended and its hosts
 * are free, as `waves.ts` lets them. `Infinity` where some never could: they depend on each other.
 */
export function spanMs(wave: readonly Timed[], dependsOn: readonly Dependency[]): number {
  const inWave = new Set(wave.map((rollout) => rollout.cluster));
  const endsAt = new Map<string, number>();
  let waiting = wave;
  let nowMs = 0;
  let spanned = 0;
  while (waiting.length > 0) {
    const busy = new Set(wave.filter((other) => (endsAt.get(other.cluster) ?? 0) > nowMs).flatMap((other) => other.hosts));
    const begun = waiting.filter((rollout) => {
      const ready = dependenciesOf(rollout.cluster, dependsOn).every(
        (on) => !inWave.has(on) || (endsAt.get(on) ?? Infinity) <= nowMs,
      );
      if (!ready || rollout.hosts.some((host) => busy.has(host))) return false;
      rollout.hosts.forEach((host) => busy.add(host));
      return true;
    });
    for (const rollout of begun) {
      endsAt.set(rollout.cluster, nowMs + rollout.forwardMs);
      spanned = Math.max(spanned, nowMs + rollout.forwardMs + rollout.wayBackMs);
    }
    waiting = waiting.filter((rollout) => !begun.includes(rollout));
    const later = [...endsAt.values()].filter((ms) => ms > nowMs);
    if (begun.length === 0 && later.length === 0) return Infinity;
    nowMs = later.length === 0 ? nowMs : Math.min(...later);
  }
  return spanned;
}
