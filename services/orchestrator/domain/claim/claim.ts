import { accept, refuse, type Decider } from '@understudy/decider';

/** A host's claim: which rollout holds it. One stream per host, so that two rollouts can never hold the same. */
export type ClaimEvent =
  | { readonly type: 'HostClaimed'; readonly data: { readonly host: string; readonly rollout: string; readonly at: string } }
  | { readonly type: 'HostReleased'; readonly data: { readonly host: string; readonly rollout: string; readonly at: string } };

export type ClaimCommand =
  | { readonly type: 'ClaimHost'; readonly host: string; readonly rollout: string; readonly at: string }
  | { readonly type: 'ReleaseHost'; readonly host: string; readonly rollout: string; readonly at: string };

export interface ClaimState {
  readonly rollout: string | null;
  readonly since: string | null;
}

export const claimDecider: Decider<ClaimState, ClaimCommand, ClaimEvent> = {
  initial: { rollout: null, since: null },
  decide: (command, state) => {
    const { host, rollout, at } = command;
    if (command.type === 'ReleaseHost') {
      return state.rollout === rollout ? accept<ClaimEvent>({ type: 'HostReleased', data: { host, rollout, at } }) : accept();
    }
    if (state.rollout === rollout) return accept();
    if (state.rollout !== null) {
      const detail = `Host ${host} is held by rollout ${state.rollout} since ${state.since}. It is free when that rollout ends.`;
      return refuse('locked', { pointer: '', code: 'HOST_CLAIMED', detail });
    }
    return accept<ClaimEvent>({ type: 'HostClaimed', data: { host, rollout, at } });
  },
  evolve: (_state, event) =>
    event.type === 'HostClaimed' ? { rollout: event.data.rollout, since: event.data.at } : { rollout: null, since: null },
};
