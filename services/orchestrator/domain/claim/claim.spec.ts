import { describe, expect, it } from 'vitest';
import { fold } from '@understudy/decider';
import { claimDecider, type ClaimEvent } from './claim.js';

const { decide } = claimDecider;
const claim = { host: 'host-a', rollout: 'r-1', at: '2026-03-01T20:00:00.000Z' };
const CLAIMED: ClaimEvent = { type: 'HostClaimed', data: claim };
const RELEASED: ClaimEvent = { type: 'HostReleased', data: claim };
const given = (...events: ClaimEvent[]) => fold(claimDecider, events);

describe('a claim on a host', () => {
  it('is given to the first rollout, once', () => {
    expect(decide({ type: 'ClaimHost', ...claim }, given())).toEqual({ accepted: true, events: [CLAIMED] });
    expect(decide({ type: 'ClaimHost', ...claim }, given(CLAIMED))).toEqual({ accepted: true, events: [] });
  });

  it('is refused to another rollout until it is given back, with who and since when', () => {
    const other = { type: 'ClaimHost', ...claim, rollout: 'r-2' } as const;
    const refusal = {
      pointer: '/host',
      code: 'HOST_CLAIMED',
      detail: `host-a has been held by rollout r-1 since ${claim.at}; wait for its end.`,
    };
    expect(decide(other, given(CLAIMED))).toEqual({ accepted: false, kind: 'locked', refusals: [refusal] });
    expect(decide(other, given(CLAIMED, RELEASED)).accepted).toBe(true);
  });

  it('is given back by its holder alone; what nobody holds needs no giving back', () => {
    expect(decide({ type: 'ReleaseHost', ...claim }, given(CLAIMED))).toEqual({ accepted: true, events: [RELEASED] });
    expect(decide({ type: 'ReleaseHost', ...claim, rollout: 'r-2' }, given(CLAIMED))).toEqual({ accepted: true, events: [] });
    expect(decide({ type: 'ReleaseHost', ...claim }, given())).toEqual({ accepted: true, events: [] });
  });
});
