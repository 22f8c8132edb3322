import { tableOf } from '@understudy/cluster';
import type { Plan, StepKind } from './plan.js';
import type { RolloutPlanned, RolloutState, StepState } from './rollout.js';
import { msOf } from './time.js';

/** Questions to the folded state that decide, the runner, gates and invariants share, so that they cannot disagree. */

export const INITIAL: RolloutState = {
  status: 'absent',
  planned: null,
  plan: null,
  binding: null,
  topologyFingerprint: null,
  downtimePlan: null,
  approval: null,
  ticket: null,
  driftRequest: null,
  drift: null,
  gates: {},
  overrides: [],
  begun: null,
  admitted: null,
  owner: null,
  steps: [],
  out: [],
  patched: [],
  unpatched: [],
  validated: [],
  running: tableOf([]),
  mixed: null,
  outage: { since: null, totalMs: 0, exceededAt: null, told: false },
  rebootNeeded: tableOf([]),
  serving: null,
  written: null,
  originalActive: null,
  probeRunning: false,
  pointOfNoReturnPassed: false,
  deviations: [],
  holdRequested: null,
  abortRequested: null,
  rollbackRequested: null,
  held: null,
  frozen: null,
  breaches: [],
  recovery: null,
  answered: [],
  lookAfter: null,
  closed: null,
};

/**
 * The state with these changes: the one place that copies it. What one literal makes has one hidden class in V8; each spread would
 * give its copies another one, and whoever reads states of many classes reads them slowly (`npm run bench -- saga`).
 */
export function changedState(from: RolloutState, changes: Partial<RolloutState>): RolloutState {
  const state: RolloutState = {
    status: from.status,
    planned: from.planned,
    plan: from.plan,
    binding: from.binding,
    topologyFingerprint: from.topologyFingerprint,
    downtimePlan: from.downtimePlan,
    approval: from.approval,
    ticket: from.ticket,
    driftRequest: from.driftRequest,
    drift: from.drift,
    gates: from.gates,
    overrides: from.overrides,
    begun: from.begun,
    admitted: from.admitted,
    owner: from.owner,
    steps: from.steps,
    out: from.out,
    patched: from.patched,
    unpatched: from.unpatched,
    validated: from.validated,
    running: from.running,
    mixed: from.mixed,
    outage: from.outage,
    rebootNeeded: from.rebootNeeded,
    serving: from.serving,
    written: from.written,
    originalActive: from.originalActive,
    probeRunning: from.probeRunning,
    pointOfNoReturnPassed: from.pointOfNoReturnPassed,
    deviations: from.deviations,
    holdRequested: from.holdRequested,
    abortRequested: from.abortRequested,
    rollbackRequested: from.rollbackRequested,
    held: from.held,
    frozen: from.frozen,
    breaches: from.breaches,
    recovery: from.recovery,
    answered: from.answered,
    lookAfter: from.lookAfter,
    closed: from.closed,
  };
  return Object.assign(state, changes);
}

/** The same for a step. */
export function changedStep(from: StepState, changes: Partial<StepState>): StepState {
  const step: StepState = {
    step: from.step,
    status: from.status,
    attempt: from.attempt,
    requested: from.requested,
    requestedAt: from.requestedAt,
    reason: from.reason,
    endedAt: from.endedAt,
    interruption: from.interruption,
    adopted: from.adopted,
  };
  return Object.assign(step, changes);
}

/** A rollout that exists. */
export type Known = RolloutState & {
  readonly planned: RolloutPlanned;
  readonly topologyFingerprint: string;
  readonly binding: string;
};
/** A rollout that has a plan: the only kind that can ever be admitted. */
export type Going = Known & { readonly plan: Plan };

export function isKnown(state: RolloutState): state is Known {
  return state.planned !== null;
}

export function isGoing(state: RolloutState): state is Going {
  return state.planned !== null && state.plan !== null;
}

export function isMoving(state: RolloutState): boolean {
  return state.status === 'running' || state.status === 'recovering';
}

/** Where a rollout goes on after a hold: to where it was. */
export function moving(state: RolloutState): RolloutState['status'] {
  if (state.admitted === null) return 'planned';
  return state.recovery === null ? 'running' : 'recovering';
}

/** The end of a freeze ends the freeze alone: what had been held before, or was meanwhile, waits for a word of its own. */
export function resumedAs(state: RolloutState): RolloutState['status'] {
  return state.frozen !== null && state.held !== null ? 'held' : moving(state);
}

export function stepNamed(state: RolloutState, stepId: string): StepState | undefined {
  return state.steps.find((candidate) => candidate.step.stepId === stepId);
}

/** The step whose act may be happening now. At most one: steps are requested one after the other. */
export function inFlight(state: RolloutState): StepState | undefined {
  return state.steps.find((candidate) => candidate.status === 'requested');
}

/** A step of which nobody could tell what came of it; looked at again after a person resumed. */
export function unknownStep(state: RolloutState): StepState | undefined {
  return state.steps.find((candidate) => candidate.status === 'unknown');
}

export function nextPlanned(state: RolloutState): StepState | undefined {
  return state.steps.find((candidate) => candidate.status === 'planned');
}

/**
 * The next attempt at a switchover that has begun, where nobody serves or its target does already: the repair of what our
 * own hand left half done. Gates, evidence and the time budget bind what begins, never this.
 */
export function endsOwnSwitchover(state: RolloutState, next: StepState): boolean {
  const { serving } = state;
  return next.step.kind === 'switchover' && next.attempt > 0 && (serving === null || serving === next.step.node);
}

/** A failure that no way back has been put in place for, or that happened on the one that is. */
export function openFailure(state: RolloutState): StepState | undefined {
  return state.steps.find((candidate) => isOpenFailure(state, candidate));
}

export function isOpenFailure({ answered }: RolloutState, { status, step }: StepState): boolean {
  return status === 'failed' && !answered.includes(step.stepId);
}

/** Would stopping here leave the workload served by a validated node? */
export function atSafePoint(state: RolloutState): boolean {
  const done = state.steps.filter((candidate) => candidate.status === 'succeeded' || candidate.status === 'skipped');
  const last = done.at(-1);
  const next = nextPlanned(state);
  // Promoted, and the rest of the switchover is still to come: nobody has validated that node, and others are down.
  if (next !== undefined && endsOwnSwitchover(state, next)) return false;
  return state.serving !== null && (last === undefined || last.step.safePointAfter);
}

/** What a validation says of a node holds until the workload moves to it again, or its software changes. */
const ENDS_VALIDATION: readonly StepKind[] = ['switchover', 'patch', 'unpatch'];

/** Validated as the one that serves since it last came to serve: what the switchover test saw before the patch says nothing. */
export function validatedAsActive(state: RolloutState, node: string): boolean {
  const begun = state.steps.filter((step) => step.step.node === node && step.attempt > 0);
  const validated = begun.findLastIndex((step) => step.step.asActive === true && step.status === 'succeeded');
  return validated > begun.findLastIndex((step) => ENDS_VALIDATION.includes(step.step.kind));
}

/** Has the standby phase begun? Its first request fixes who the original active is. */
export function standbyBegun(state: RolloutState): boolean {
  return state.steps.some((step) => step.step.phase === 'standby' && step.attempt > 0);
}

/** Looks from before this moment (milliseconds since the epoch) are no ground for an order. */
export function lookAfterMs(state: RolloutState): number {
  return state.lookAfter === null ? 0 : msOf(state.lookAfter);
}

/** The node that a step is about; empty for steps that are about the whole rollout. */
export function nodeOf(step: { readonly node?: string }): string {
  return step.node ?? '';
}

/** Why a step ended as it did, in words. */
export function reasonOf(step: StepState): string {
  return step.reason ?? 'no reason was recorded';
}
