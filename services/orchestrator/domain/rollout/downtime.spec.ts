import { describe, expect, it } from 'vitest';
import {
  ADA,
  ALONE,
  at,
  BUDGET_MS,
  codesOf,
  definitionOf,
  downtimeOf,
  drive,
  eventsOf,
  inputsOf,
  of,
  once,
  PAIR,
  PLAYBOOK,
  seen,
  stateOf,
  T0,
  World,
  type DriveOptions,
  type Owner,
} from './fixtures/contract.js';
import { evaluateGate } from './gates.js';
import { deviationOf } from './deviation.js';
import { violations } from './invariants.js';
import { outageDueMs, outageMs } from './outage.js';
import type { Observation } from './observation.js';
import type { Playbook } from './plan.js';
import { serviceBack } from './recovery-downtime.js';
import { reportOf } from './report.js';
import type { RolloutEvent, RolloutPlanned, StepRequested } from './rollout.js';
import { isoOf } from './time.js';
import type { Going, Known } from './state.js';

const run = (options: Partial<DriveOptions> = {}): Owner => drive({ world: new World(1), planned: downtimeOf(), ...options });
const withPlaybook = (change: Partial<Playbook>): RolloutPlanned => downtimeOf({ playbook: { ...PLAYBOOK, ...change } });
const bad = (): World => Object.assign(new World(1), { badReleases: ['a:17.10'] });
const unproven: DriveOptions['inputs'] = (world, state) =>
  inputsOf(world.snapshot(), {
    drift: state.drift,
    wayBack: [{ node: 'a', proven: false, applicable: true, detail: 'the old release is gone' }],
  });

describe('a downtime rollout', () => {
  it('takes the workload away once, within what was approved, and says so', () => {
    const owner = run();
    expect(owner.state.closed).toMatchObject({ result: 'succeeded', versions: { a: { postgresql: '17.10' } } });
    expect(owner.outcomes()).toContain('05-reboot-a skipped');
    expect(owner.state.outage).toMatchObject({ since: null, exceededAt: null });
    expect(owner.state.outage.totalMs).toBeGreaterThan(0);
    expect(of(owner, 'RolloutAdmitted')[0]?.acceptedRisks).toEqual([
      `main is away for up to ${BUDGET_MS} ms; accepted by ada with the rollout.`,
    ]);
    expect(reportOf(owner.log)?.outage).toEqual({
      budgetMs: BUDGET_MS,
      outageMs: owner.state.outage.totalMs,
      exceeded: false,
    });
    expect(owner.state.closed?.notRequired).toEqual(
      expect.arrayContaining([
        expect.stringContaining('Gate ha-layer is off in practice for a downtime'),
        expect.stringContaining('Gate switchover-test is off'),
      ]),
    );
    expect(reportOf(drive().log)?.outage).toBeNull();
    expect(reportOf([])).toBeUndefined();
  });

  it('patches who does not serve first, with the workload untouched meanwhile', () => {
    const planned = downtimeOf({ cluster: definitionOf(2), snapshot: PAIR });
    const owner = run({ world: new World(2), planned });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.world.journal.filter((entry) => /(stop|drain|release)$|patch/.test(entry))).toEqual([
      'r-1/03-drain-b/1/drain',
      'r-1/04-patch-b/1',
      'r-1/08-release-b/1/release',
      'r-1/09-stop-a/1/stop',
      'r-1/10-patch-a/1',
    ]);
  });

  it('goes on where reality is after a crash at any move', () => {
    const moves = run().moves.length;
    for (let crashAt = 0; crashAt < moves; crashAt += 1) {
      let count = 0;
      const owner = run({ before: () => (count++ === crashAt ? 'crash-after' : undefined) });
      expect(owner.state.closed?.result).toBe('succeeded');
      expect(new Set(owner.world.journal).size).toBe(owner.world.journal.length);
    }
  });

  it('is not astonished when the package starts what it has patched', () => {
    const world = new World(1);
    Object.assign(world.node('a'), { rebootNeeded: true });
    const owner = run({
      world,
      before: once(
        (stepId, move) => stepId === '05-reboot-a' && move === 'observe',
        () => Object.assign(world.node('a'), { availability: 'serving', joined: true, running: '17.10' }),
      ),
    });
    expect(owner.outcomes()).toContain('05-reboot-a');
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(of(owner, 'DeviationRecorded')).toEqual([]);
    const state = owner.state as Going;
    expect(deviationOf({ ...state, serving: null, out: [] }, { at: at(0), snapshot: ALONE })).not.toBeNull();
    expect(
      deviationOf({ ...state, serving: null, out: [{ node: 'a', stage: 'drained' }] }, { at: at(0), snapshot: ALONE }),
    ).toBeNull();
  });
});

describe('what fails in a downtime', () => {
  it('is rolled back with the service first, where the way back is proven', () => {
    const owner = run({ world: bad() });
    expect(owner.state.closed).toMatchObject({ result: 'rolled-back', versions: { a: { postgresql: '17.9' } }, remains: [] });
    expect(owner.outcomes().slice(-6)).toEqual([
      '12-stop-a',
      '13-unpatch-a',
      '14-reboot-a skipped',
      '15-start-a',
      '16-validate-a',
      '17-stop-probe',
    ]);
    expect(owner.state.serving).toBe('a');
  });

  it('holds where the playbook says so, and the budget is watched all the same', () => {
    const owner = run({ world: bad(), planned: withPlaybook({ onFailure: 'hold' }) });
    expect(owner.state).toMatchObject({ status: 'held', held: { reason: expect.stringContaining('The playbook holds') } });
    const last = owner.moves.at(-1);
    expect(last).toMatchObject({ move: 'wait', untilMs: (outageDueMs(owner.state as Known) ?? 0) + 1 });
    owner.world.nowMs += BUDGET_MS;
    owner.run();
    expect(of(owner, 'OutageBudgetExceeded')).toHaveLength(1);
    expect(owner.state).toMatchObject({ status: 'held', breaches: [2] });
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: owner.state.outage.exceededAt ?? '' });
    owner.world.badReleases = [];
    owner.run();
    expect(owner.state).toMatchObject({ status: 'closed', serving: 'a' });
  });

  it('is started with what is installed where the way back is not proven; what cannot start then waits for a person', () => {
    const owner = run({ world: bad(), inputs: unproven });
    expect(owner.outcomes()).toContain('12-start-a failed');
    expect(owner.state.held?.reason).toContain('This was on the way back already.');
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(owner.world.nowMs) });
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'needs-attention' });
    expect(owner.state.closed?.remains.map((left) => left.what)).toContain('No node serves.');
  });

  it('waits for a person where a served workload fails its validation and nothing can be taken back', () => {
    const distort = (world: World): World => {
      world.distort = (observation) =>
        world.node('a').installed === '17.10'
          ? { ...observation, checks: [{ check: 'writes', passed: false, detail: 'no write came through' }] }
          : observation;
      return world;
    };
    const owner = run({ world: distort(new World(1)), inputs: unproven });
    expect(owner.state.held?.reason).toContain('The way back is not proven, and the workload is served.');
    const back = run({ world: distort(new World(1)) });
    expect(back.state.closed).toMatchObject({ result: 'rolled-back' });
  });

  it('is rolled back on a standby as in any rollout, with the workload untouched', () => {
    const planned = downtimeOf({ cluster: definitionOf(2), snapshot: PAIR });
    const owner = run({ world: Object.assign(new World(2), { badReleases: ['b:17.10'] }), planned });
    expect(owner.state.closed).toMatchObject({ result: 'rolled-back', remains: [] });
    expect(owner.state.outage).toMatchObject({ since: null, totalMs: 0 });
    expect(owner.outcomes().slice(-4)).toEqual([
      expect.stringMatching(/join-b$/),
      expect.stringMatching(/validate-b$/),
      expect.stringMatching(/release-b$/),
      expect.stringMatching(/stop-probe$/),
    ]);
  });

  it('is not taken for ours when somebody else stopped the node', () => {
    const world = new World(1);
    Object.assign(world, {
      distort: (observation: Observation) =>
        world.node('a').availability === 'serving'
          ? observation
          : { ...observation, checks: [{ check: 'answers', passed: false, detail: 'no answer' }] },
    });
    const owner = run({
      world,
      before: once(
        (stepId, move) => stepId === '02-preflight' && move === 'perform',
        () => Object.assign(world.node('a'), { availability: 'down', joined: false }),
      ),
    });
    expect(owner.state.held?.reason).toContain('No node serves, and not because this rollout took it away.');
  });
});

describe('the outage budget', () => {
  const slow = (step: string, seconds: number): DriveOptions['before'] =>
    once(
      (stepId, move) => stepId === step && move === 'perform',
      ({ world }) => (world.nowMs += seconds * 1_000),
    );

  it('used up with the workload away: recorded as a breach, and the workload comes back at once', () => {
    const owner = run({ before: slow('04-patch-a', 61) });
    expect(of(owner, 'OutageBudgetExceeded')).toMatchObject([
      { budgetMs: BUDGET_MS, detail: expect.stringContaining('60000 ms were approved') },
    ]);
    expect(of(owner, 'InvariantBreached')).toMatchObject([{ number: 2 }]);
    expect(owner.state.closed).toMatchObject({ result: 'failed', reason: expect.stringContaining('outage budget was used up') });
    expect(owner.state).toMatchObject({ serving: 'a', out: [] });
    expect(reportOf(owner.log)?.outage).toMatchObject({ exceeded: true });
  });

  it('found used up once the workload is back: a person looks before it goes on', () => {
    const owner = run({ before: slow('06-start-a', 59.999) });
    expect(owner.state).toMatchObject({ status: 'held', outage: { since: null } });
    owner.give({ type: 'Resume', by: ADA, at: owner.state.outage.exceededAt ?? '' });
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'succeeded' });
    expect(of(owner, 'OutageBudgetExceeded')).toHaveLength(1);
  });

  it('counts from the stop, also where nobody could look, and no probe has to run for the way back', () => {
    const owner = run();
    const index = owner.log.findIndex((event) => event.type === 'StepSucceeded' && event.data.stepId === '03-stop-a');
    const blind = { stepId: '03-stop-a', attempt: 1, at: at(9), evidence: {}, adopted: false };
    const state = stateOf([...owner.log.slice(0, index), { type: 'StepSucceeded', data: blind }]) as Going;
    expect(state).toMatchObject({ serving: null, out: [{ node: 'a', stage: 'drained' }], outage: { since: expect.any(String) } });
    const way = serviceBack({ ...state, probeRunning: false }, { because: 'r', failedStep: null, result: 'failed' }, []);
    expect(way.plan.steps.slice(-2).map((step) => step.kind)).toEqual(['start', 'validate']);
  });

  it('is no reason to stop on the way back', () => {
    const owner = run({ world: bad(), before: slow('13-unpatch-a', 61) });
    expect(owner.state).toMatchObject({ breaches: [2], closed: { result: 'rolled-back' } });
  });

  it('refuses to take the workload away for longer than what is left of it', () => {
    const tight = downtimeOf({ outageBudgetMs: 33_000 });
    const owner = run({
      planned: tight,
      before: once(
        (stepId, move) => stepId === '03-stop-a' && move === 'observe',
        (one) => {
          one.state = { ...one.state, outage: { ...one.state.outage, totalMs: 1 } };
        },
      ),
    });
    expect(owner.state.held?.reason).toContain('main would be away for 33000 ms after 1 ms; 33000 ms were approved.');
  });

  it('does not admit a rollout without one, and is nothing to anybody else', () => {
    const { outageBudgetMs: _none, ...without } = downtimeOf();
    const state = stateOf([
      { type: 'RolloutPlanned', data: without },
      { type: 'RolloutAdopted', data: { instance: 'one', incarnation: 'i-1', at: at(0) } },
    ]) as Going;
    const order: RolloutEvent = { type: 'RolloutAdmitted', data: { hosts: [], at: at(0), acceptedRisks: [] } };
    const found = violations(state, order, { snapshot: null, neighbours: null });
    expect(found).toContainEqual({ number: 2, detail: 'No outage budget was approved.' });
    expect(eventsOf({ type: 'RecordOutage', incarnation: 'i-1', at: at(1) }, state)).toEqual([]);
    expect(outageMs(state, T0)).toBe(0);
    const away = { ...state, outage: { since: at(0), totalMs: 5, exceededAt: null, told: false } };
    expect(outageMs(away, T0 + 10)).toBe(15);
    expect(eventsOf({ type: 'RecordOutage', incarnation: 'i-1', at: at(-1) }, away)).toEqual([]);
    const over = { ...state, outage: { since: null, totalMs: 1, exceededAt: null, told: false } };
    expect(outageDueMs(over)).toBe(0);
    expect(eventsOf({ type: 'RecordOutage', incarnation: 'i-1', at: at(1) }, over)).toHaveLength(2);
    expect(codesOf({ type: 'RecordOutage', incarnation: 'i-2', at: at(1) }, away)).toEqual(['NOT_OWNER']);
  });

  it('is what the rules of rolling rollouts give way to, and nothing else does', () => {
    const owner = drive();
    const running = owner.log.slice(
      0,
      owner.log.findIndex((event) => event.type === 'StepRequested'),
    );
    const state = stateOf(running) as Going;
    const step = { ...(state.steps[0]?.step as Going['steps'][number]['step']), kind: 'stop', node: 'b' } as const;
    const planned = { ...state, steps: [{ ...(state.steps[0] as Going['steps'][number]), step }] };
    const requested: StepRequested = {
      stepId: step.stepId,
      attempt: 1,
      key: 'k',
      ask: { ask: 'verb', verb: 'stop', node: 'b', parameters: {} },
      deadlineAt: at(900),
      at: at(1),
      incarnation: 'i-1',
      evidence: {},
    };
    const look = { snapshot: seen(PAIR.nodes, { observedAt: at(1) }), neighbours: [] };
    expect(violations(planned, { type: 'StepRequested', data: requested }, look)).toContainEqual({
      number: 1,
      detail: 'Only a downtime rollout stops b.',
    });
  });

  it('leaves the topology gate to judge everything but the standby', () => {
    const state = stateOf([{ type: 'RolloutPlanned', data: downtimeOf() }]) as Known;
    expect(evaluateGate('topology', state, inputsOf(ALONE), at(1)).status).toBe('open');
    const rolling = stateOf([{ type: 'RolloutPlanned', data: downtimeOf({}, { kind: 'patch' }) }]) as Known;
    expect(evaluateGate('topology', rolling, inputsOf(ALONE), at(1)).reason).toContain('No standby is fit');
  });
});
