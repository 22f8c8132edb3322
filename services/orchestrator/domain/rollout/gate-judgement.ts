import type { Evidence } from './observation.js';

/** What a gate says about what was seen; requirement and `since` are added around it. */
export interface Judgement {
  readonly status: 'pending' | 'open' | 'closed';
  readonly reason: string;
  readonly until: string | null;
  readonly whoCanChangeIt: string;
  readonly final: boolean;
  readonly evidence: Evidence;
}

/** `until`: null = it does not lapse. */
export function open(reason: string, until: string | null, evidence: Evidence): Judgement {
  return { status: 'open', reason, until, whoCanChangeIt: 'nobody needs to', final: false, evidence };
}

export function closed(reason: string, whoCanChangeIt: string, evidence: Evidence): Judgement {
  return { status: 'closed', reason, until: null, whoCanChangeIt, final: false, evidence };
}

/** Closed, and nothing within this window can open it. */
export function refusedForGood(reason: string, whoCanChangeIt: string, evidence: Evidence): Judgement {
  return { ...closed(reason, whoCanChangeIt, evidence), final: true };
}

export function pending(reason: string, until: string, whoCanChangeIt: string, evidence: Evidence): Judgement {
  return { status: 'pending', reason, until, whoCanChangeIt, final: false, evidence };
}
