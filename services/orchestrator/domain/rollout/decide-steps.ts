import { accept, fold, refuse, type Decision } from '@understudy/decider';
import { dueWithLook, honestResult, measurementOf, type Conclusion } from './conclusion.js';
import { evolve } from './evolve.js';
import { evaluateNotRequired } from './not-required.js';
import { invariantRefusal, orderRefusal, stepRequest } from './request.js';
import type { RolloutCommand, RolloutEvent, RolloutResult, RolloutState, StepOutcome, StepRequested } from './rollout.js';
import { INITIAL, isMoving, lookAfterMs, stepNamed, type Going, type Known } from './state.js';
import { violations } from './invariants.js';
import { skipComplaint } from './skipping.js';
import type { ClusterSnapshot } from '@understudy/cluster';
import { msOf } from './time.js';
import { versionsOf } from './versions.js';

type Command<T extends RolloutCommand['type']> = Extract<RolloutCommand, { type: T }>;
type Decided = Decision<RolloutEvent>;

/** A step is begun again by itself so many times at most; then a person, or the failure policy. */
export const MAX_ATTEMPTS = 3;

const A_PERSON = 'an operator: look at the nodes, then resume or abort';

export function requestStep(command: Command<'RequestStep'>, state: Going): Decided {
  const standing = notMoving(state);
  if (standing !== null) return standing;
  const found = stepNamed(state, command.stepId);
  if (found === undefined) return unknownStepRefusal(command.stepId);
  const order = { ...command, neighbours: command.neighbours ?? null };
  const refusal = orderRefusal(state, found, order);
  if (refusal !== null) return refusal;
  const request = stepRequest(state, found, order);
  const requested: RolloutEvent = { type: 'StepRequested', data: request };
  return found.step.kind === 'pause'
    ? accept(requested, ...paused(command, request.attempt, found.step.phase))
    : accept(requested);
}

/** A pause is done by holding: nothing else has to happen for it. */
function paused(command: Command<'RequestStep'>, attempt: number, phase: string): readonly RolloutEvent[] {
  const { stepId, at } = command;
  return [
    { type: 'StepSucceeded', data: { stepId, attempt, at, evidence: { held: true }, adopted: false } },
    heldEvent(`The playbook pauses before phase ${phase}.`, 'an operator: resume', stepId, at),
  ];
}

export function recordOutcome(command: Command<'RecordOutcome'>, state: Going): Decided {
  const found = stepNamed(state, command.stepId);
  if (found === undefined) return unknownStepRefusal(command.stepId);
  const awaited = found.status === 'requested' || found.status === 'unknown';
  if (!awaited || found.attempt !== command.attempt) {
    return refuse('conflict', {
      pointer: '/attempt',
      code: 'STALE_OUTCOME',
      detail: `No outcome of attempt ${command.attempt} of ${command.stepId} is awaited.`,
    });
  }
  const { deadlineAt } = found.requested as StepRequested;
  const late = found.status === 'requested' && msOf(command.at) > msOf(deadlineAt);
  const missed: RolloutEvent = {
    type: 'DeadlineMissed',
    data: { what: `${command.stepId} was not done in time.`, stepId: command.stepId, deadlineAt, at: command.at },
  };
  const events: RolloutEvent[] = [...(late ? [missed] : []), ...outcomeEvents(command, state)];
  return accept(...events, ...breachEvents(state, events, command.at));
}

function outcomeEvents(command: Command<'RecordOutcome'>, state: Going): readonly RolloutEvent[] {
  const { stepId, reason, at } = command;
  const data: StepOutcome = {
    stepId,
    attempt: command.attempt,
    at,
    evidence: command.evidence,
    ...(command.interruption === undefined ? {} : { interruption: command.interruption }),
    ...(command.serving === undefined ? {} : { serving: command.serving }),
  };
  switch (command.outcome) {
    case 'succeeded':
      return [{ type: 'StepSucceeded', data: { ...data, adopted: command.adopted } }, ...pointOfNoReturn(state, stepId, at)];
    case 'failed':
      return [
        {
          type: 'StepFailed',
          data: { ...data, reason, mayRepeat: command.mayRepeat === true && command.attempt < MAX_ATTEMPTS },
        },
      ];
    case 'unknown': {
      const unknown: RolloutEvent = { type: 'StepUnknown', data: { ...data, reason } };
      // An abort is waiting already: it closes with what remains, and no further hold is needed for a person to be told.
      return state.abortRequested === null
        ? [unknown, heldEvent(`What became of ${stepId} could not be told: ${reason}`, A_PERSON, stepId, at)]
        : [unknown];
    }
  }
}

function pointOfNoReturn(state: Going, stepId: string, at: string): readonly RolloutEvent[] {
  const point = state.plan.pointOfNoReturn;
  return point?.stepId === stepId ? [{ type: 'PointOfNoReturnPassed', data: { ...point, at } }] : [];
}

/** A fact that shows a broken rule is recorded all the same, together with the breach and a hold. */
function breachEvents(state: Going, events: readonly RolloutEvent[], at: string): readonly RolloutEvent[] {
  const after = fold({ initial: INITIAL, evolve }, events, state as RolloutState);
  const serving = after.out.find((entry) => entry.node === after.serving);
  // In a downtime rollout the node that serves is the one taken out, and a package may start it again.
  if (serving === undefined || state.planned.kind === 'downtime') return [];
  const detail = `${serving.node} serves while it is out of service by our hand.`;
  const breach: RolloutEvent = {
    type: 'InvariantBreached',
    data: { number: 1, detail, evidence: { node: serving.node, stage: serving.stage } },
  };
  return [breach, heldEvent(detail, A_PERSON, null, at)];
}

export function recordDeviation(command: Command<'RecordDeviation'>, state: Going): Decided {
  const { what, evidence, at } = command;
  if (state.deviations.includes(what) && state.status === 'held') return accept();
  const deviation: RolloutEvent = {
    type: 'DeviationRecorded',
    data: { what, evidence, at, ...(command.serving === undefined ? {} : { serving: command.serving }) },
  };
  const breach: readonly RolloutEvent[] =
    command.invariant === undefined
      ? []
      : [{ type: 'InvariantBreached', data: { number: command.invariant, detail: what, evidence } }];
  return accept<RolloutEvent>(deviation, ...breach, heldEvent(what, A_PERSON, null, at));
}

export function skipStep(command: Command<'SkipStep'>, state: Going): Decided {
  const standing = notMoving(state);
  if (standing !== null) return standing;
  const found = stepNamed(state, command.stepId);
  if (found === undefined) return unknownStepRefusal(command.stepId);
  const { stepId, reason, at } = command;
  const detail = skipComplaint(state, found, msOf(at));
  if (detail !== null) return refuse('conflict', { pointer: '/stepId', code: 'INVARIANT_9', detail });
  return accept<RolloutEvent>({ type: 'StepSkipped', data: { stepId, reason, at } });
}

/** At the end of a step: holds, turns back or closes, whichever is due. Refused when nothing is. */
export function conclude(command: Command<'Conclude'>, state: Going): Decided {
  const standing = notMoving(state);
  if (standing !== null) return standing;
  const { at, snapshot } = command;
  const due = dueWithLook(state, { at, snapshot, neighbours: command.neighbours ?? null, incarnation: command.incarnation });
  switch (due.due) {
    case 'nothing':
      return refuse('conflict', { pointer: '', code: 'NOTHING_DUE', detail: 'The rollout goes on with its next step.' });
    case 'hold':
      return accept(held(state, due, at));
    case 'recover':
      return accept<RolloutEvent>({ type: 'PlanRevised', data: revision(state, due.way, at) });
    case 'close':
      return close(state, due.result, due.reason, snapshot, at);
  }
}

function revision(
  state: Going,
  way: { readonly plan: Going['plan']; readonly recovery: NonNullable<RolloutState['recovery']> },
  at: string,
) {
  const { binding, topologyFingerprint } = state;
  return { plan: way.plan, recovery: way.recovery, reason: way.recovery.because, binding, topologyFingerprint, at };
}

function close(state: Going, result: RolloutResult, reason: string, snapshot: ClusterSnapshot | null, at: string): Decided {
  const closed = closedEvent(state, result, reason, snapshot, at);
  const broken = violations(state, closed, { snapshot, neighbours: null });
  if (broken.length === 0) return accept(closed);
  const why = broken.map((violation) => violation.detail).join(' ');
  // Without a look there is nothing to hold for yet: the caller looks and asks again, for as long as the last step had.
  const awaited = state.steps.slice(-1).every((last) => msOf(at) - lookAfterMs(state) <= last.step.deadlineMs);
  if (snapshot === null && awaited) {
    return refuse('precondition', ...broken.map(invariantRefusal));
  }
  return accept(heldEvent(`The rollout may not close as ${result}: ${why}`, A_PERSON, lastEnded(state), at));
}

/** The closing fact: result, what remains, the measurement, the versions that run, and the hosts given back. */
export function closedEvent(
  state: Known,
  result: RolloutResult,
  reason: string,
  snapshot: ClusterSnapshot | null,
  at: string,
): Extract<RolloutEvent, { type: 'RolloutClosed' }> {
  return {
    type: 'RolloutClosed',
    data: {
      ...honestResult(state, result, snapshot),
      reason,
      at,
      interruption: measurementOf(state),
      versions: versionsOf(snapshot),
      notRequired: evaluateNotRequired(state),
      hosts: state.admitted?.hosts ?? [],
    },
  };
}

function held(state: Going, due: Extract<Conclusion, { due: 'hold' }>, at: string): RolloutEvent {
  const { reason, whoCanChangeIt } = due;
  const dropped = due.dropsRollback === true ? { dropsRollback: due.dropsRollback } : {};
  return { type: 'RolloutHeld', data: { reason, whoCanChangeIt, afterStep: lastEnded(state), ...dropped, at } };
}

function heldEvent(reason: string, whoCanChangeIt: string, afterStep: string | null, at: string): RolloutEvent {
  return { type: 'RolloutHeld', data: { reason, whoCanChangeIt, afterStep, at } };
}

function lastEnded(state: Going): string | null {
  return state.steps.findLast((step) => step.endedAt !== null)?.step.stepId ?? null;
}

function notMoving(state: Going): Decision<never> | null {
  if (isMoving(state)) return null;
  return refuse('conflict', { pointer: '', code: 'NOT_RUNNING', detail: `The rollout is ${state.status}.` });
}

function unknownStepRefusal(stepId: string): Decision<never> {
  return refuse('not-found', { pointer: '/stepId', code: 'UNKNOWN_STEP', detail: `The plan has no step ${stepId}.` });
}
