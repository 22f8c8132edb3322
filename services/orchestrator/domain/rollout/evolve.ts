import { withWritten } from './loss.js';
import { escalated, withMixedClock } from './mixed-versions.js';
import { lapsedGate, lapsedWithPlan, withOverride } from './override.js';
import { withOutage } from './outage.js';
import type { PlannedStep } from './plan.js';
import type { RolloutEvent, RolloutState, StepOutcome, StepState, StepStatus } from './rollout.js';
import { INITIAL, isOpenFailure, moving, resumedAs, standbyBegun } from './state.js';

type Data<T extends RolloutEvent['type']> = Extract<RolloutEvent, { type: T }>['data'];
type Handlers = { readonly [T in RolloutEvent['type']]: (state: RolloutState, data: Data<T>) => RolloutState };

/** Folds one fact into the state. Refuses nothing: what happened, happened, and what breaks a rule is judged elsewhere. */
export function evolve(state: RolloutState, event: RolloutEvent): RolloutState {
  const handler = HANDLERS[event.type] as (state: RolloutState, data: RolloutEvent['data']) => RolloutState;
  return withWritten(withOutage(withMixedClock(handler(state, event.data), event), event), event);
}

const HANDLERS: Handlers = {
  RolloutPlanned: (_state, data) => ({
    ...INITIAL,
    status: 'planned',
    planned: data,
    plan: data.plan,
    binding: data.binding,
    topologyFingerprint: data.topologyFingerprint,
    steps: (data.plan?.steps ?? []).map(untouched),
    serving: data.plan?.originalActive ?? null,
    originalActive: data.plan?.originalActive ?? null,
  }),
  PlanRevised: revised,
  DowntimePlanOffered: (state, data) => ({ ...state, downtimePlan: data }),
  RolloutApproved: (state, data) => ({ ...state, approval: data }),
  TicketRecorded: (state, data) => ({ ...state, ticket: data }),
  DriftAssessmentRequested: (state, data) => ({
    ...state,
    driftRequest: { requestId: data.requestId, deadlineAt: data.deadlineAt, requestedAt: data.at },
  }),
  DriftAssessmentReceived: (state, data) => ({ ...state, drift: data }),
  GateEvaluated: (state, data) => ({ ...state, gates: { ...state.gates, [data.gate]: data } }),
  RolloutBegun: (state, data) => ({ ...state, begun: data }),
  RolloutAdmitted: (state, data) => ({ ...state, status: 'running', admitted: data, lookAfter: data.at }),
  RolloutAdopted: (state, data) => ({ ...state, owner: data, lookAfter: data.at }),
  StepRequested: requested,
  StepSucceeded: (state, data) => succeeded(ended(state, data, 'succeeded', { adopted: data.adopted }), data),
  StepFailed: (state, data) => ended(state, data, data.mayRepeat ? 'planned' : 'failed', { reason: data.reason }),
  StepUnknown: (state, data) => ended(state, data, 'unknown', { reason: data.reason }),
  StepSkipped: (state, data) =>
    withStep(state, data.stepId, (step) => ({ ...step, status: 'skipped', reason: data.reason, endedAt: data.at })),
  DeadlineMissed: (state) => state,
  DeviationRecorded: (state, data) => ({
    ...state,
    deviations: [...state.deviations, data.what],
    serving: data.serving === undefined ? state.serving : data.serving,
    lookAfter: data.at,
  }),
  PointOfNoReturnPassed: (state) => ({ ...state, pointOfNoReturnPassed: true }),
  HoldRequested: (state, data) => ({ ...state, holdRequested: { by: data.by, reason: data.reason } }),
  RolloutHeld: (state, data) => ({
    ...state,
    status: state.status === 'frozen' || state.status === 'closed' ? state.status : 'held',
    held: { reason: data.reason, since: data.at, whoCanChangeIt: data.whoCanChangeIt },
    holdRequested: null,
    rollbackRequested: data.dropsRollback === true ? null : state.rollbackRequested,
  }),
  RolloutResumed: resumed,
  RolloutFrozen: (state, data) => ({
    ...state,
    status: 'frozen',
    frozen: { by: data.by, reason: data.reason, since: data.at },
  }),
  AbortRequested: (state, data) => ({
    ...state,
    status: state.status === 'held' ? moving(state) : state.status,
    held: null,
    holdRequested: null,
    abortRequested: { by: data.by, reason: data.reason },
    lookAfter: data.at,
  }),
  RollbackRequested: (state, data) => ({
    ...state,
    status: state.status === 'held' ? moving(state) : state.status,
    held: null,
    holdRequested: null,
    rollbackRequested: data,
    lookAfter: data.at,
  }),
  InvariantBreached: (state, data) => ({ ...state, breaches: [...state.breaches, data.number] }),
  MixedVersionsEscalated: (state, data) => ({ ...state, mixed: escalated(state.mixed, data) }),
  OutageBudgetExceeded: (state) => state,
  OverrideRequested: (state, data) => ({
    ...state,
    overrides: withOverride(state.overrides, { type: 'OverrideRequested', data }),
  }),
  OverrideConfirmed: (state, data) => ({
    ...state,
    overrides: withOverride(state.overrides, { type: 'OverrideConfirmed', data }),
  }),
  OverrideWithdrawn: (state, data) => ({
    ...state,
    overrides: withOverride(state.overrides, { type: 'OverrideWithdrawn', data }),
    gates: lapsedGate(state.gates, data.gate, data.at),
  }),
  RolloutClosed: (state, data) => ({ ...state, status: 'closed', held: null, closed: data }),
};

function untouched(step: PlannedStep): StepState {
  return {
    step,
    status: 'planned',
    attempt: 0,
    requested: null,
    reason: null,
    endedAt: null,
    interruption: null,
    adopted: false,
  };
}

/**
 * The end of a hold lets failed steps be tried again: a person has looked. The end of a freeze does not: it may be the whole
 * fleet's, and says nothing about why this rollout was held, or was about to be.
 */
function resumed(state: RolloutState, { at }: Data<'RolloutResumed'>): RolloutState {
  const on = { ...state, status: resumedAs(state), frozen: null, lookAfter: at };
  if (state.frozen !== null) return on;
  const steps = state.steps.map((step) => (isOpenFailure(state, step) ? { ...step, status: 'planned' as const } : step));
  return { ...on, held: null, holdRequested: null, steps };
}

/**
 * Steps that have begun keep what is known of them; the others are as the new plan says. On the way back nothing of the way
 * there is tried again: what waited for another attempt has failed.
 */
function revised(state: RolloutState, data: Data<'PlanRevised'>): RolloutState {
  const kept = state.steps.filter((step) => step.attempt > 0 || step.status !== 'planned');
  const begun = new Map(kept.map((step) => [step.step.stepId, data.recovery === null ? step : notAgain(step)]));
  const steps = data.plan.steps.map((step) => begun.get(step.stepId) ?? untouched(step));
  const failed = steps.filter(({ status }) => status === 'failed').map(({ step }) => step.stepId);
  return {
    ...state,
    plan: data.plan,
    binding: data.binding,
    topologyFingerprint: data.topologyFingerprint,
    steps,
    gates: data.recovery === null ? lapsedWithPlan(state.gates, data.at) : state.gates,
    recovery: data.recovery ?? state.recovery,
    answered: data.recovery === null ? state.answered : failed,
    status: data.recovery === null ? state.status : 'recovering',
    serving: state.admitted === null ? data.plan.originalActive : state.serving,
    originalActive: state.admitted === null ? data.plan.originalActive : state.originalActive,
  };
}

function notAgain(step: StepState): StepState {
  return step.status === 'planned' ? { ...step, status: 'failed' } : step;
}

function withStep(state: RolloutState, stepId: string, change: (step: StepState) => StepState): RolloutState {
  return { ...state, steps: state.steps.map((step) => (step.step.stepId === stepId ? change(step) : step)) };
}

function stepOf(state: RolloutState, stepId: string): PlannedStep | undefined {
  return state.steps.find((step) => step.step.stepId === stepId)?.step;
}

function ended(state: RolloutState, data: StepOutcome, status: StepStatus, more: Partial<StepState>): RolloutState {
  const next = withStep(state, data.stepId, (step) => ({
    ...step,
    ...more,
    status,
    endedAt: data.at,
    interruption: data.interruption ?? step.interruption,
  }));
  return { ...next, serving: data.serving === undefined ? state.serving : data.serving, lookAfter: data.at };
}

type Out = RolloutState['out'];

function atStage(out: Out, node: string, stage: Out[number]['stage']): Out {
  return [...out.filter((entry) => entry.node !== node), { node, stage }];
}

function without(nodes: readonly string[], node: string): readonly string[] {
  return nodes.filter((candidate) => candidate !== node);
}

/** From the moment we ask, the effect may be there: a node that is being drained counts as out. */
function requested(state: RolloutState, data: Data<'StepRequested'>): RolloutState {
  const next = withStep(state, data.stepId, (step) => ({ ...step, status: 'requested', attempt: data.attempt, requested: data }));
  const step = stepOf(state, data.stepId);
  if (step?.kind === 'start-probe') return { ...next, probeRunning: true };
  const begun = {
    ...next,
    originalActive: step?.phase === 'standby' && !standbyBegun(state) ? state.serving : state.originalActive,
  };
  if (step?.node === undefined) return begun;
  if (step.kind === 'drain' || step.kind === 'stop')
    return {
      ...begun,
      rebootNeeded: { ...state.rebootNeeded, [step.node]: false },
      out: atStage(state.out, step.node, 'draining'),
    };
  if (step.kind === 'patch' || step.kind === 'unpatch') return { ...begun, validated: without(state.validated, step.node) };
  return begun;
}

function succeeded(state: RolloutState, data: StepOutcome): RolloutState {
  const step = stepOf(state, data.stepId);
  if (step?.kind === 'stop-probe') return { ...state, probeRunning: false };
  return step?.node === undefined ? state : nodeStepSucceeded(state, step, step.node, data);
}

/** Several items on one node add up: one that needs a reboot, or cannot tell, decides for all. */
function withReboot(state: RolloutState, node: string, data: StepOutcome): RolloutState {
  const said = data.evidence['rebootNeeded'];
  const now = typeof said === 'boolean' ? said : null;
  const all = [state.rebootNeeded[node], now].filter((answer) => answer !== undefined);
  const sum = all.includes(true) ? true : all.includes(null) ? null : false;
  return { ...state, rebootNeeded: { ...state.rebootNeeded, [node]: sum } };
}

function nodeStepSucceeded(state: RolloutState, step: PlannedStep, node: string, data: StepOutcome): RolloutState {
  switch (step.kind) {
    case 'stop':
      return {
        ...state,
        serving: state.serving === node ? null : state.serving,
        out: atStage(state.out, node, 'drained'),
      };
    case 'start':
      return {
        ...state,
        serving: node,
        out: state.out.filter((entry) => entry.node !== node),
      };
    case 'drain':
      return { ...state, out: atStage(state.out, node, 'drained') };
    case 'patch':
      return {
        ...withReboot(state, node, data),
        patched: [...without(state.patched, node), node],
        unpatched: without(state.unpatched, node),
      };
    case 'unpatch':
      return {
        ...withReboot(state, node, data),
        patched: without(state.patched, node),
        unpatched: [...without(state.unpatched, node), node],
      };
    case 'join':
      return { ...state, out: atStage(state.out, node, 'joined') };
    case 'validate':
      return {
        ...state,
        validated: [...without(state.validated, node), node],
        out: state.out.map((entry) => (entry.node === node ? { node, stage: 'validated' } : entry)),
      };
    case 'release':
      return { ...state, out: state.out.filter((entry) => entry.node !== node) };
    case 'switchover':
      return { ...state, serving: node };
    default:
      return state;
  }
}
