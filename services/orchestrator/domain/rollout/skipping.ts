import { maySkip } from './invariants.js';
import type { StepState } from './rollout.js';
import { nextPlanned, nodeOf, type Going } from './state.js';
import { msOf } from './time.js';

/** What may be left out, and when. The runner asks for it, decide insists on it. */

/** An unexpired result for the same topology stands for the whole switchover test: its sentence; null = the test is due. */
export function testReplaced(state: Going, next: StepState, nowMs: number): string | null {
  const result = state.planned.switchoverResult;
  if (next.step.phase !== 'switchover-test' || state.planned.kind === 'switchover-test' || result === null) return null;
  const begun = state.steps.some((step) => step.step.phase === 'switchover-test' && step.attempt > 0);
  const holds = result.fingerprint === state.topologyFingerprint && msOf(result.expiresAt) > nowMs;
  return holds && !begun ? `Rollout ${result.rolloutId} tested the switchover of this topology at ${result.at}.` : null;
}

/** The patch source says that nothing asks for this reboot; where it could not tell, the host reboots. */
export function rebootSpared(state: Going, { step }: StepState): boolean {
  return step.kind === 'reboot' && state.rebootNeeded[nodeOf(step)] === false;
}

/** Why this step may not be left out now; null = it may. */
export function skipComplaint(state: Going, found: StepState, nowMs: number): string | null {
  const { stepId } = found.step;
  if (found.status !== 'planned' || !maySkip(found.step)) return `${stepId} is ${found.status} and may not be left out.`;
  if (nextPlanned(state) !== found) return `${stepId} is not the next step, and may not be left out before its turn.`;
  if (rebootSpared(state, found) || testReplaced(state, found, nowMs) !== null) return null;
  return `${stepId} may not be left out: nothing that was seen stands for it.`;
}
