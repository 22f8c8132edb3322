import { totalMs } from './budget.js';
import { plannedStep, type StepDraft } from './drafts.js';
import { paceOf } from './learnt.js';
import { awayByUs } from './outage.js';
import type { Recovery, StepState } from './rollout.js';
import { lastOrdinal, returned, undoing, type Way, type WayBack } from './recovery.js';
import { nodeOf, type Going } from './state.js';
import { changedNodes, losesWrites, unprovenAmong } from './way-back.js';

/**
 * The failure policy of a `downtime` rollout. The workload is away by our own hand, so service comes first and needs nobody's
 * word: the node is started with what is installed, or taken back to what was, where the playbook says so and it is proven.
 */
export function afterDowntimeFailure(state: Going, because: string, failedStep: string): WayBack {
  if (state.recovery !== null) return { possible: false, because: `${because} This was on the way back already.` };
  if (state.planned.playbook.onFailure === 'hold')
    return { possible: false, because: `${because} The playbook holds on failure.` };
  if (state.serving === null && !awayByUs(state))
    return { possible: false, because: `${because} No node serves, and not because this rollout took it away.` };
  const rollBack = takeable(state);
  if (rollBack.length === 0 && state.out.length === 0 && changedNodes(state).length > 0)
    return { possible: false, because: `${because} The way back is not proven, and the workload is served.` };
  return serviceBack(state, { because, failedStep, result: rollBack.length > 0 ? 'rolled-back' : 'failed' }, rollBack);
}

/** All that were changed, or none: half of them at the version before would be a third state that nobody planned. */
function takeable(state: Going): readonly string[] {
  const changed = changedNodes(state);
  return losesWrites(state, changed) || unprovenAmong(state, changed).length > 0 ? [] : changed;
}

/** The steps that bring service back first, and then every other node that is taken back. */
export function serviceBack(state: Going, recovery: Recovery, rollBack: readonly string[]): Way {
  const out = state.out.map((entry) => entry.node);
  const drafts: StepDraft[] = [
    ...out.flatMap((node) => started(state, node, rollBack.includes(node))),
    ...rollBack.filter((node) => !out.includes(node)).flatMap((node) => started(state, node, true)),
    ...(state.probeRunning ? [{ kind: 'stop-probe', phase: 'recovery' } as const] : []),
  ];
  const kept = state.steps.filter((step) => step.attempt > 0 || step.status !== 'planned').map((step) => step.step);
  const { workload } = state.planned;
  const playbook = paceOf(state);
  const steps = [
    ...kept,
    ...drafts.map((draft, index) => plannedStep(draft, lastOrdinal(state) + index + 1, workload, playbook)),
  ];
  const { pointOfNoReturn: _passed, ...plan } = state.plan;
  return { possible: true, recovery, plan: { ...plan, steps, forwardMs: totalMs(drafts, playbook), wayBackMs: 0 } };
}

function started(state: Going, node: string, takeBack: boolean): StepDraft[] {
  if (node !== state.originalActive) return returned(state, node, takeBack);
  return [
    ...(takeBack ? takenBack(state, node) : []),
    { kind: 'start', phase: 'recovery', node },
    { kind: 'validate', phase: 'recovery', node, asActive: true },
  ];
}

/** Stopped once more: a package may have started it, and nothing is taken back under a running service. */
function takenBack(state: Going, node: string): StepDraft[] {
  const patches = state.steps.filter((step): step is StepState => {
    return step.step.kind === 'patch' && nodeOf(step.step) === node && step.attempt > 0;
  });
  return [
    { kind: 'stop', phase: 'recovery', node },
    ...patches.reverse().map((step) => undoing(step, node)),
    { kind: 'reboot', phase: 'recovery', node },
  ];
}
