import { totalMs } from './budget.js';
import { paceOf } from './learnt.js';
import { plannedStep, type StepDraft } from './drafts.js';
import { afterDowntimeFailure, serviceBack } from './recovery-downtime.js';
import type { Plan, PlannedStep } from './plan.js';
import type { Recovery, RollbackRequested, RolloutResult, StepState } from './rollout.js';
import { reasonOf, validatedAsActive, type Going } from './state.js';
import { changedNodes, failedPatch, losesWrites, nodesOfWish, unprovenAmong } from './way-back.js';

/**
 * The failure policy: stop moving, then restore service, return the drained node, free the locks. Patches are rolled back
 * where the playbook says so and the way back is proven; else a person is waited for, the workload on the untouched node.
 */

/** The steps that return everything, in place of what was left of the plan. */
export interface Way {
  readonly possible: true;
  readonly plan: Plan;
  readonly recovery: Recovery;
}
export type WayBack = Way | { readonly possible: false; readonly because: string };

/** The way back after a step has failed for good. */
export function afterFailure(state: Going, failed: StepState): WayBack {
  const because = `${failed.step.stepId} failed: ${reasonOf(failed)}`;
  const after = state.planned.kind === 'downtime' ? afterDowntimeFailure : afterRollingFailure;
  return after(state, because, failed.step.stepId);
}

function afterRollingFailure(state: Going, because: string, failedStep: string): WayBack {
  if (state.recovery !== null) return { possible: false, because: `${because} This was on the way back already.` };
  if (state.serving === null)
    return {
      possible: false,
      because: `${because} No node serves: bringing one back may lose writes, and that is for a person to decide.`,
    };
  if (state.planned.playbook.onFailure === 'hold')
    return { possible: false, because: `${because} The playbook holds on failure.` };
  const changed = changedNodes(state);
  const unproven = unprovenAmong(state, changed);
  if (unproven.length > 0)
    return { possible: false, because: `${because} The way back is not proven on ${unproven.join(', ')}.` };
  if (losesWrites(state, changed)) return { possible: false, because: `${because} The point of no return has been passed.` };
  if (changed.includes(state.serving) && state.serving === state.originalActive)
    return { possible: false, because: `${because} The node that serves would have to be taken back.` };
  return wayBack(state, { because, failedStep, result: changed.length > 0 ? 'rolled-back' : 'failed' }, changed);
}

/** Gives up without a failure (abort, time, a failed test): returns what is out and frees the locks; patches stay. */
export function givingUp(state: Going, because: string, stepId: string | null, result: RolloutResult): Way {
  const failed = failedPatch(state);
  const unproven = unprovenAmong(state, failed);
  return wayBack(
    state,
    { because, failedStep: stepId, result },
    failed.filter((node) => !unproven.includes(node)),
  );
}

/** A person's wish: these nodes are taken back, what is out is returned, the locks are freed. */
export function takingBack(state: Going, wish: RollbackRequested): Way {
  const because = `Rolled back by ${wish.by}: ${wish.reason}`;
  return wayBack(state, { because, failedStep: null, result: 'rolled-back' }, nodesOfWish(state, wish));
}

function wayBack(state: Going, recovery: Recovery, rollBack: readonly string[]): Way {
  if (state.planned.kind === 'downtime') return serviceBack(state, recovery, rollBack);
  const home = homeOf(state, rollBack);
  const homeFirst = home !== null && !rollBack.includes(home);
  const out = state.out.map((entry) => entry.node);
  const later = rollBack.filter((node) => !out.includes(node));
  const away = later.filter((node) => node !== state.serving).flatMap((node) => returned(state, node, true));
  const drafts: StepDraft[] = [
    ...out.flatMap((node) => returned(state, node, rollBack.includes(node))),
    ...(homeFirst ? [...moved(home), ...away] : [...away, ...(home === null ? [] : moved(home))]),
    ...later.filter((node) => node === state.serving).flatMap((node) => returned(state, node, true)),
    ...(state.probeRunning ? [{ kind: 'stop-probe', phase: 'recovery' } as const] : []),
  ];
  const kept = state.steps.filter((step) => step.attempt > 0 || step.status !== 'planned').map((step) => step.step);
  const steps = [...kept, ...drafts.map((draft, index) => numbered(state, draft, lastOrdinal(state) + index + 1))];
  const { pointOfNoReturn: _passed, ...plan } = state.plan;
  return { possible: true, recovery, plan: { ...plan, steps, forwardMs: totalMs(drafts, paceOf(state)), wayBackMs: 0 } };
}

/** No step of a way back takes the id of one before it, also where that one was of another way back: acts are remembered by it. */
export function lastOrdinal({ steps }: Going): number {
  return Math.max(0, ...steps.map(({ step }) => Number.parseInt(step.stepId, 10)));
}

function numbered(state: Going, draft: StepDraft, ordinal: number): PlannedStep {
  return plannedStep(draft, ordinal, state.planned.workload, paceOf(state));
}

/**
 * Where the workload has to go, or null: off a node that shall be rolled back or that failed its validation, to the node
 * that served before. Where that one is rolled back itself, the workload moves once it has been.
 */
function homeOf(state: Going, rollBack: readonly string[]): string | null {
  const { serving, originalActive } = state;
  if (serving === null || serving === originalActive) return null;
  // Past the point of no return a node of the version before may lose what was written since: that is a person's to decide.
  if (state.pointOfNoReturnPassed && !state.patched.some((node) => node === originalActive)) return null;
  return rollBack.includes(serving) || !validatedAsActive(state, serving) ? originalActive : null;
}

function moved(home: string): StepDraft[] {
  return [
    { kind: 'switchover', phase: 'recovery', node: home },
    { kind: 'validate', phase: 'recovery', node: home, asActive: true },
  ];
}

/** A node that may be up again is drained first: nothing is taken back under a running service. */
export function returned(state: Going, node: string, rollBack: boolean): StepDraft[] {
  return [
    ...(rollBack ? takenBack(state, node) : []),
    { kind: 'join', phase: 'recovery', node },
    { kind: 'validate', phase: 'recovery', node, asActive: false },
    { kind: 'release', phase: 'recovery', node },
  ];
}

function takenBack(state: Going, node: string): StepDraft[] {
  const patches = state.steps.filter((step) => step.step.kind === 'patch' && step.step.node === node && step.attempt > 0);
  const stage = state.out.find((entry) => entry.node === node)?.stage;
  const joined = state.steps.some((step) => step.step.kind === 'join' && step.step.node === node && step.attempt > 0);
  return [
    ...(stage !== 'drained' || joined ? [{ kind: 'drain', phase: 'recovery', node } as const] : []),
    ...patches.reverse().map((step) => undoing(step, node)),
    { kind: 'reboot', phase: 'recovery', node },
  ];
}

/** A patch step always names its item and the version it came from. */
export function undoing(step: StepState, node: string): StepDraft {
  const { item, fromVersion } = step.step as Required<PlannedStep>;
  return { kind: 'unpatch', phase: 'recovery', node, item, toVersion: fromVersion };
}
