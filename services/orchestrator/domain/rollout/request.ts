import { refuse, type Decision, type Refusal } from '@understudy/decider';
import { lastSafeStepMs, wayBackMsFrom } from './budget.js';
import { wasPassedOver } from './gate-drift.js';
import { lapsedGates } from './gate-table.js';
import { violations, type OrderLook } from './invariants.js';
import { paceOf } from './learnt.js';
import { writtenIn } from './loss.js';
import { awayByUs, mayTurnBack } from './outage.js';
import type { StepRequested, StepState } from './rollout.js';
import { atSafePoint, endsOwnSwitchover, inFlight, nextPlanned, unknownStep, type Going } from './state.js';
import { STEP_RULES } from './steps/index.js';
import { isoOf, later, msOf } from './time.js';

/** The order to begin a step: what it would say, and everything that speaks against it. Decide and the runner share this. */

export interface StepOrder extends OrderLook {
  readonly at: string;
  readonly incarnation: string;
}

/** The intent as it will be appended: one key per attempt, under which every act of the step is entered. */
export function stepRequest(state: Going, next: StepState, order: StepOrder): StepRequested {
  const { step } = next;
  const rules = STEP_RULES[step.kind];
  const attempt = next.attempt + 1;
  return {
    stepId: step.stepId,
    attempt,
    key: `${state.planned.rolloutId}/${step.stepId}/${attempt}`,
    ask: rules.ask(step, state, msOf(order.at)),
    deadlineAt: later(order.at, step.deadlineMs),
    incarnation: order.incarnation,
    at: order.at,
    evidence:
      order.snapshot === null
        ? {}
        : {
            observedAt: order.snapshot.observedAt,
            ...writtenIn(order.snapshot),
            ...rules.remember?.(order.snapshot, step, next.requested?.evidence ?? null),
          },
  };
}

/** Why this step may not begin now; null = it may. */
export function orderRefusal(state: Going, next: StepState, order: StepOrder): Decision<never> | null {
  const notNow = outOfTurn(state, next) ?? outOfTime(state, next, msOf(order.at));
  if (notNow !== null) return refuse('conflict', notNow);
  const broken = violations(state, { type: 'StepRequested', data: stepRequest(state, next, order) }, order);
  return broken.length === 0 ? null : refuse('conflict', ...broken.map(invariantRefusal));
}

export function invariantRefusal(violation: { readonly number: number; readonly detail: string }): Refusal {
  return { pointer: '', code: `INVARIANT_${violation.number}`, detail: violation.detail };
}

function outOfTurn(state: Going, next: StepState): Refusal | null {
  const busy = inFlight(state) ?? unknownStep(state);
  if (busy !== undefined)
    return { pointer: '/stepId', code: 'STEP_UNDER_WAY', detail: `${busy.step.stepId} has no outcome yet.` };
  if (nextPlanned(state) !== next)
    return { pointer: '/stepId', code: 'OUT_OF_ORDER', detail: `${next.step.stepId} is not the next step.` };
  // An abort is what the way back is for; a hold stops that one too.
  const turning = state.recovery === null && mayTurnBack(state) ? (state.abortRequested ?? state.rollbackRequested) : null;
  const wish = turning ?? (atSafePoint(state) ? state.holdRequested : null);
  return wish === null ? null : { pointer: '', code: 'STOP_REQUESTED', detail: `${wish.by} asked to stop: ${wish.reason}` };
}

/** Begins nothing new that could not be taken back inside the window. What is half done is always brought to an end. */
export function outOfTime(state: Going, next: StepState, nowMs: number): Refusal | null {
  const { step } = next;
  const exposes = step.kind === 'drain' || step.kind === 'patch' || step.kind === 'switchover' || step.kind === 'stop';
  if (!exposes || step.phase === 'recovery' || state.serving === null || endsOwnSwitchover(state, next)) return null;
  const pace = paceOf(state);
  const steps = state.steps.map((each) => each.step);
  const wayBackMs = wayBackMsFrom(steps, steps.indexOf(step), pace);
  const lastMs = lastSafeStepMs(step, wayBackMs, pace, msOf(state.planned.closesAt));
  if (nowMs <= lastMs) return null;
  return {
    pointer: '',
    code: 'OUT_OF_TIME',
    detail: `${step.stepId} had to start by ${isoOf(lastMs)} to leave time for the way back.`,
  };
}

/**
 * Gates to evaluate again before this step: only irreversible ones bind, and never on the way back or a repair of our own. Before
 * the last look at the whole, drift is asked about a node that could not be compared while it was out.
 */
export function gatesDue(state: Going, next: StepState, nowMs: number): boolean {
  const { kind, phase } = next.step;
  if (phase === 'recovery' || endsOwnSwitchover(state, next) || awayByUs(state)) return false;
  if (kind === 'postflight') return wasPassedOver(state);
  return STEP_RULES[kind].irreversible && lapsedGates(state, nowMs).length > 0;
}
