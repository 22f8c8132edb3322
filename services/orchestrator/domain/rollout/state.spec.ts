import { describe, expect, it } from 'vitest';
import { activeSeen, at, nodeSeen, PAIR, plannedOf, planOf, PLAYBOOK, seen, stateOf } from './fixtures/contract.js';
import { deviationOf } from './deviation.js';
import { evaluateNotRequired } from './not-required.js';
import type { RolloutEvent, RolloutPlanned, StepState } from './rollout.js';
import { lookAfterMs, nodeOf, reasonOf, stepNamed, type Going } from './state.js';
import { testVerdict } from './switchover-test.js';

const going = (planned: Partial<RolloutPlanned> = {}, ...events: RolloutEvent[]): Going =>
  stateOf([{ type: 'RolloutPlanned', data: plannedOf(planned) }, ...events]) as Going;
const request = (stepId: string): RolloutEvent => ({
  type: 'StepRequested',
  data: {
    stepId,
    attempt: 1,
    key: 'k',
    ask: { ask: 'observe', look: 'snapshot' },
    deadlineAt: at(60),
    incarnation: 'i',
    at: at(1),
    evidence: {},
  },
});
const succeed = (stepId: string, evidence: Record<string, unknown> = {}): RolloutEvent => ({
  type: 'StepSucceeded',
  data: { stepId, attempt: 1, at: at(2), evidence, adopted: false },
});

describe('folding facts', () => {
  it('takes a fact about a step that no plan has as what it is: a fact', () => {
    expect(going({}, request('99-nothing'), succeed('99-nothing')).steps).toEqual(going().steps);
  });

  it('lets go of what a step was asked with once it has succeeded; the first switchover is what the end is compared with', () => {
    const [moved = ''] = planOf().steps.flatMap(({ kind, stepId }) => (kind === 'switchover' ? [stepId] : []));
    const state = going({}, request('08-patch-b'), request(moved), request('09-reboot-b'), succeed('08-patch-b'), succeed(moved));
    const kept = (stepId: string): unknown => {
      const step = stepNamed(state, stepId);
      return [step?.requested?.stepId, step?.requestedAt];
    };
    expect(kept('08-patch-b')).toEqual([undefined, at(1)]);
    expect(kept('09-reboot-b')).toEqual(['09-reboot-b', at(1)]);
    expect(kept(moved)).toEqual([moved, at(1)]);
  });

  it('keeps who is out and at which stage, node by node', () => {
    const plan = planOf({ snapshot: seen([activeSeen('a'), nodeSeen('b'), nodeSeen('c')]) });
    const ids = (kind: string, node: string): string =>
      plan.steps.find((step) => step.kind === kind && step.node === node && step.phase === 'standby')?.stepId ?? '';
    const state = going(
      { plan },
      request(ids('drain', 'b')),
      request(ids('drain', 'c')),
      succeed(ids('drain', 'c')),
      succeed(ids('join', 'b')),
      succeed(ids('validate', 'b')),
    );
    expect(state.out).toEqual([
      { node: 'c', stage: 'drained' },
      { node: 'b', stage: 'validated' },
    ]);
    expect(stateOf([succeed(ids('release', 'b'))], state).out).toEqual([{ node: 'c', stage: 'drained' }]);
  });

  it('adds up what the items of a node say about a reboot', () => {
    const after = (...answers: unknown[]): unknown =>
      going({}, ...answers.map((rebootNeeded) => succeed('08-patch-b', { rebootNeeded }))).rebootNeeded['b'];
    expect([after(false), after(true, false), after(false, true), after('?', false), after(undefined)]).toEqual([
      false,
      true,
      true,
      null,
      null,
    ]);
  });

  it('a failure before the way back stays a failure when a person resumes, one on it is tried again', () => {
    const plan = planOf();
    const failed: RolloutEvent = {
      type: 'StepFailed',
      data: { stepId: '08-patch-b', attempt: 1, at: at(2), evidence: {}, reason: 'no', mayRepeat: false },
    };
    const revised: RolloutEvent = {
      type: 'PlanRevised',
      data: {
        plan,
        reason: '',
        binding: 'b',
        topologyFingerprint: 'f',
        recovery: { because: '', failedStep: '08-patch-b', result: 'failed' },
        at: at(3),
      },
    };
    const resumed: RolloutEvent = { type: 'RolloutResumed', data: { by: 'ada', at: at(4) } };
    const status = (...events: RolloutEvent[]): unknown =>
      stepNamed(going({}, request('08-patch-b'), failed, ...events), '08-patch-b')?.status;
    expect([status(resumed), status(revised, resumed)]).toEqual(['planned', 'failed']);
  });
});

describe('questions to the state', () => {
  it('have an answer where nothing was recorded', () => {
    expect(nodeOf({})).toBe('');
    expect(reasonOf({ reason: null } as StepState)).toBe('no reason was recorded');
    expect(lookAfterMs(going())).toBe(0);
  });

  it('foreign hands: nothing is told from a look that is not complete', () => {
    expect(deviationOf(going(), { at: at(1) })).toBeNull();
    expect(deviationOf(going(), { at: at(1), snapshot: { ...PAIR, complete: false } })).toBeNull();
    expect(deviationOf(going(), { at: at(1), snapshot: PAIR })).toBeNull();
    const lost = going({}, { type: 'DeviationRecorded', data: { what: 'gone', evidence: {}, at: at(1), serving: null } });
    expect(deviationOf(lost, { at: at(2), snapshot: PAIR })?.what).toBe(
      'a serves, not nobody: somebody else moved the workload.',
    );
    expect(deviationOf(lost, { at: at(2), snapshot: seen([nodeSeen('a'), nodeSeen('b')]) })).toBeNull();
  });

  it('what was not required is listed, phases too', () => {
    const phases = {
      ...PLAYBOOK.phases,
      soakMs: 0,
      switchoverTest: { enabled: false, andBack: true },
      failback: { enabled: true },
    };
    const list = evaluateNotRequired(going({ playbook: { ...PLAYBOOK, phases } }));
    expect(list).toContain('The playbook does not soak.');
    expect(list).toContain('The playbook drops the switchover test; an earlier result stands for it.');
    expect(list).not.toContainEqual(expect.stringContaining('fail back'));
  });
});

describe('the switchover test', () => {
  const untested = planOf({
    playbook: { ...PLAYBOOK, phases: { ...PLAYBOOK.phases, switchoverTest: { enabled: false, andBack: true } } },
  });
  const result = { rolloutId: 'r-0', fingerprint: 'fp-1', at: at(-9), expiresAt: at(9), longestInterruptionMs: 9 };
  const done = (stepId: string, interruption?: Parameters<typeof measured>[0]): RolloutEvent => {
    const event = succeed(stepId) as Extract<RolloutEvent, { type: 'StepSucceeded' }>;
    return interruption === undefined ? event : { ...event, data: { ...event.data, interruption: measured(interruption) } };
  };
  const measured = (
    longestMs: number | null,
  ): Extract<RolloutEvent, { type: 'StepSucceeded' }>['data']['interruption'] & object =>
    longestMs === null
      ? { measured: false, reason: 'the probe was lost' }
      : {
          measured: true,
          fromMs: 0,
          toMs: 1,
          gaps: [],
          longestMs,
          sumMs: longestMs,
          failedOperations: 0,
          resolutionMs: 5,
          acknowledgedWrites: 1,
          lostWrites: 0,
        };
  const verdict = (first?: number | null, second?: number | null): unknown =>
    testVerdict(
      going(
        {},
        done('03-switchover-b', first),
        done('04-validate-b', second),
        done('05-switchover-a', 50),
        done('06-validate-a'),
      ),
    );

  it('is passed by a result that stands for it, else by its own steps, measured and within the budget', () => {
    expect(testVerdict(going({ plan: untested }))).toEqual({ verdict: 'open' });
    expect(testVerdict(going({ plan: untested, switchoverResult: result }))).toEqual({ verdict: 'passed' });
    expect(testVerdict(going())).toEqual({ verdict: 'open' });
    expect(verdict(50)).toEqual({ verdict: 'passed' });
    expect(verdict(50, 6_000)).toMatchObject({ verdict: 'failed', stepId: '04-validate-b' });
    expect(verdict(null)).toMatchObject({
      verdict: 'failed',
      reason: 'The interruption of 03-switchover-b was not measured: the probe was lost.',
    });
    expect(verdict()).toMatchObject({
      verdict: 'failed',
      reason: 'The interruption of 03-switchover-b was not measured: there was no reading.',
    });
  });
});
