import type { RolloutState, StepState } from './rollout.js';

/** What phase 3 says: still to be done, passed (or replaced by an unexpired result), or failed with the reason. */
export type TestVerdict = { readonly verdict: 'open' | 'passed' } | { readonly verdict: 'failed'; readonly stepId: string; readonly reason: string };

/** Judges the switchover test of a rollout by its steps and the interruption that was measured over them. */
export function testVerdict(state: RolloutState): TestVerdict {
  const steps = state.steps.filter((step) => step.step.phase === 'switchover-test' && step.step.kind !== 'pause');
  if (steps.length === 0) return { verdict: state.planned?.switchoverResult === null ? 'open' : 'passed' };
  if (steps.some((step) => step.status !== 'succeeded' && step.status !== 'skipped')) return { verdict: 'open' };
  const bad = steps.filter((step) => step.status === 'succeeded').find((step) => complaint(step, state) !== null);
  return bad === undefined ? { verdict: 'passed' } : { verdict: 'failed', stepId: bad.step.stepId, reason: complaint(bad, state) ?? '' };
}

function complaint(step: StepState, state: RolloutState): string | null {
  const seen = step.interruption;
  const budgetMs = state.planned?.playbook.phases.interruptionBudgetMs ?? 0;
  if (seen === null || !seen.measured) return step.step.kind !== 'switchover' ? null : `The interruption of ${step.step.stepId} was not measured: ${seen?.reason ?? 'no reading'}.`;
  if (seen.longestMs > budgetMs) return `${step.step.stepId} interrupted clients for ${seen.longestMs} ms, the budget is ${budgetMs} ms.`;
  return null;
}
