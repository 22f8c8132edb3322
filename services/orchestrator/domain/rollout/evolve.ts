import { tableOf } from '@understudy/cluster';
import { withWritten } from './loss.js';
import { escalated, withMixedClock } from './mixed-versions.js';
import { lapsedGate, lapsedWithPlan, withOverride } from './override.js';
import { withOutage } from './outage.js';
import type { PlannedStep } from './plan.js';
import type { GateEvaluated, RolloutEvent, RolloutState, StepOutcome, StepState, StepStatus } from './rollout.js';
import { changedState, changedStep, INITIAL, isOpenFailure, moving, resumedAs, standbyBegun, stepNamed } from './state.js';

type Data<T extends RolloutEvent['type']> = Extract<RolloutEvent, { type: T }>['data'];
type Changes = Partial<RolloutState>;
type Handlers = { readonly [T in RolloutEvent['type']]: (state: RolloutState, data: Data<T>) => Changes };

/** Folds one fact into the state. Refuses nothing: what happened, happened, and what breaks a rule is judged elsewhere. */
export function evolve(state: RolloutState, event: RolloutEvent): RolloutState {
  const handler = HANDLERS[event.type] as (state: RolloutState, data: RolloutEvent['data']) => Changes;
  const next = changedState(state, handler(state, event.data));
  return withWritten(withOutage(withMixedClock(next, event), event), event);
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
  DowntimePlanOffered: (_state, data) => ({ downtimePlan: data }),
  RolloutApproved: (_state, data) => ({ approval: data }),
  TicketRecorded: (_state, data) => ({ ticket: data }),
  DriftAssessmentRequested: (_state, { requestId, deadlineAt, at }) => ({
    driftRequest: { requestId, deadlineAt, requestedAt: at },
  }),
  DriftAssessmentReceived: (_state, data) => ({ drift: data }),
  GateEvaluated: ({ gates }, data) => ({ gates: { ...gates, [data.gate]: withTables(data) } }),
  RolloutBegun: (_state, data) => ({ begun: data }),
  RolloutAdmitted: (_state, data) => ({ status: 'running', admitted: data, lookAfter: data.at }),
  RolloutAdopted: (_state, data) => ({ owner: data, lookAfter: data.at }),
  StepRequested: requested,
  StepSucceeded: succeeded,
  StepFailed: (state, data) => ended(state, data, data.mayRepeat ? 'planned' : 'failed', data.reason, false),
  StepUnknown: (state, data) => ended(state, data, 'unknown', data.reason, false),
  StepSkipped: (state, { stepId, reason, at }) => ({
    steps: withStep(state, stepId, { status: 'skipped', reason, endedAt: at }),
  }),
  DeadlineMissed: () => ({}),
  DeviationRecorded: (state, { what, serving = state.serving, at }) => ({
    deviations: [...state.deviations, what],
    serving,
    lookAfter: at,
  }),
  PointOfNoReturnPassed: () => ({ pointOfNoReturnPassed: true }),
  HoldRequested: (_state, { by, reason }) => ({ holdRequested: { by, reason } }),
  RolloutHeld: (state, { reason, at, whoCanChangeIt, dropsRollback }) => ({
    status: state.status === 'frozen' || state.status === 'closed' ? state.status : 'held',
    held: { reason, since: at, whoCanChangeIt },
    holdRequested: null,
    rollbackRequested: dropsRollback === true ? null : state.rollbackRequested,
  }),
  RolloutResumed: resumed,
  RolloutFrozen: (_state, { by, reason, at }) => ({ status: 'frozen', frozen: { by, reason, since: at } }),
  AbortRequested: (state, { by, reason, at }) => ({ ...turning(state, at), abortRequested: { by, reason } }),
  RollbackRequested: (state, data) => ({ ...turning(state, data.at), rollbackRequested: data }),
  InvariantBreached: ({ breaches }, { number }) => ({ breaches: [...breaches, number] }),
  MixedVersionsEscalated: ({ mixed }, data) => ({ mixed: escalated(mixed, data) }),
  OutageBudgetExceeded: () => ({}),
  OverrideRequested: ({ overrides }, data) => ({ overrides: withOverride(overrides, { type: 'OverrideRequested', data }) }),
  OverrideConfirmed: ({ overrides }, data) => ({ overrides: withOverride(overrides, { type: 'OverrideConfirmed', data }) }),
  OverrideWithdrawn: ({ overrides, gates }, data) => ({
    overrides: withOverride(overrides, { type: 'OverrideWithdrawn', data }),
    gates: lapsedGate(gates, data.gate, data.at),
  }),
  RolloutClosed: (_state, data) => ({ status: 'closed', held: null, closed: data }),
};

/** Versions by node, as JSON brought them, become a table, see `tableOf`: they are kept for as long as the rollout lives. */
function withTables(gate: GateEvaluated): GateEvaluated {
  const { versions } = gate.evidence;
  if (typeof versions !== 'object' || versions === null) return gate;
  return { ...gate, evidence: { ...gate.evidence, versions: tableOf(Object.entries(versions)) } };
}

function untouched(step: PlannedStep): StepState {
  return {
    step,
    status: 'planned',
    attempt: 0,
    requested: null,
    requestedAt: null,
    reason: null,
    endedAt: null,
    interruption: null,
    adopted: false,
  };
}

/** A person wants another way: what had been held goes on, to where it can be turned. */
function turning(state: RolloutState, at: string): Changes {
  return { status: state.status === 'held' ? moving(state) : state.status, held: null, holdRequested: null, lookAfter: at };
}

/**
 * The end of a hold lets failed steps be tried again: a person has looked. The end of a freeze does not: it may be the whole
 * fleet's, and says nothing about why this rollout was held, or was about to be.
 */
function resumed(state: RolloutState, { at }: Data<'RolloutResumed'>): Changes {
  const on = { status: resumedAs(state), frozen: null, lookAfter: at };
  if (state.frozen !== null) return on;
  const steps = state.steps.map((step) => (isOpenFailure(state, step) ? changedStep(step, { status: 'planned' }) : step));
  return { ...on, held: null, holdRequested: null, steps };
}

/**
 * Steps that have begun keep what is known of them; the others are as the new plan says. On the way back nothing of the way
 * there is tried again: what waited for another attempt has failed.
 */
function revised(state: RolloutState, data: Data<'PlanRevised'>): Changes {
  const kept = state.steps.filter((step) => step.attempt > 0 || step.status !== 'planned');
  const begun = new Map(kept.map((step) => [step.step.stepId, data.recovery === null ? step : notAgain(step)]));
  const steps = data.plan.steps.map((step) => begun.get(step.stepId) ?? untouched(step));
  const failed = steps.filter(({ status }) => status === 'failed').map(({ step }) => step.stepId);
  return {
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
  return step.status === 'planned' ? changedStep(step, { status: 'failed' }) : step;
}

function withStep(state: RolloutState, stepId: string, changes: Partial<StepState>): RolloutState['steps'] {
  return state.steps.map((step) => (step.step.stepId === stepId ? changedStep(step, changes) : step));
}

/** From the moment we ask, the effect may be there: a node that is being drained counts as out. */
function requested(state: RolloutState, data: Data<'StepRequested'>): Changes {
  const { stepId, attempt, at } = data;
  const step = stepNamed(state, stepId)?.step;
  const steps = withStep(state, stepId, { status: 'requested', attempt, requested: data, requestedAt: at });
  if (step?.kind === 'start-probe') return { steps, probeRunning: true };
  const originalActive = step?.phase === 'standby' && !standbyBegun(state) ? state.serving : state.originalActive;
  const changes: Changes = { steps, originalActive };
  return step?.node === undefined ? changes : Object.assign(changes, nodeStepRequested(state, step, step.node));
}

function nodeStepRequested(state: RolloutState, { kind }: PlannedStep, node: string): Changes {
  switch (kind) {
    case 'drain':
    case 'stop':
      return {
        rebootNeeded: tableOf([...Object.entries(state.rebootNeeded), [node, false]]),
        out: atStage(state.out, node, 'draining'),
      };
    case 'patch':
    case 'unpatch':
      return { validated: without(state.validated, node) };
    default:
      return {};
  }
}

/** `reason`: null = what was said of an earlier attempt stands. */
function ended(state: RolloutState, data: StepOutcome, status: StepStatus, reason: string | null, adopted: boolean): Changes {
  const { stepId, at, serving = state.serving } = data;
  const before = stepNamed(state, stepId);
  const steps = withStep(state, stepId, {
    status,
    requested: status === 'succeeded' && before?.step.kind !== 'switchover' ? null : (before?.requested ?? null),
    reason: reason ?? before?.reason ?? null,
    endedAt: at,
    interruption: data.interruption ?? before?.interruption ?? null,
    adopted,
  });
  return { steps, serving, lookAfter: at };
}

function succeeded(state: RolloutState, data: Data<'StepSucceeded'>): Changes {
  const changes = ended(state, data, 'succeeded', null, data.adopted);
  const step = stepNamed(state, data.stepId)?.step;
  if (step?.kind === 'stop-probe') return { ...changes, probeRunning: false };
  return step?.node === undefined ? changes : Object.assign(changes, nodeStepSucceeded(state, step, step.node, data));
}

type Out = RolloutState['out'];

function atStage(out: Out, node: string, stage: Out[number]['stage']): Out {
  return [...out.filter((entry) => entry.node !== node), { node, stage }];
}

function without(nodes: readonly string[], node: string): readonly string[] {
  return nodes.filter((candidate) => candidate !== node);
}

/** Several items on one node add up: one that needs a reboot, or cannot tell, decides for all. */
function rebootNeeded(state: RolloutState, node: string, data: StepOutcome): RolloutState['rebootNeeded'] {
  const said = data.evidence['rebootNeeded'];
  const now = typeof said === 'boolean' ? said : null;
  const all = [state.rebootNeeded[node], now].filter((answer) => answer !== undefined);
  const sum = all.includes(true) ? true : all.includes(null) ? null : false;
  return tableOf([...Object.entries(state.rebootNeeded), [node, sum]]);
}

function nodeStepSucceeded(state: RolloutState, step: PlannedStep, node: string, data: StepOutcome): Changes {
  const { out, patched, unpatched, validated } = state;
  const { serving = state.serving } = data;
  switch (step.kind) {
    case 'stop':
      return { serving: serving === node ? null : serving, out: atStage(out, node, 'drained') };
    case 'start':
      return { serving: node, out: out.filter((entry) => entry.node !== node) };
    case 'drain':
      return { out: atStage(out, node, 'drained') };
    case 'patch':
      return {
        rebootNeeded: rebootNeeded(state, node, data),
        patched: [...without(patched, node), node],
        unpatched: without(unpatched, node),
      };
    case 'unpatch':
      return {
        rebootNeeded: rebootNeeded(state, node, data),
        patched: without(patched, node),
        unpatched: [...without(unpatched, node), node],
      };
    case 'join':
      return { out: atStage(out, node, 'joined') };
    case 'validate':
      return {
        validated: [...without(validated, node), node],
        out: out.map((entry) => (entry.node === node ? { node, stage: 'validated' } : entry)),
      };
    case 'release':
      return { out: out.filter((entry) => entry.node !== node) };
    case 'switchover':
      return { serving: node };
    default:
      return {};
  }
}
