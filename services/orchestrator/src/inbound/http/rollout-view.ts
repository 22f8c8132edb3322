import type { Call } from '@understudy/runtime';
import type { RolloutAt } from '../../use-cases/rollout-queries.js';

/** A rollout as the API gives it. */
export function rolloutView({ rolloutId, version, position, state }: RolloutAt): object {
  return {
    id: rolloutId,
    version,
    position,
    status: state.status,
    result: state.closed?.result ?? null,
    cluster: state.planned?.cluster.slug ?? null,
    windowId: state.planned?.windowId ?? null,
    kind: state.planned?.kind ?? null,
    binding: state.binding,
    owner: state.owner,
    state,
  };
}

/** The rollout that the address names. */
export function idOf(call: Pick<Call, 'params'>): string {
  return call.params['rolloutId'] ?? '';
}
