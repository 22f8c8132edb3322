import type { StepState } from './rollout.js';
import type { Known } from './state.js';

/** What phase 3 says: still to be done, passed (or replaced by an unexpired result), or failed with the reason. */
export type TestVerdict =
  { readonly verdict: 'open' | 'passed' } | { readonly verdict: 'failed'; readonly stepId: string; readonly reason: string };

/** Judges the switchover test of a rollout by its steps and the interruption that was measured over them. */
export function testVerdict(state: Known): TestVerdict {
  const steps = state.steps.filter((step) => step.step.phase === 'switchover-test' && step.step.kind !== 'pause');
  if (steps.length === 0) return { verdict: state.planned.switchoverResult === null ? 'open' : 'passed' };
  if (steps.some((step) => step.status !== 'succeeded' && step.status !== 'skipped')) return { verdict: 'open' };
  const [bad] = steps.flatMap((step) => complaint(step, state.planned.playbook.phases.interruptionBudgetMs));
  return bad ?? { verdict: 'passed' };
}

type Failed = Extract<TestVerdict, { verdict: 'failed' }>;

/** A switchover has to be measured; over the other steps an interruption only counts where one was. */
function complaint(step: StepState, budgetMs: number): readonly Failed[] {
  const seen = step.interruption;
  const { stepId, kind } = step.step;
  const failed = (reason: string): readonly Failed[] => [{ verdict: 'failed', stepId, reason }];
  if (step.status === 'skipped') return [];
  if (seen?.measured === true) {
    return seen.longestMs > budgetMs
      ? failed(`${stepId} interrupted clients for ${seen.longestMs} ms, the budget is ${budgetMs} ms.`)
      : [];
  }
  const why = seen === null ? 'there was no reading' : seen.reason;
  return kind === 'switchover' ? failed(`The interruption of ${stepId} was not measured: ${why}.`) : [];
}
