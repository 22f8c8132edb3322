import { writableNodes, type ClusterSnapshot } from '@understudy/cluster';
import type { MeasuredInterruption } from './observation.js';
import { remains } from './left-behind.js';
import { lossWords } from './loss.js';
import { awayByUs, doesNotComeBack, mayTurnBack } from './outage.js';
import { afterFailure, givingUp, takingBack, type Way } from './recovery.js';
import { orderRefusal, outOfTime, type StepOrder } from './request.js';
import type { RollbackRequested, RolloutResult, RolloutState, StepState } from './rollout.js';
import { atSafePoint, inFlight, nextPlanned, openFailure, reasonOf, unknownStep, type Going } from './state.js';
import { testVerdict } from './switchover-test.js';
import { msOf } from './time.js';
import { nodesOfWish, rollbackRefusal } from './way-back.js';

/** What is due where a rollout stands. Decide acts on it, the runner asks for it: one function, so that they agree. */
export type Conclusion =
  | { readonly due: 'nothing' }
  | {
      readonly due: 'hold';
      readonly reason: string;
      readonly whoCanChangeIt: string;
      /** A person's wish to roll back cannot be carried out any more: it ends here. */ readonly dropsRollback?: true;
    }
  | { readonly due: 'recover'; readonly way: Way }
  | { readonly due: 'close'; readonly result: RolloutResult; readonly reason: string };

const OPERATOR = 'an operator: resume after a look, or abort';
/** Taking back what is installed is still open, unless its way back is not proven: then that is refused, and why. */
const WHOEVER_BRINGS_BACK = 'an operator: resume to start it again, roll back to the version before, or abort';

/** What is due whatever the cluster looks like now. `nothing`: go on with the next step. */
export function dueNow(state: Going, nowMs: number): Conclusion {
  if (inFlight(state) !== undefined) return { due: 'nothing' };
  return (
    afterUnknown(state) ??
    afterFailed(state) ??
    onWayBack(state) ??
    afterOutage(state) ??
    afterWish(state) ??
    beforeNext(state, nowMs)
  );
}

/** What is due with this look: also that the next step would break a rule. */
export function dueWithLook(state: Going, order: StepOrder): Conclusion {
  return withLoss(state, order.snapshot, dueOnLook(state, order));
}

/** Where nobody is seen to serve, a person is told what bringing up another node would lose; nobody else does it. */
function withLoss(state: Going, snapshot: ClusterSnapshot | null, due: Conclusion): Conclusion {
  if (due.due !== 'hold' || snapshot === null || awayByUs(state) || writableNodes(snapshot).length > 0) return due;
  return { ...due, reason: `${due.reason} No node was seen to serve in the last look. ${lossWords(state, snapshot)}` };
}

function dueOnLook(state: Going, order: StepOrder): Conclusion {
  const due = dueNow(state, msOf(order.at));
  const next = nextPlanned(state);
  const busy = inFlight(state) ?? unknownStep(state);
  if (due.due !== 'nothing' || next === undefined || busy !== undefined) return due;
  const refusal = orderRefusal(state, next, order);
  if (refusal === null || refusal.accepted) return due;
  const reasons = refusal.refusals.map((reason) => `${reason.detail} (${reason.code})`);
  return { due: 'hold', reason: `${next.step.stepId} may not begin: ${reasons.join(' ')}`, whoCanChangeIt: OPERATOR };
}

function afterUnknown(state: Going): Conclusion | null {
  const unknown = unknownStep(state);
  if (unknown === undefined) return null;
  if (state.abortRequested === null) return { due: 'nothing' };
  return {
    due: 'close',
    result: 'needs-attention',
    reason: `Aborted, and what became of ${unknown.step.stepId} could not be told.`,
  };
}

function afterFailed(state: Going): Conclusion | null {
  const failed = openFailure(state);
  if (failed === undefined) return null;
  const down = doesNotComeBack(state);
  if (state.rollbackRequested !== null && down) return turningBack(state, state.rollbackRequested);
  if (state.abortRequested !== null) return abortAfter(state, failed);
  if (state.rollbackRequested !== null && state.recovery === null) return turningBack(state, state.rollbackRequested);
  const way = afterFailure(state, failed);
  const whoCanChangeIt = down ? WHOEVER_BRINGS_BACK : OPERATOR;
  return way.possible ? { due: 'recover', way } : { due: 'hold', reason: way.because, whoCanChangeIt };
}

/** What has happened since it was asked for may stand against it now: the point of no return, a node that serves. */
function turningBack(state: Going, wish: RollbackRequested): Conclusion {
  const refusal = rollbackRefusal(state, nodesOfWish(state, wish));
  if (refusal === null) return { due: 'recover', way: takingBack(state, wish) };
  const reason = `${wish.by} asked to roll back (${wish.reason}), and that cannot be done any more: ${refusal.detail}`;
  return { due: 'hold', reason, whoCanChangeIt: OPERATOR, dropsRollback: true };
}

function abortAfter(state: Going, failed: StepState): Conclusion {
  const reason = `Aborted after ${failed.step.stepId} had failed: ${reasonOf(failed)}`;
  // The way back was the abort's own: nobody has been told yet that it leaves the workload down. Another abort ends it there.
  if (doesNotComeBack(state) && state.recovery?.result === 'aborted')
    return { due: 'hold', reason: `${reason} The workload is down.`, whoCanChangeIt: WHOEVER_BRINGS_BACK };
  const lost = state.serving === null && !awayByUs(state);
  if (state.recovery !== null || lost) return { due: 'close', result: 'needs-attention', reason };
  return { due: 'recover', way: givingUp(state, reason, failed.step.stepId, 'aborted') };
}

function onWayBack(state: Going): Conclusion | null {
  if (state.recovery === null) return null;
  if (nextPlanned(state) === undefined) return { due: 'close', result: state.recovery.result, reason: state.recovery.because };
  return holdAsked(state) ?? { due: 'nothing' };
}

/** Over the outage budget: with the workload away it comes back before anything else; once it is back, a person looks. */
function afterOutage(state: Going): Conclusion | null {
  const { exceededAt, told } = state.outage;
  if (exceededAt === null) return null;
  if (!awayByUs(state)) {
    const reason = `The approved outage budget was used up at ${exceededAt}.`;
    return told || !atSafePoint(state) ? null : { due: 'hold', reason, whoCanChangeIt: OPERATOR };
  }
  const because = 'The approved outage budget was used up: the workload is brought back with what is installed.';
  return { due: 'recover', way: givingUp(state, because, null, 'failed') };
}

function afterWish(state: Going): Conclusion | null {
  const verdict = testVerdict(state);
  if (verdict.verdict === 'failed') return { due: 'recover', way: givingUp(state, verdict.reason, verdict.stepId, 'failed') };
  const { abortRequested, rollbackRequested } = state;
  if (rollbackRequested !== null && mayTurnBack(state)) {
    const turn = turningBack(state, rollbackRequested);
    if (turn.due === 'recover' || abortRequested === null) return turn;
  }
  if (abortRequested !== null && mayTurnBack(state)) {
    const because = `Aborted by ${abortRequested.by}: ${abortRequested.reason}`;
    return { due: 'recover', way: givingUp(state, because, null, 'aborted') };
  }
  return holdAsked(state);
}

function holdAsked(state: Going): Conclusion | null {
  const { holdRequested } = state;
  if (holdRequested === null || !atSafePoint(state)) return null;
  return { due: 'hold', reason: holdRequested.reason, whoCanChangeIt: OPERATOR };
}

function beforeNext(state: Going, nowMs: number): Conclusion {
  const next = nextPlanned(state);
  if (next === undefined) return { due: 'close', result: 'succeeded', reason: 'Every step succeeded.' };
  const late = outOfTime(state, next, nowMs);
  return late === null ? { due: 'nothing' } : { due: 'recover', way: givingUp(state, late.detail, next.step.stepId, 'aborted') };
}

/** Whatever closes with something left behind says so. */
export function honestResult(
  state: RolloutState,
  result: RolloutResult,
  snapshot: ClusterSnapshot | null,
): { readonly result: RolloutResult; readonly remains: ReturnType<typeof remains> } {
  const left = remains(state, snapshot);
  return left.length > 0 ? { result: 'needs-attention', remains: left } : { result, remains: left };
}

/** The whole measurement, as the probe gave it when it was stopped; never anything else. */
export function measurementOf(state: RolloutState): MeasuredInterruption {
  const stopped = state.steps.find((step) => step.step.kind === 'stop-probe' && step.status === 'succeeded');
  return stopped?.interruption ?? { measured: false, reason: 'The probe gave no measurement.' };
}
