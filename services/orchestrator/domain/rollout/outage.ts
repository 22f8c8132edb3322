import { accept, type Decision } from '@understudy/decider';
import { expectedMs } from './budget.js';
import { paceOf } from './learnt.js';
import type { PlannedStep } from './plan.js';
import type { RolloutEvent, RolloutState } from './rollout.js';
import { atSafePoint, changedState, isKnown, nodeOf, openFailure, stepNamed, type Going, type Known } from './state.js';
import { msOf } from './time.js';

/**
 * The outage of a `downtime` rollout: time without a serving node by our own hand, against the budget that was approved with
 * the window. What clients saw is measured by the probe; this is what we answer for, counted from our own record.
 */
export interface Outage {
  /** Since when the workload is away by our hand; null = it is not. */
  readonly since: string | null;
  /** Of the outages that have ended. */
  readonly totalMs: number;
  readonly exceededAt: string | null;
  /** A person was held for since. */
  readonly told: boolean;
}

export interface OutageBudgetExceeded {
  readonly budgetMs: number;
  readonly outageMs: number;
  /** For a person. */
  readonly detail: string;
  readonly at: string;
}

/** Steps that take the workload away: counted from their request, for the effect may be there from then on. */
const TAKING: readonly PlannedStep['kind'][] = ['stop', 'reboot'];

/** Folds what one more fact says of the workload being away. */
export function withOutage(state: RolloutState, event: RolloutEvent): RolloutState {
  if (state.planned?.kind !== 'downtime') return state;
  switch (event.type) {
    case 'StepRequested':
      return taking(state, stepNamed(state, event.data.stepId)?.step, event.data.at);
    case 'StepSucceeded':
    case 'StepFailed':
    case 'StepUnknown':
    case 'DeviationRecorded':
      return typeof event.data.serving === 'string' ? ended(state, event.data.at) : state;
    case 'RolloutHeld':
      return changedState(state, { outage: { ...state.outage, told: state.outage.exceededAt !== null } });
    case 'OutageBudgetExceeded':
      return changedState(state, { outage: { ...state.outage, exceededAt: event.data.at } });
    default:
      return state;
  }
}

function taking(state: RolloutState, step: PlannedStep | undefined, at: string): RolloutState {
  const takes = step !== undefined && TAKING.includes(step.kind) && step.node === state.originalActive;
  return takes && state.outage.since === null ? changedState(state, { outage: { ...state.outage, since: at } }) : state;
}

function ended(state: RolloutState, at: string): RolloutState {
  const { since, totalMs } = state.outage;
  return since === null
    ? state
    : changedState(state, { outage: { ...state.outage, since: null, totalMs: totalMs + msOf(at) - msOf(since) } });
}

/** Away because we took it away, as approved: bringing it back loses nothing and waits for nobody. */
export function awayByUs(state: RolloutState): boolean {
  return state.outage.since !== null;
}

/**
 * May a wish to turn back be carried out now? At a safe point; and wherever the workload is away by our hand, for then every
 * other step only keeps it away for longer.
 */
export function mayTurnBack(state: RolloutState): boolean {
  return atSafePoint(state) || awayByUs(state);
}

/** The workload is away by our hand, and the step that was to bring it back with what is installed has failed. */
export function doesNotComeBack(state: RolloutState): boolean {
  const { recovery } = state;
  return awayByUs(state) && recovery !== null && recovery.result !== 'rolled-back' && openFailure(state) !== undefined;
}

export function outageMs(state: RolloutState, nowMs: number): number {
  const { since, totalMs } = state.outage;
  return since === null ? totalMs : totalMs + nowMs - msOf(since);
}

/** No budget was approved = none may be used. */
export function outageBudgetMs(state: Known): number {
  return state.planned.outageBudgetMs ?? 0;
}

/** When the budget is used up (milliseconds since the epoch) if nothing comes back before; null = nothing to watch. */
export function outageDueMs(state: Known): number | null {
  const { since, totalMs, exceededAt } = state.outage;
  if (exceededAt !== null) return null;
  const leftMs = outageBudgetMs(state) - totalMs;
  if (since !== null) return msOf(since) + leftMs;
  return leftMs < 0 ? 0 : null;
}

/** Over the budget: a breach of what was approved. What follows is for the conclusion: the workload comes back first, then a person looks. */
export function exceed(state: Known, at: string): Decision<RolloutEvent> {
  const dueMs = outageDueMs(state);
  if (dueMs === null || msOf(at) <= dueMs) return accept();
  const budgetMs = outageBudgetMs(state);
  const spentMs = outageMs(state, msOf(at));
  const detail = `${state.planned.workload} has been away for ${spentMs} ms; ${budgetMs} ms were approved.`;
  const evidence = { budgetMs, outageMs: spentMs };
  return accept<RolloutEvent>(
    { type: 'OutageBudgetExceeded', data: { budgetMs, outageMs: spentMs, detail, at } },
    { type: 'InvariantBreached', data: { number: 2, detail, evidence } },
  );
}

/** What stands against taking the workload away now: the outage that this node's steps are expected to need. */
export function outageComplaint(state: Going, step: PlannedStep): string | null {
  const needsMs = outageNeedMs(
    state.steps.filter((other) => other.status === 'planned' && other.step.phase === 'downtime').map((other) => other.step),
    nodeOf(step),
    paceOf(state),
  );
  const spentMs = state.outage.totalMs;
  const budgetMs = outageBudgetMs(state);
  if (spentMs + needsMs <= budgetMs) return null;
  return `${state.planned.workload} would be away for ${needsMs} ms after ${spentMs} ms; ${budgetMs} ms were approved.`;
}

/** Expected time, in milliseconds, from the stop of a node to its validation. */
export function outageNeedMs(steps: readonly PlannedStep[], node: string, playbook: Going['planned']['playbook']): number {
  return steps
    .filter((step) => step.node === node && step.kind !== 'soak' && step.kind !== 'check')
    .reduce((sum, step) => sum + expectedMs(step.kind, playbook), 0);
}

/** For reports: what was approved and used; null where no outage was. */
export function outageOf(
  state: RolloutState,
): { readonly budgetMs: number; readonly outageMs: number; readonly exceeded: boolean } | null {
  if (!isKnown(state) || state.planned.kind !== 'downtime') return null;
  const { totalMs, exceededAt } = state.outage;
  return { budgetMs: outageBudgetMs(state), outageMs: totalMs, exceeded: exceededAt !== null };
}
