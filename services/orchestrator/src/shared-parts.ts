import type { Plan, RolloutPlanned } from '@understudy/orchestrator-domain';

/** Different parts that are remembered: those that were met last. Any other is kept by its own rollouts alone. */
const MOST_KEPT = 64;

/** By what it says, the one met last at the end. */
const kept = new Map<string, unknown>();

/** The part that says the same and was met before, or this one. Events are read anew for each rollout; nobody changes what they say. */
function shared<T>(part: T): T {
  const text = JSON.stringify(part);
  const known = (kept.get(text) ?? part) as T;
  kept.delete(text);
  kept.set(text, known);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
  }
  return known;
}

/** The same; what it has in common with other rollouts lies in memory once: thousands are planned with one playbook and one patch set. */
export function plannedWithSharedParts(planned: RolloutPlanned): RolloutPlanned {
  const { plan, playbook, patchSet } = planned;
  return {
    ...planned,
    playbook: shared(playbook),
    patchSet: shared(patchSet),
    plan: plan === null ? null : planWithSharedParts(plan),
  };
}

/** The same for a plan that takes another's place. */
export function planWithSharedParts(plan: Plan): Plan {
  const { versionPairs, durations } = plan;
  return {
    ...plan,
    ...(versionPairs === undefined ? {} : { versionPairs: shared(versionPairs) }),
    ...(durations === undefined ? {} : { durations: shared(durations) }),
  };
}
