import type { RolloutEvent, StepRequested } from '@understudy/orchestrator-domain';
import { comeBackMs, judgeAdmission, judgeGates, judgePlan } from './judge-gates.js';
import { judgeClose } from './judge-close.js';
import { judgeShownBefore } from './judge-looks.js';
import type { Judge } from './judge.js';
import { judgeHostStep, judgeOutcome, judgeSwitchover } from './judge-steps.js';
import type { RolloutRecord, StepRecord } from './record.js';
import { DURATIONS_MS } from './fleet.js';

/** Each event of a rollout against the invariants, before it is folded. */

type Rules = {
  readonly [T in RolloutEvent['type']]?: (
    judge: Judge,
    kept: RolloutRecord,
    data: Extract<RolloutEvent, { type: T }>['data'],
    rolloutId: string,
  ) => void;
};

export function judgeEvent(judge: Judge, rolloutId: string, kept: RolloutRecord, event: RolloutEvent): void {
  judge.when(kept.closed !== null, 'order', () => `${event.type} after ${rolloutId} had ended.`);
  const rule = RULES[event.type] as
    ((judge: Judge, kept: RolloutRecord, data: RolloutEvent['data'], rolloutId: string) => void) | undefined;
  rule?.(judge, kept, event.data, rolloutId);
}

const HOST_STEPS: readonly string[] = ['drain', 'patch', 'unpatch', 'reboot'];

const RULES: Rules = {
  RolloutPlanned: (judge, _kept, data) => judgePlan(judge, data),
  RolloutApproved: (judge, kept, data) => {
    judge.when(data.by === kept.planned?.plannedBy, '15', () => `${data.by} approves what ${data.by} planned.`);
  },
  DriftAssessmentReceived: (judge, kept, data) => {
    judge.when(
      data.requestId !== kept.driftAsked,
      '16',
      () => `An answer to ${data.requestId} counts, and ${kept.driftAsked} was asked.`,
    );
    judge.when(data.requestId === kept.driftAnswered, '16', () => `The answer to ${data.requestId} counts twice.`);
  },
  GateEvaluated: (judge, _kept, data) => {
    if (data.status === 'open' && 'passedOver' in data.evidence) judge.window.note('compared without a node');
  },
  RolloutAdmitted: judgeAdmission,
  RolloutAdopted: (judge, kept, data) => {
    judge.window.note('adopted');
    const { owner } = kept;
    if (owner === null || owner.instance === data.instance) return;
    judge.when(
      judge.window.hasLease(owner.incarnation),
      '5',
      () => `${data.instance} takes over from ${owner.instance}, whose lease lasts.`,
    );
  },
  StepRequested: judgeRequest,
  StepSucceeded: (judge, kept, data) => judgeOutcome(judge, kept, data, 'succeeded'),
  StepFailed: (judge, kept, data) => judgeOutcome(judge, kept, data, 'failed'),
  StepUnknown: (judge, kept, data) => judgeOutcome(judge, kept, data, 'unknown'),
  StepSkipped: (judge, kept, data) => {
    const step = kept.step(data.stepId);
    if (step === undefined) return;
    const { kind, phase, node } = step.step;
    judge.when(kind !== 'reboot' && phase !== 'switchover-test', '9', () => `${data.stepId} is left out.`);
    judge.when(
      kind === 'reboot' && !saidNoReboot(kept, node ?? ''),
      '9',
      () => `${data.stepId} is left out, and a reboot is due.`,
    );
  },
  HoldRequested: (judge, _kept, data) => allowed(judge, data.by),
  RolloutFrozen: (judge, _kept, data) => allowed(judge, data.by),
  AbortRequested: (judge, _kept, data) => allowed(judge, data.by),
  RollbackRequested: (judge, _kept, data) => allowed(judge, data.by),
  PlanRevised: (judge, kept, data) => {
    if (data.recovery !== null && kept.rollbackAsked !== null) judge.window.note('turned back by a person');
  },
  RolloutResumed: (judge, _kept, data) => allowed(judge, data.by),
  RolloutHeld: (judge, _kept, data) => {
    judge.window.note('held');
    if (data.dropsRollback === true) judge.window.note('too late to turn back');
    judge.when(data.reason === '' || data.whoCanChangeIt === '', 'liveness', () => 'It holds, and does not say why or for whom.');
  },
  RolloutClosed: (judge, kept, data, rolloutId) => judgeClose(judge, kept, data, rolloutId),
};

function allowed(judge: Judge, by: string): void {
  judge.when(by === 'vera', '15', () => 'vera is a viewer, and steers.');
}

/** After the last change of its software every item's source said that no reboot is pending. */
function saidNoReboot(kept: RolloutRecord, node: string): boolean {
  const drained = kept.steps.findLastIndex((each) => each.step.kind === 'drain' && each.step.node === node && each.attempt > 0);
  return kept.steps
    .slice(drained + 1)
    .filter(
      ({ step, status }) => step.node === node && (step.kind === 'patch' || step.kind === 'unpatch') && status === 'succeeded',
    )
    .every(({ evidence }) => evidence['rebootNeeded'] === false);
}

function judgeRequest(judge: Judge, kept: RolloutRecord, data: StepRequested, rolloutId: string): void {
  const step = kept.step(data.stepId);
  if (step === undefined) {
    judge.breach('6', `${data.stepId} is no step of the plan.`);
    return;
  }
  inOrder(judge, kept, step, data, rolloutId);
  steered(judge, kept, step);
  const repairs = step.step.kind === 'switchover' && data.attempt > 1;
  if (!repairs && step.step.phase !== 'recovery') {
    inTime(judge, kept, step, data);
    if (HOST_STEPS.includes(step.step.kind) || step.step.kind === 'switchover') judgeGates(judge, kept, data);
  }
  afterTest(judge, kept, step);
  onFreshLook(judge, kept, step, data);
  judgeShownBefore(judge, kept, step);
  if (HOST_STEPS.includes(step.step.kind)) judgeHostStep(judge, kept, step, data);
  if (step.step.kind === 'switchover') judgeSwitchover(judge, kept, step, data);
}

/** A look older than this, in milliseconds, is no ground for what cannot be undone. */
const LOOK_MAX_AGE_MS = 15_000;

function onFreshLook(judge: Judge, kept: RolloutRecord, { step }: StepRecord, data: StepRequested): void {
  if (!HOST_STEPS.includes(step.kind) && step.kind !== 'switchover') return;
  const seenMs = Date.parse(String(data.evidence['observedAt'] ?? ''));
  judge.when(Number.isNaN(seenMs), '1', () => `${step.stepId} is asked for without a look.`);
  judge.when(Date.parse(data.at) - seenMs > LOOK_MAX_AGE_MS, '1', () => `${step.stepId} is asked for on an old look.`);
  judge.when(seenMs < kept.lookAfterMs, '1', () => `${step.stepId} is asked for on a look from before the last outcome.`);
  if (step.kind !== 'unpatch') return;
  const proven = kept.inputs?.wayBack.find((each) => each.node === step.node)?.proven;
  judge.when(proven !== true, 'rollback', () => `${step.stepId} is asked for, and the way back of ${step.node} was not proven.`);
  judge.when(
    kept.passedNoReturn && kept.patched.has(step.node ?? ''),
    'rollback',
    () => `${step.stepId} is asked for after the point of no return.`,
  );
}

function inOrder(judge: Judge, kept: RolloutRecord, step: StepRecord, data: StepRequested, rolloutId: string): void {
  const what = `${data.stepId}, attempt ${data.attempt}`;
  judge.when(kept.admittedHosts === null, '10', () => `${what} is asked for before it was admitted.`);
  judge.when(data.incarnation !== kept.owner?.incarnation, '5', () => `${what} is asked for by somebody who does not own it.`);
  judge.when(data.key !== `${rolloutId}/${data.stepId}/${data.attempt}`, '6', () => `${what} has the key ${data.key}.`);
  judge.when(data.attempt !== step.attempt + 1, '6', () => `${what} follows attempt ${step.attempt}.`);
  judge.when(step.status !== 'planned', '6', () => `${what} is asked for, and it is ${step.status}.`);
  judge.when(Date.parse(data.deadlineAt) <= Date.parse(data.at), '7', () => `${what} has no time.`);
  const open = kept.steps.find((each) => each.status === 'requested' || each.status === 'unknown');
  judge.when(open !== undefined, '6', () => `${what} is asked for, and ${open?.step.stepId} has no outcome.`);
  judge.when(kept.inRecovery && step.step.phase !== 'recovery', 'order', () => `${what} is asked for on the way back.`);
  const before = kept.steps.slice(0, kept.steps.indexOf(step)).find((each) => each.status === 'planned');
  judge.when(before !== undefined, 'order', () => `${what} comes before ${before?.step.stepId}.`);
}

/** Hold and abort act at the next safe point, a freeze before the next act. */
function steered(judge: Judge, kept: RolloutRecord, { step }: StepRecord): void {
  judge.when(kept.owesHold, 'order', () => `${step.stepId} is asked for after a deviation that nobody was held for.`);
  judge.when(kept.stands !== null, 'order', () => `${step.stepId} is asked for, and the rollout is ${kept.stands}.`);
  const isSafe = kept.last?.step.safePointAfter !== false;
  const failed = kept.steps.some((each) => each.status === 'planned' && each.attempt > 0);
  if (!isSafe || failed) return;
  judge.when(
    kept.holdAsked && kept.believesServing,
    'order',
    () => `${step.stepId} is asked for at a safe point, and somebody asked to hold.`,
  );
  judge.when(
    kept.abortAsked && !kept.inRecovery && kept.believesServing,
    'order',
    () => `${step.stepId} is asked for at a safe point, and somebody aborted.`,
  );
  judge.when(
    kept.rollbackAsked !== null && !kept.inRecovery && kept.believesServing,
    'order',
    () => `${step.stepId} is asked for at a safe point, and somebody wants it taken back.`,
  );
}

/** Nothing is begun that could not be taken back inside the window. */
function inTime(judge: Judge, kept: RolloutRecord, { step }: StepRecord, data: StepRequested): void {
  if (step.kind !== 'drain' && step.kind !== 'patch' && step.kind !== 'switchover') return;
  if (!kept.believesServing) return;
  const begun = kept.steps.filter((each) => each.attempt > 0 || each.step === step).map((each) => each.step);
  const lastMs = Date.parse(kept.planned?.closesAt ?? '') - comeBackMs(begun) - DURATIONS_MS[step.kind];
  judge.when(
    Date.parse(data.at) > lastMs,
    'budget',
    () => `${step.stepId} begins ${Date.parse(data.at) - lastMs} ms too late to come back.`,
  );
}

/** No rollout passes the switchover test without a result that holds. */
function afterTest(judge: Judge, kept: RolloutRecord, { step }: StepRecord): void {
  if (step.phase !== 'standby' && step.phase !== 'switchover' && step.phase !== 'original') return;
  const tests = kept.steps.filter((each) => each.step.phase === 'switchover-test' && each.step.kind !== 'pause');
  const budgetMs = kept.planned?.playbook.phases.interruptionBudgetMs ?? 0;
  const bad = tests.find((each) => {
    if (each.status === 'skipped') return (kept.planned?.switchoverResult ?? null) === null;
    if (each.status !== 'succeeded') return true;
    return each.step.kind === 'switchover'
      ? each.longestMs === null || each.longestMs > budgetMs
      : (each.longestMs ?? 0) > budgetMs;
  });
  judge.when(bad !== undefined, '11', () => `${step.stepId} is asked for, and ${bad?.step.stepId} did not pass.`);
  judge.when(
    tests.length === 0 && (kept.planned?.switchoverResult ?? null) === null,
    '11',
    () => `${step.stepId} is asked for, and no switchover was tested.`,
  );
}
