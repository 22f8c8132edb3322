import { describe, expect, it } from 'vitest';
import { at, codesOf, eventsOf, HELD, MINE, plannedOf, RUNNING, stateOf, typesOf } from './fixtures/contract.js';
import { decide } from './decide.js';
import type { RolloutCommand, RolloutState, SwitchoverResult } from './rollout.js';

describe('the owner', () => {
  it('leaves out only what may be left out', () => {
    const skip = (stepId: string): RolloutCommand => ({ type: 'SkipStep', stepId, reason: 'not needed', ...MINE });
    const detail = (stepId: string, state: RolloutState): string => {
      const decision = decide(skip(stepId), state);
      return decision.accepted ? 'accepted' : decision.refusals.map((reason) => `${reason.code} ${reason.detail}`).join();
    };
    const until = (stepId: string, more: Partial<RolloutState> = {}): RolloutState => {
      const turn = RUNNING.steps.findIndex((step) => step.step.stepId === stepId);
      const steps = RUNNING.steps.map((step, index) => (index < turn ? { ...step, status: 'succeeded' as const } : step));
      return { ...RUNNING, steps, ...more };
    };
    const spared = until('09-reboot-b', { rebootNeeded: { b: false } });
    expect(typesOf(skip('09-reboot-b'), spared)).toEqual(['StepSkipped']);
    for (const rebootNeeded of [{}, { b: null }, { b: true }, { a: false }])
      expect(detail('09-reboot-b', { ...spared, rebootNeeded })).toContain(
        'INVARIANT_9 09-reboot-b may not be left out: nothing',
      );
    expect(detail('09-reboot-b', { ...RUNNING, rebootNeeded: { b: false } })).toContain('is not the next step');
    expect(codesOf(skip('11-validate-b'), RUNNING)).toEqual(['INVARIANT_9']);
    expect(codesOf(skip('99-nothing'), RUNNING)).toEqual(['UNKNOWN_STEP']);
    expect(codesOf(skip('09-reboot-b'), stateOf([HELD], spared))).toEqual(['NOT_RUNNING']);
    const skipped = stateOf(eventsOf(skip('09-reboot-b'), spared), spared);
    expect(codesOf(skip('09-reboot-b'), skipped)).toEqual(['INVARIANT_9']);
  });

  it('leaves the switchover test out only for a result that holds: of this topology, unexpired, and nothing of it begun', () => {
    const skip: RolloutCommand = { type: 'SkipStep', stepId: '03-switchover-b', reason: 'we know it works', ...MINE };
    const result = { rolloutId: 'r-0', fingerprint: 'fp-1', at: at(-60), expiresAt: at(6), longestInterruptionMs: 80 };
    const turn = RUNNING.steps.map((step, index) => (index < 2 ? { ...step, status: 'succeeded' as const } : step));
    const state = (switchoverResult: SwitchoverResult | null, more: Partial<RolloutState> = {}): RolloutState => ({
      ...RUNNING,
      planned: plannedOf({ switchoverResult }),
      steps: turn,
      ...more,
    });
    expect(typesOf(skip, state(result))).toEqual(['StepSkipped']);
    const begun = turn.map((step) => (step.step.stepId === '03-switchover-b' ? { ...step, attempt: 1 } : step));
    const test = state(result, { planned: plannedOf({ switchoverResult: result, kind: 'switchover-test' }) });
    for (const bad of [
      state(null),
      state({ ...result, fingerprint: 'fp-2' }),
      state({ ...result, expiresAt: at(5) }),
      state(result, { steps: begun }),
      test,
    ])
      expect(codesOf(skip, bad)).toEqual(['INVARIANT_9']);
  });
});
