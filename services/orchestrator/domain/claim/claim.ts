import { accept, refuse, type Decider, type Decision } from '@understudy/decider';

/**
 * One stream per host: which rollout holds it. Claimed in the append that admits the rollout and given back in the one that
 * closes it, so that no two rollouts ever share a host, whatever crashes.
 */
export type ClaimEvent =
  { readonly type: 'HostClaimed'; readonly data: HostClaim } | { readonly type: 'HostReleased'; readonly data: HostClaim };

export interface HostClaim {
  readonly host: string;
  readonly rollout: string;
  readonly at: string;
}

export type ClaimCommand = { readonly type: 'ClaimHost' | 'ReleaseHost' } & HostClaim;

export interface ClaimState {
  /** The rollout that holds the host, or null. */
  readonly rollout: string | null;
  readonly since: string | null;
}

const FREE: ClaimState = { rollout: null, since: null };

function decide(command: ClaimCommand, state: ClaimState): Decision<ClaimEvent> {
  const { type, ...claim } = command;
  if (type === 'ClaimHost') {
    if (state.rollout === claim.rollout) return accept();
    return state.rollout === null ? accept<ClaimEvent>({ type: 'HostClaimed', data: claim }) : taken(claim.host, state);
  }
  // Given back twice, or never had: there is nothing to give back, and the close of a rollout must not fail on it.
  return state.rollout === claim.rollout ? accept<ClaimEvent>({ type: 'HostReleased', data: claim }) : accept();
}

function taken(host: string, { rollout, since }: ClaimState): Decision<never> {
  const detail = `${host} has been held by rollout ${rollout} since ${since}; wait for its end.`;
  return refuse('locked', { pointer: '/host', code: 'HOST_CLAIMED', detail });
}

function evolve(_state: ClaimState, event: ClaimEvent): ClaimState {
  return event.type === 'HostClaimed' ? { rollout: event.data.rollout, since: event.data.at } : FREE;
}

export const claimDecider: Decider<ClaimState, ClaimCommand, ClaimEvent> = { initial: FREE, decide, evolve };
