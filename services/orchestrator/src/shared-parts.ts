import type { Plan, RolloutPlanned } from '@understudy/orchestrator-domain';

/** Different parts that are remembered; the oldest is forgotten when there are more, and then kept by its own rollouts alone. */
const MOST_KEPT = 1_024;

/** By what it says. */
const kept = new Map<string, unknown>();

/** The part that says the same and was met before, or this one. Events are read anew for each rollout; nobody changes what they say. */
function shared<T>(part: T): T {
  const text = JSON.stringify(part);
  const known = kept.get(text);
  if (known !== undefined) return known as T;
  for (const oldest of kept.keys()) {
    if (kept.size < MOST_KEPT) break;
    kept.delete(oldest);
  }
  kept.set(text, part);
  return part;
}

/** The same; what it has in common with other rollouts lies in memory once: thousands are planned with one playbook and one patch set. */
export function plannedWithSharedParts(planned: RolloutPlanned): RolloutPlanned {
  const { plan, playbook, patchSet } = planned;
  return {
    ...planned,
    playbook: shared(playbook),
    patchSet: shared(patchSet),
    plan: plan === null ? null : withSharedParts(plan),
  };
}

function withSharedParts(plan: Plan): Plan {
  const { versionPairs, durations } = plan;
  return {
    ...plan,
    ...(versionPairs === undefined ? {} : { versionPairs: shared(versionPairs) }),
    ...(durations === undefined ? {} : { durations: shared(durations) }),
  };
}
