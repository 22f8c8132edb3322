import type { Verb } from '@understudy/cluster';
import { dueNow, dueWithLook } from './conclusion.js';
import { deviationOf } from './deviation.js';
import { driftGaps } from './gate-drift.js';
import { DRIFT_ANSWER_MS, maxAgeMs, RECHECK_MS } from './gate-table.js';
import { escalationDueMs } from './mixed-versions.js';
import type { Move, RunnerMemory } from './move.js';
import type { Goal, Observation } from './observation.js';
import type { Ask } from './plan.js';
import { outageDueMs } from './outage.js';
import { overrideInForce } from './override.js';
import { gatesDue, orderRefusal, type StepOrder } from './request.js';
import type { RolloutCommand, RolloutState, StepRequested, StepState } from './rollout.js';
import { MAX_ATTEMPTS } from './decide-steps.js';
import { inFlight, isKnown, lookAfterMs, nextPlanned, unknownStep, type Going, type Known } from './state.js';
import { rebootSpared, testReplaced } from './skipping.js';
import { STEP_RULES } from './steps/index.js';
import { isoOf, msOf } from './time.js';

/**
 * What the owner of a rollout does next: adopt, redo, look again, wait. Pure; the caller executes one move, folds what was
 * appended and asks again. After a crash the memory is empty, and an open step is looked at before anything else.
 */

/** Between two looks at the same thing, in milliseconds: a quarter of the time waited so far, within these bounds. */
export const LOOK_AGAIN_MIN_MS = 200;
export const LOOK_AGAIN_MAX_MS = 5_000;
/** An attempt that was seen not to have happened rests this long, in milliseconds, times its number. */
export const REST_MS = 500;

export function nextMove(state: RolloutState, memory: RunnerMemory, nowMs: number): Move {
  if (!isKnown(state)) return wait('There is no rollout yet.');
  if (state.owner?.incarnation !== memory.incarnation) return wait('Another incarnation owns the rollout.');
  return beforeClock(state, memory, nowMs, byStatus(state, memory, nowMs));
}

/** Clocks of mixed versions and of the outage run whatever else there is to do, and while a person holds, to the rollout's end. */
function beforeClock(state: Known, memory: RunnerMemory, nowMs: number, move: Move): Move {
  if (state.status === 'closed') return move;
  const { incarnation } = memory;
  const mixedMs = escalationDueMs(state) ?? Infinity;
  const outageMs = outageDueMs(state) ?? Infinity;
  if (nowMs > outageMs) return give({ type: 'RecordOutage', incarnation, at: isoOf(nowMs) });
  if (nowMs >= mixedMs) return give({ type: 'EscalateMixedVersions', incarnation, at: isoOf(nowMs) });
  const dueMs = Math.min(mixedMs, outageMs + 1);
  if (dueMs === Infinity) return move;
  if (move.move === 'wait') return { ...move, untilMs: dueMs };
  return move.move === 'sleep' && move.untilMs > dueMs ? { ...move, untilMs: dueMs } : move;
}

function byStatus(state: Known, memory: RunnerMemory, nowMs: number): Move {
  switch (state.status) {
    case 'planned':
      return towardsAdmission(state, memory, nowMs);
    case 'running':
    case 'recovering':
      // Nothing is admitted without a plan.
      return onTheMove(state as Going, memory, nowMs);
    case 'held':
      return wait('Held: a person resumes or aborts.');
    case 'frozen':
      return wait('Frozen: a person drives.');
    default:
      return wait('The rollout has ended.');
  }
}

function wait(because: string): Move {
  return { move: 'wait', because };
}

function sleep(untilMs: number, because: string): Move {
  return { move: 'sleep', untilMs, because };
}

function give(command: RolloutCommand): Move {
  return { move: 'command', command };
}

// ---------------------------------------------------------------- before admission and whenever evidence lapses

function towardsAdmission(state: Known, memory: RunnerMemory, nowMs: number): Move {
  if (state.plan === null) return gatesMove(state, memory, nowMs, 'A rollout without a plan is refused with its reasons.');
  const opensAtMs = msOf(state.planned.opensAt);
  if (nowMs < opensAtMs) return sleep(opensAtMs, 'The window has not opened.');
  if (state.planned.wave !== undefined && state.begun === null) return wait('Its wave has not begun.');
  return driftMove(state, memory, nowMs) ?? gatesMove(state, memory, nowMs, 'All gates have to be open.');
}

/** Asks for drift when there is no usable answer, and gives the answer its time; null = the gates can be judged. */
function driftMove(state: Known, memory: RunnerMemory, nowMs: number): Move | null {
  const { driftRequest, drift, planned } = state;
  const { environment } = planned.cluster;
  const open = driftRequest !== null && drift?.requestId !== driftRequest.requestId;
  if (open && nowMs < msOf(driftRequest.deadlineAt)) return sleep(msOf(driftRequest.deadlineAt), 'Drift is being assessed.');
  if (usable(state, nowMs)) return null;
  // An answer that did not come closes the gate, before the question is asked again.
  if (open && (memory.gatesEvaluatedAtMs ?? 0) < msOf(driftRequest.deadlineAt)) return null;
  // Nor is it asked again before its answer was shown to the gate, however long that took to come.
  if (!judged(state)) return null;
  const askAtMs = driftRequest === null ? nowMs : msOf(driftRequest.requestedAt) + RECHECK_MS[environment];
  if (nowMs < askAtMs) return sleep(askAtMs, 'Drift is assessed again.');
  const deadlineAt = isoOf(nowMs + DRIFT_ANSWER_MS[environment]);
  return give({
    type: 'RequestDriftAssessment',
    requestId: memory.nextRequestId,
    deadlineAt,
    incarnation: memory.incarnation,
    at: isoOf(nowMs),
  });
}

function usable(state: Known, nowMs: number): boolean {
  const { drift } = state;
  if (overrideInForce(state, 'drift', nowMs) !== undefined) return true;
  if (drift === null || drift.blocking.length > 0 || driftGaps(state, drift).length > 0) return false;
  return nowMs < msOf(drift.assessedAt) + maxAgeMs('drift', state.planned.playbook);
}

/** Has the newest answer been shown to the gate? */
function judged(state: Known): boolean {
  return state.drift === null || state.gates.drift?.evidence['requestId'] === state.drift.requestId;
}

function gatesMove(state: Known, memory: RunnerMemory, nowMs: number, because: string): Move {
  const lastMs = memory.gatesEvaluatedAtMs;
  const againMs = lastMs === null || !judged(state) ? nowMs : lastMs + RECHECK_MS[state.planned.cluster.environment];
  return nowMs < againMs ? sleep(againMs, 'A gate is not open.') : { move: 'evaluate-gates', because };
}

// ---------------------------------------------------------------- under way

function onTheMove(state: Going, memory: RunnerMemory, nowMs: number): Move {
  const open = inFlight(state) ?? unknownStep(state);
  if (open?.requested) return openStep({ state, step: open, requested: open.requested, memory, nowMs });
  const due = dueNow(state, nowMs);
  if (due.due === 'close') return closing(state, memory, nowMs);
  if (due.due !== 'nothing') return concludeMove(state, memory, nowMs);
  // Where no step is left, closing is due.
  return begin(state, nextPlanned(state) as StepState, memory, nowMs);
}

function concludeMove(state: Going, memory: RunnerMemory, nowMs: number): Move {
  const seen = memory.observation?.observation;
  const neighbours = seen?.neighbours === undefined ? {} : { neighbours: seen.neighbours };
  const { incarnation } = memory;
  const snapshot = seen?.snapshot ?? null;
  return give({ type: 'Conclude', incarnation, snapshot, ...neighbours, interruption: null, at: isoOf(nowMs) });
}

/** Closing says what runs: it needs a complete look from after the last outcome, for as long as one may be had. */
function closing(state: Going, memory: RunnerMemory, nowMs: number): Move {
  const last = state.steps.at(-1);
  if (last === undefined) return concludeMove(state, memory, nowMs);
  const seen = lookFor(state, memory, last.step.stepId);
  const waitedMs = nowMs - lookAfterMs(state);
  if (seen?.snapshot?.complete === true || (seen !== null && waitedMs > last.step.deadlineMs))
    return concludeMove(state, memory, nowMs);
  const made = madeFor(memory, last.step.stepId);
  return lookAgain(last, null, made, waitedMs, nowMs, 'The rollout ends with what runs now.');
}

/** The newest look made for this purpose, unless something has happened since. */
function lookFor(state: Going, memory: RunnerMemory, purpose: string): Observation | null {
  const seen = madeFor(memory, purpose);
  return seen === null || msOf(seen.at) < lookAfterMs(state) ? null : seen;
}

/** However old: what was recorded may be dated ahead of the time now, and looks are made at a pace all the same. */
function madeFor({ observation }: RunnerMemory, purpose: string): Observation | null {
  return observation?.forStep === purpose ? observation.observation : null;
}

function lookAgain(
  step: StepState,
  requested: StepRequested | null,
  last: Observation | null,
  waitedMs: number,
  nowMs: number,
  because: string,
): Move {
  const pauseMs = Math.min(Math.max(waitedMs / 4, LOOK_AGAIN_MIN_MS), LOOK_AGAIN_MAX_MS);
  const atMs = last === null ? nowMs : msOf(last.at) + pauseMs;
  return nowMs < atMs ? sleep(atMs, because) : { move: 'observe', step: step.step, requested, because };
}

function begin(state: Going, next: StepState, memory: RunnerMemory, nowMs: number): Move {
  const restMs = next.endedAt === null ? 0 : msOf(next.endedAt) + REST_MS * next.attempt;
  if (nowMs < restMs) return sleep(restMs, `${next.step.stepId} is tried again.`);
  if (gatesDue(state, next, nowMs))
    return driftMove(state, memory, nowMs) ?? gatesMove(state, memory, nowMs, 'Evidence has lapsed.');
  const skip = testReplaced(state, next, nowMs);
  if (skip !== null) return skipMove(next, skip, memory, nowMs);
  return STEP_RULES[next.step.kind].before.length === 0
    ? order(next, memory, nowMs, null)
    : beginOnLook(state, next, memory, nowMs);
}

function skipMove(next: StepState, reason: string, memory: RunnerMemory, nowMs: number): Move {
  return give({ type: 'SkipStep', stepId: next.step.stepId, reason, incarnation: memory.incarnation, at: isoOf(nowMs) });
}

function order(next: StepState, memory: RunnerMemory, nowMs: number, seen: Observation | null): Move {
  const { stepId } = next.step;
  const snapshot = seen?.snapshot ?? null;
  const neighbours = seen?.neighbours === undefined ? {} : { neighbours: seen.neighbours };
  return give({ type: 'RequestStep', stepId, incarnation: memory.incarnation, snapshot, ...neighbours, at: isoOf(nowMs) });
}

/** Irreversible steps are ordered on a fresh look. One that speaks against them is repeated until the step's own time is over. */
function beginOnLook(state: Going, next: StepState, memory: RunnerMemory, nowMs: number): Move {
  const seen = lookFor(state, memory, next.step.stepId);
  const sinceMs = lookAfterMs(state);
  const made = madeFor(memory, next.step.stepId);
  if (seen === null) return lookAgain(next, null, made, 0, nowMs, `${next.step.stepId} needs a fresh look.`);
  const deviation = deviationOf(state, seen);
  if (deviation !== null) {
    return give({ type: 'RecordDeviation', ...deviation, incarnation: memory.incarnation, at: isoOf(nowMs) });
  }
  if (rebootSpared(state, next)) {
    return skipMove(next, 'The patch source says that no reboot is pending.', memory, nowMs);
  }
  const looked: StepOrder = {
    snapshot: seen.snapshot ?? null,
    neighbours: seen.neighbours ?? null,
    at: isoOf(nowMs),
    incarnation: memory.incarnation,
  };
  if (orderRefusal(state, next, looked) === null) return order(next, memory, nowMs, seen);
  const waitedMs = nowMs - sinceMs;
  const overdue = waitedMs > next.step.deadlineMs && msOf(seen.at) - sinceMs >= next.step.deadlineMs;
  if (overdue && dueWithLook(state, looked).due !== 'nothing') return concludeMove(state, memory, nowMs);
  return lookAgain(next, null, seen, waitedMs, nowMs, `${next.step.stepId} may not begin yet.`);
}

// ---------------------------------------------------------------- a step without an outcome

/** A requested step whose outcome is not known, and who asks about it when. */
interface Open {
  readonly state: Going;
  readonly step: StepState;
  readonly requested: StepRequested;
  readonly memory: RunnerMemory;
  readonly nowMs: number;
}

/** Asked for by this incarnation and not done yet: do it. Everything else begins with a look; a verb is then gone on with. */
function openStep(open: Open): Move {
  const { state, requested, memory, nowMs } = open;
  const { step } = open.step;
  const ours = requested.incarnation === memory.incarnation && open.step.status === 'requested';
  if (ours && !performed(open)) return { move: 'perform', step, requested };
  const seen = lookFor(state, memory, requested.key);
  if (seen === null) {
    const made = madeFor(memory, requested.key);
    return lookAgain(open.step, requested, made, 0, nowMs, 'What became of the step decides what comes next.');
  }
  const goal = STEP_RULES[step.kind].goal(seen, state, step);
  if (resumes(open, goal, seen)) return { move: 'perform', step, requested };
  if (goal.goal !== 'unclear') return outcome(open, goal, seen);
  if (msOf(seen.at) <= msOf(requested.deadlineAt)) {
    return lookAgain(
      open.step,
      requested,
      seen,
      nowMs - msOf(requested.at),
      nowMs,
      'What became of the step cannot be told yet.',
    );
  }
  // Aborted, and recorded as unknown already: the rollout closes with what remains.
  const told = open.step.status === 'unknown' && state.abortRequested !== null;
  return told ? concludeMove(state, memory, nowMs) : outcome(open, goal, seen);
}

/**
 * Verbs are goals: asked for again under the same key, one goes on where reality is, and every act of it is entered in the
 * hosts' journals. So what an incarnation before this one, or a freeze, left half done is brought to its end under its own
 * deadline; only after that is it a failed attempt, or cannot be told.
 */
function resumes(open: Open, goal: Goal, seen: Observation): boolean {
  const { ask, deadlineAt } = open.requested;
  if (ask.ask !== 'verb' || goal.goal === 'met' || open.nowMs >= msOf(deadlineAt)) return false;
  const said = seen.performed;
  return !performed(open) || (said?.status === 'unknown' && said.cause === 'frozen');
}

function performed(open: Open): boolean {
  return open.memory.performed?.key === open.requested.key;
}

function outcome(open: Open, goal: Goal, seen: Observation): Move {
  const { stepId, attempt } = open.requested;
  const serving = tellsServing(open.requested.ask, goal) ? servingIn(seen, open.state.planned.workload) : undefined;
  return give({
    type: 'RecordOutcome',
    stepId,
    attempt,
    outcome: OUTCOMES[goal.goal],
    adopted: goal.goal === 'met' && !performed(open),
    reason: goal.goal === 'met' ? '' : saidOf(goal.reason, seen),
    evidence: goal.evidence,
    mayRepeat: goal.goal === 'unmet' && mayRepeat(goal, seen, attempt),
    ...(seen.interruption === undefined ? {} : { interruption: seen.interruption }),
    ...(serving === undefined ? {} : { serving }),
    incarnation: open.memory.incarnation,
    at: isoOf(open.nowMs),
  });
}

/**
 * Where a step that moves no workload did what it should and the workload is elsewhere, that is a deviation, for the next step's
 * look to tell; so it is after a job. What failed may have failed because of it, and the way back has to know.
 */
function tellsServing(ask: Ask, { goal }: Goal): boolean {
  if (ask.ask === 'job') return false;
  return goal !== 'met' || (ask.ask === 'verb' && MOVING_VERBS.includes(ask.verb));
}

const MOVING_VERBS: readonly Verb[] = ['switchover', 'start', 'stop'];

const OUTCOMES = { met: 'succeeded', unmet: 'failed', unclear: 'unknown' } as const;

function saidOf(reason: string, seen: Observation): string {
  const said = seen.performed;
  return said === undefined || said.status === 'done' ? reason : `${reason} ${said.reason}`;
}

/**
 * Seen not to have happened: tried again, a bounded number of times. Not where the performer knows that it cannot be done or
 * the job ended badly; except that a cluster in which nobody serves and nothing was promoted is tried again all the same.
 */
function mayRepeat(goal: Goal, seen: Observation, attempt: number): boolean {
  if (attempt >= MAX_ATTEMPTS) return false;
  const { writers } = goal.evidence;
  if (Array.isArray(writers) && writers.length === 0) return true;
  return seen.performed?.status !== 'stuck' && !(seen.job?.status === 'exited' && seen.job.code !== 0);
}

/** Who serves, where a complete look shows at most one writer; undefined = could not be told. */
function servingIn(seen: Observation, workload: string): string | null | undefined {
  const { snapshot } = seen;
  if (snapshot === undefined || !snapshot.complete) return undefined;
  const active = snapshot.nodes.filter((node) => node.roles[workload] === 'active' && node.writable === true);
  return active.length > 1 ? undefined : (active[0]?.node ?? null);
}
