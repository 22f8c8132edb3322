import { describe, expect, it } from 'vitest';
import {
  activeSeen,
  at,
  inputsOf,
  nodeSeen,
  PAIR,
  plannedOf,
  planOf,
  seen,
  stateOf,
  definitionOf,
  closed,
} from './fixtures/contract.js';
import { evaluateGates } from './gates.js';
import { violations, type OrderLook } from './invariants.js';
import type { PlannedStep } from './plan.js';
import type { RolloutClosed, RolloutEvent, RolloutPlanned, RolloutState, StepRequested, StepState } from './rollout.js';
import type { Going, Known } from './state.js';

/** A state as it would never come about by our own orders: what is judged is the order on it. */
function going(more: Partial<RolloutState> = {}, planned: Partial<RolloutPlanned> = {}): Going {
  const base = stateOf([
    { type: 'RolloutPlanned', data: plannedOf(planned) },
    { type: 'RolloutAdmitted', data: { hosts: [], at: at(0), acceptedRisks: ['a pair'] } },
  ]) as Known;
  const drift = { requestId: 'q', assessedAt: at(0), blocking: [], warnings: 0, waived: 0, incomplete: [] };
  const gates = Object.fromEntries(
    evaluateGates({ ...base, drift }, inputsOf(PAIR, { drift }), at(0)).map((gate) => [gate.gate, gate]),
  );
  return { ...base, gates, lookAfter: null, ...more } as Going;
}

/** The test is passed: its steps succeeded, measured. */
function tested(more: Partial<RolloutState> = {}, planned: Partial<RolloutPlanned> = {}): Going {
  const state = going({}, planned);
  const interruption = {
    measured: true,
    fromMs: 0,
    toMs: 1,
    gaps: [],
    longestMs: 10,
    sumMs: 10,
    failedOperations: 0,
    resolutionMs: 5,
    acknowledgedWrites: 1,
    lostWrites: 0,
  } as const;
  const steps = state.steps.map((step) =>
    step.step.phase === 'switchover-test' ? { ...step, status: 'succeeded' as const, interruption } : step,
  );
  return { ...state, steps, ...more } as Going;
}

function ordering(state: Going, stepId: string, more: Partial<StepRequested> = {}): RolloutEvent {
  const data = {
    stepId,
    attempt: 1,
    key: `r-1/${stepId}/1`,
    ask: { ask: 'observe', look: 'snapshot' },
    deadlineAt: at(60),
    at: at(1),
    incarnation: 'i',
    evidence: {},
    ...more,
  } as const;
  return { type: 'StepRequested', data };
}

const LOOK: OrderLook = { snapshot: PAIR, neighbours: [] };
const judged = (
  state: Going,
  stepId: string,
  look: Partial<OrderLook> = {},
  more: Partial<StepRequested> = {},
): readonly string[] =>
  violations(state, ordering(state, stepId, more), { ...LOOK, ...look }).map(
    (violation) => `${violation.number}: ${violation.detail}`,
  );

describe('an order to begin a step', () => {
  it('breaks nothing when all is as planned', () => {
    expect(judged(tested(), '07-drain-b')).toEqual([]);
    expect(violations(tested(), { type: 'DeadlineMissed', data: { what: '', deadlineAt: at(1), at: at(1) } }, LOOK)).toEqual([]);
  });

  it('6: is for a step of the plan, for the next attempt, and never for one that may have happened', () => {
    expect(judged(tested(), '99-nothing')).toEqual(['6: 99-nothing is no step of the plan.']);
    expect(judged(tested(), '07-drain-b', {}, { attempt: 2 })).toEqual(['6: Attempt 2 does not follow attempt 0.']);
    expect(judged(tested(), '03-switchover-b').join()).toContain('6: 03-switchover-b is succeeded');
  });

  it('7: has a deadline ahead of it', () => {
    expect(judged(tested(), '07-drain-b', {}, { deadlineAt: at(1) })).toEqual(['7: The step has no deadline ahead of it.']);
  });

  it('10, 17: takes nothing back that is not proven, nor what was patched whole once the point of no return is passed', () => {
    const half = planOf().steps.find((each) => each.kind === 'patch') as PlannedStep;
    const back: PlannedStep = { ...half, stepId: '29-unpatch-b', kind: 'unpatch', phase: 'recovery' };
    const state = (more: Partial<RolloutState>, patch: 'succeeded' | 'failed' = 'succeeded'): Going => {
      const base = tested({ patched: ['b'], out: [{ node: 'b', stage: 'drained' }], ...more });
      const known = base.steps[0] as StepState;
      return {
        ...base,
        steps: [
          { ...known, step: half, status: patch },
          { ...known, status: 'planned', attempt: 0, step: back },
        ],
      };
    };
    const look = { snapshot: seen([activeSeen('a'), nodeSeen('b', { availability: 'drained' })]) };
    const judge = (going: Going): readonly string[] => judged(going, back.stepId, look);
    expect(judge(state({}))).toEqual([]);
    expect(judge(state({ gates: {} }))).toEqual(['10: The way back of b is not proven.']);
    expect(judge(state({ pointOfNoReturnPassed: true })).join()).toMatch(/^17: b would lose what was written since/);
    expect(judge(state({ pointOfNoReturnPassed: true }, 'failed')), 'was never started').toEqual([]);
    expect(judge(state({ pointOfNoReturnPassed: true, patched: [] }))).toEqual([]);
  });

  it('1: needs a look that is complete, young, and from after the last outcome', () => {
    const blind = (look: OrderLook['snapshot'], state = tested()): string =>
      judged(state, '07-drain-b', { snapshot: look }).join();
    expect(blind(null)).toContain('1: Whether b serves could not be told. There is no look');
    expect(blind({ ...PAIR, complete: false, disagreements: ['b?'] })).toContain('The look was not complete: b?');
    expect(blind({ ...PAIR, observedAt: at(-60) })).toContain('The look is too old.');
    expect(blind(PAIR, tested({ lookAfter: at(1) }))).toContain('The look is from before the last outcome.');
    expect(blind(seen([activeSeen('a')]))).toContain('1: b was not seen.');
  });

  it('1: never touches a node that serves, nor a neighbour that does', () => {
    expect(
      judged(tested(), '07-drain-b', { snapshot: seen([nodeSeen('a'), activeSeen('b', { writable: false })]) }).join(),
    ).toContain('1: b serves a workload.');
    expect(
      judged(tested(), '07-drain-b', { snapshot: seen([activeSeen('a'), nodeSeen('b', { writable: true })]) }).join(),
    ).toContain('1: b serves a workload.');
    const state = tested();
    expect(judged(state, '07-drain-b', { neighbours: null })).toEqual([
      '1: Whether host-b carries other clusters was not looked at.',
    ]);
    expect(judged(state, '14-switchover-b', { neighbours: null })).toEqual([]);
    const other = { host: 'host-b', cluster: 'shop', node: 's2', serving: false, lastFitStandby: false };
    expect(judged(state, '07-drain-b', { neighbours: [other, { ...other, host: 'host-x', serving: true }] })).toEqual([]);
    expect(judged(state, '07-drain-b', { neighbours: [{ ...other, serving: true }] })).toEqual([
      '1: s2 of shop on the same host serves.',
    ]);
    expect(judged(state, '07-drain-b', { neighbours: [{ ...other, lastFitStandby: true }] })).toEqual([
      '2: s2 on the same host is the last fit standby of shop.',
    ]);
    expect(judged(state, '07-drain-b', { neighbours: [{ ...other, losesQuorum: true }] })).toEqual([
      '2: Without s2 on the same host shop has no quorum.',
    ]);
    const reports = nodeSeen('b', { roles: { main: 'standby', reports: 'active' } });
    expect(judged(tested(), '07-drain-b', { snapshot: seen([activeSeen('a'), reports]) }).join()).toContain(
      '1: b serves a workload.',
    );
  });

  it('2: takes out one node at a time, keeps quorum and a standby, and patches only what is drained', () => {
    expect(judged(tested({ out: [{ node: 'c', stage: 'drained' }] }), '07-drain-b')).toEqual(['2: c is out of service already.']);
    expect(judged(tested(), '08-patch-b')).toEqual(['2: b has not been drained.']);
    expect(judged(tested({ out: [{ node: 'b', stage: 'joined' }] }), '08-patch-b')).toEqual(['2: b has not been drained.']);
    const down = seen([activeSeen('a'), nodeSeen('b', { availability: 'drained', joined: false, electable: false })]);
    const drained = tested({ out: [{ node: 'b', stage: 'drained' }] });
    expect(judged(drained, '08-patch-b', { snapshot: down })).toEqual([]);
    expect(judged(drained, '08-patch-b')).toEqual(['2: b was drained, and runs again: somebody else started it.']);
    expect(judged(drained, '08-patch-b', { snapshot: seen([activeSeen('a')]) })).toEqual(['1: b was not seen.']);
    expect(judged(tested({ admitted: { hosts: [], at: at(0), acceptedRisks: [] } }), '07-drain-b')).toEqual([
      '2: Without b no standby is fit to take main over.',
    ]);
    const three = seen([activeSeen('a'), nodeSeen('b'), nodeSeen('c', { roles: { main: 'witness' }, joined: false })]);
    expect(judged(tested(), '07-drain-b', { snapshot: three })).toEqual(['2: Without b there is no quorum.']);
    expect(judged(tested(), '07-drain-b', { snapshot: seen([nodeSeen('a'), nodeSeen('b')]) })).toEqual([
      '2: Not exactly one node serves main.',
    ]);
    const plan = planOf({ cluster: definitionOf(3), snapshot: seen([activeSeen('a'), nodeSeen('b'), nodeSeen('c')]) });
    const lagging = seen([activeSeen('a'), nodeSeen('b'), nodeSeen('c', { lag: null })]);
    expect(judged(tested({}, { plan, cluster: definitionOf(3) }), '07-drain-b', { snapshot: lagging })).toEqual([
      '2: Without b no standby is fit to take main over.',
    ]);
  });

  it('3: switches over only to a node that is fit, validated since it was patched, and not taken out', () => {
    const to = (state: Going, nodes: Parameters<typeof seen>[0] = PAIR.nodes): readonly string[] =>
      judged(state, '14-switchover-b', { snapshot: seen(nodes) });
    expect(to(tested())).toEqual([]);
    expect(to(tested(), [activeSeen('a'), nodeSeen('b', { lag: null })])).toEqual(['3: b is not fit to serve: streaming.']);
    expect(to(tested(), [activeSeen('a')])).toEqual(['3: b is not fit to serve: not seen.']);
    expect(to(tested(), [nodeSeen('a'), activeSeen('b')])).toEqual([]);
    const runs = (version: string | null): Parameters<typeof seen>[0] => [
      activeSeen('a'),
      nodeSeen('b', { versions: { postgresql: { installed: version, running: version } } }),
    ];
    expect(to(tested({ patched: ['b'] }), runs('17.10'))).toEqual(['3: b was patched and has not been validated since.']);
    expect(to(tested({ unpatched: ['b'] }))).toEqual(['3: b was patched and has not been validated since.']);
    const done = tested({ patched: ['b'], validated: ['b'] });
    expect(to(done, runs('17.10'))).toEqual([]);
    expect(to(done, runs('17.8'))).toEqual(['3: b runs postgresql 17.8, and was validated with 17.10.']);
    expect(to(done, runs(null))).toEqual(['3: b runs postgresql nothing, and was validated with 17.10.']);
    expect(to(done, [nodeSeen('a'), activeSeen('b')]), 'it serves: nothing moves').toEqual([]);
    expect(to(done, [activeSeen('a')])).toEqual(['3: b is not fit to serve: not seen.']);
    expect(to(tested({ out: [{ node: 'b', stage: 'joined' }] }))).toEqual([
      '3: b has been taken out of service and not been released.',
    ]);
    expect(judged(tested(), '14-switchover-b', { snapshot: null })).toEqual([
      '3: Whether b is fit to serve could not be told. There is no look at the cluster.',
    ]);
  });

  it('4: leaves the original active alone until a patched standby serves and is validated', () => {
    const drained = seen([nodeSeen('a'), activeSeen('b')]);
    expect(judged(tested(), '18-drain-a', { snapshot: drained }).join()).toContain('4: a served when the standby phase began');
    const moved = tested({ patched: ['b'] });
    const steps = moved.steps.map((step) =>
      step.step.stepId === '15-validate-b'
        ? { ...step, status: 'succeeded' as const }
        : step.step.phase === 'standby'
          ? { ...step, attempt: 1 }
          : step,
    );
    expect(judged({ ...moved, steps }, '18-drain-a', { snapshot: drained })).toEqual([]);
    expect(judged({ ...moved, steps, patched: [] }, '18-drain-a', { snapshot: drained }).join()).toContain('4: ');
  });

  it('10: is not given on evidence that has lapsed, except on the way back', () => {
    const gates = { ...tested().gates, drift: { ...tested().gates.drift, until: at(1) } } as Going['gates'];
    expect(judged(tested({ gates }), '07-drain-b')).toEqual(['10: The evidence has lapsed of: drift.']);
    const { drift: _drift, ...without } = tested().gates;
    expect(judged(tested({ gates: without }), '07-drain-b')).toEqual(['10: The evidence has lapsed of: drift.']);
    const step: PlannedStep = {
      stepId: '26-drain-b',
      kind: 'drain',
      phase: 'recovery',
      node: 'b',
      workload: 'main',
      deadlineMs: 1_000,
      safePointAfter: true,
    };
    const back = tested({ gates });
    const steps = [
      ...back.steps,
      {
        step,
        status: 'planned',
        attempt: 0,
        requested: null,
        requestedAt: null,
        reason: null,
        endedAt: null,
        interruption: null,
        adopted: false,
      } as const,
    ];
    expect(judged({ ...back, steps }, '26-drain-b')).toEqual([]);
  });

  it('10: lets our own half-done switchover be repaired on evidence that has lapsed', () => {
    const gates = { ...tested().gates, drift: { ...tested().gates.drift, until: at(1) } } as Going['gates'];
    const begun = (serving: string | null, stepAttempt = 1): readonly string[] => {
      const state = tested({ gates, serving });
      const steps = state.steps.map((step) =>
        step.step.stepId === '14-switchover-b' ? { ...step, attempt: stepAttempt } : step,
      );
      const snapshot = seen([nodeSeen('a', { availability: 'down', joined: false }), nodeSeen('b')]);
      return judged({ ...state, steps }, '14-switchover-b', { snapshot }, { attempt: stepAttempt + 1 });
    };
    expect(begun(null)).toEqual([]);
    expect(begun('b')).toEqual([]);
    expect(begun('a')).toEqual(['10: The evidence has lapsed of: drift.']);
    expect(begun(null, 0)).toEqual(['10: The evidence has lapsed of: drift.']);
  });

  it('11: does not pass the switchover test without a result', () => {
    expect(judged(going(), '07-drain-b')).toEqual([
      '11: No unexpired switchover result lets the rollout pass the switchover test.',
    ]);
  });
});

describe('an admission', () => {
  const admit: RolloutEvent = { type: 'RolloutAdmitted', data: { hosts: [], at: at(1), acceptedRisks: [] } };

  it('5, 10, 15: happens once, with every required gate open, and on nobody’s own approval', () => {
    expect(violations(going({ admitted: null }), admit, LOOK)).toEqual([]);
    const found = violations(going({ gates: {}, approval: { by: 'ada', binding: 'x', at: at(0) } }), admit, LOOK);
    expect(found.map((violation) => violation.number)).toEqual([5, 10, 15]);
  });
});

describe('a revised plan', () => {
  it('6: is not put in place under a step that is under way; the way back needs no judgement of its shape', () => {
    const state = tested();
    const steps = state.steps.map((step, index) => (index === 0 ? { ...step, status: 'requested' as const } : step));
    const revise = (recovery: { because: string; failedStep: string; result: 'failed' } | null): RolloutEvent => ({
      type: 'PlanRevised',
      data: { plan: state.plan, reason: '', binding: '', topologyFingerprint: '', recovery, at: at(1) },
    });
    expect(violations({ ...state, steps }, revise(null), LOOK).map((violation) => violation.number)).toEqual([6]);
    expect(violations({ ...state, steps }, revise({ because: '', failedStep: '', result: 'failed' }), LOOK)).toEqual([]);
  });
});

describe('a closing', () => {
  const numbers = (state: Going, more: Partial<RolloutClosed>, look = LOOK): readonly number[] =>
    violations(state, closed(more), look).map((violation) => violation.number);

  it('8: hides nothing that is left behind', () => {
    expect(numbers(tested(), {})).toEqual([]);
    const out = tested({ out: [{ node: 'b', stage: 'drained' }] });
    const away = { ...LOOK, snapshot: seen([activeSeen('a'), nodeSeen('b', { joined: false })]) };
    expect(numbers(out, {}, away)).toEqual([8]);
    expect(numbers(out, {}, { ...LOOK, snapshot: null })).toEqual([8]);
    // Somebody has put it back already.
    expect(numbers(out, {})).toEqual([]);
    expect(numbers(tested({ probeRunning: true }), {})).toEqual([8]);
    expect(numbers(tested(), { result: 'needs-attention' })).toEqual([8]);
    const moved = tested();
    const steps = moved.steps.map((step) => (step.step.stepId === '03-switchover-b' ? { ...step, attempt: 1 } : step));
    const stray = { ...LOOK, snapshot: seen([nodeSeen('a', { joined: false }), activeSeen('b')]) };
    expect(numbers({ ...moved, steps }, {}, stray)).toEqual([8]);
    expect(numbers(moved, {}, stray)).toEqual([]);
    expect(numbers(tested({ probeRunning: true }), { result: 'needs-attention', remains: [{ what: 'a', mend: 'b' }] })).toEqual(
      [],
    );
  });

  it('14: says measured only of what a probe measured', () => {
    const measured = {
      measured: true,
      fromMs: 0,
      toMs: 1,
      gaps: [],
      longestMs: 0,
      sumMs: 0,
      failedOperations: 0,
      resolutionMs: 1,
      acknowledgedWrites: 0,
      lostWrites: 0,
    } as const;
    expect(numbers(tested(), { interruption: measured })).toEqual([14]);
  });

  it('9: success needs every step, every validation, and the target versions seen to run', () => {
    const target = { versions: { postgresql: { installed: '17.10', running: '17.10' } } };
    const done = seen([activeSeen('a', target), nodeSeen('b', target)]);
    const all = tested();
    const steps = all.steps.map((step) => ({
      ...step,
      status: step.step.kind === 'reboot' ? ('skipped' as const) : ('succeeded' as const),
    }));
    const state = { ...all, steps, patched: ['a', 'b'], validated: ['a', 'b'] };
    expect(numbers(state, { result: 'succeeded' }, { ...LOOK, snapshot: done })).toEqual([]);
    expect(numbers({ ...state, validated: ['a'] }, { result: 'succeeded' }, { ...LOOK, snapshot: done })).toEqual([9]);
    expect(numbers(state, { result: 'succeeded' })).toEqual([9]);
    expect(numbers(state, { result: 'succeeded' }, { ...LOOK, snapshot: { ...done, complete: false } })).toEqual([9]);
    const skipped = steps.map((step) =>
      step.step.kind === 'validate' && step.step.phase === 'standby' ? { ...step, status: 'skipped' as const } : step,
    );
    expect(numbers({ ...state, steps: skipped }, { result: 'succeeded' }, { ...LOOK, snapshot: done })).toEqual([9]);
    expect(numbers({ ...state, planned: plannedOf({ kind: 'switchover-test' }) }, { result: 'succeeded' })).toEqual([]);
  });
});
