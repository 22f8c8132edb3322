import { describe, expect, it } from 'vitest';
import {
  ADA,
  at,
  codesOf,
  definitionOf,
  drive,
  eventsOf,
  HELD,
  of,
  once,
  PLANNED,
  planOf,
  plannedOf,
  PLAYBOOK,
  RUNNING,
  stateOf,
  typesOf,
  withPlaybook,
  World,
  type DriveOptions,
  type Owner,
} from './fixtures/contract.js';
import { nodesOfWish, rollbackRefusal } from './way-back.js';
import type { RolloutCommand, RolloutPlanned, RolloutState } from './rollout.js';
import type { Going } from './state.js';
import { isoOf } from './time.js';
import { pointOfNoReturn, wayBackOf } from './versions.js';

const turnBack = (more: Partial<Extract<RolloutCommand, { type: 'RollBack' }>> = {}): RolloutCommand => ({
  type: 'RollBack',
  by: ADA,
  reason: 'the application complains',
  node: null,
  at: at(50),
  ...more,
});
/** A person turns back before this step is begun. */
const before = (step: string, node: string | null = null): DriveOptions['before'] =>
  once(
    (stepId, move) => stepId === step && move === 'RequestStep',
    (owner) => owner.give(turnBack({ node, at: isoOf(owner.world.nowMs) })),
  );
const running = (owner: Owner): Readonly<Record<string, string>> =>
  Object.fromEntries([...owner.world.nodes].map(([name, node]) => [name, node.running]));

describe('a person turns back', () => {
  it('with one patched standby: it is taken back, and the active node was never touched', () => {
    const owner = drive({ before: before('14-switchover-b') });
    expect(owner.state.closed).toMatchObject({ result: 'rolled-back', reason: 'Rolled back by ada: the application complains' });
    expect(running(owner)).toEqual({ a: '17.9', b: '17.9' });
    expect(owner.outcomes()).toContainEqual(expect.stringMatching(/-unpatch-b$/));
    expect(owner.state.closed?.remains).toEqual([]);
  });

  it('after the switchover: the workload goes home first', () => {
    const owner = drive({ before: before('18-drain-a') });
    expect(owner.state.closed?.result).toBe('rolled-back');
    expect(running(owner)).toEqual({ a: '17.9', b: '17.9' });
    expect(owner.state.serving).toBe('a');
  });

  it('with everything patched: all of it, or one node alone', () => {
    const all = drive({ before: before('24-postflight') });
    expect(all.state.closed?.result).toBe('rolled-back');
    expect(running(all)).toEqual({ a: '17.9', b: '17.9' });
    const one = drive({ before: before('24-postflight', 'a') });
    expect(one.state.closed?.result).toBe('rolled-back');
    expect(running(one)).toEqual({ a: '17.9', b: '17.10' });
    expect(one.state.mixed).toMatchObject({ until: null });
  });

  it('at the next safe point, not in the middle of a node', () => {
    const owner = drive({ before: before('10-join-b') });
    const outcomes = owner.outcomes();
    expect(outcomes).toContain('10-join-b');
    expect(outcomes).not.toContain('14-switchover-b');
    expect(owner.state.closed?.result).toBe('rolled-back');
  });

  it('from a hold, also one that a failure has led to', () => {
    const world = Object.assign(new World(2), { badReleases: ['b:17.10'] });
    const owner = drive({ world, planned: withPlaybook({ onFailure: 'hold' }) });
    expect(owner.state.status).toBe('held');
    owner.give(turnBack({ at: isoOf(owner.world.nowMs) }));
    expect(owner.state).toMatchObject({ status: 'running', held: null });
    owner.run();
    expect(owner.state.closed?.result).toBe('rolled-back');
    expect(running(owner)).toEqual({ a: '17.9', b: '17.9' });
    expect(of(owner, 'RollbackRequested')).toMatchObject([{ by: 'ada', nodes: ['b'] }]);
  });
});

describe('what a wish to turn back means is worked out when it is carried out', () => {
  const LOSSY = { postgresql: { allowed: true, wayBack: 'lossy', reason: 'new pages' } } as const;
  const lossy = (playbook: Partial<typeof PLAYBOOK> = {}): RolloutPlanned => {
    const whole = { ...PLAYBOOK, ...playbook };
    return plannedOf({ playbook: whole, plan: planOf({ versionPairs: LOSSY, playbook: whole }) });
  };
  const during = (step: string, ...commands: readonly RolloutCommand[]): DriveOptions['before'] =>
    once(
      (stepId, move) => stepId === step && move === 'perform',
      (owner) => commands.forEach((command) => owner.give({ ...command, at: isoOf(owner.world.nowMs) } as RolloutCommand)),
    );
  const ABORT: RolloutCommand = { type: 'Abort', by: ADA, reason: 'enough', at: at(50) };
  const takenBack = (owner: Owner): readonly string[] =>
    of(owner, 'StepRequested')
      .map(({ stepId }) => stepId)
      .filter((stepId) => stepId.includes('unpatch'));

  it('the point of no return passed since: it holds, nothing is taken back, and the wish ends', () => {
    const owner = drive({ planned: lossy(), before: during('14-switchover-b', turnBack()) });
    expect(of(owner, 'PointOfNoReturnPassed')).toHaveLength(1);
    expect(owner.state.status).toBe('held');
    expect(owner.state.held?.reason).toMatch(
      /^ada asked to roll back .* The point of no return has been passed\. .*lossy: new pages/,
    );
    expect(owner.state.rollbackRequested).toBeNull();
    owner.give({ type: 'Resume', by: ADA, at: isoOf(owner.world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(takenBack(owner)).toEqual([]);
  });

  it('the same where the step after it fails for good: the failure is still there to be judged', () => {
    const world = new World(2);
    world.distort = (observation, { nodes }) =>
      nodes.get('b')?.active === true && nodes.get('b')?.installed === '17.10'
        ? { ...observation, checks: [{ check: 'archiving', passed: false, detail: 'dead' }] }
        : observation;
    const owner = drive({ world, planned: lossy(), before: during('14-switchover-b', turnBack()) });
    expect(owner.state.held?.reason).toContain('The point of no return has been passed');
    expect(owner.state.rollbackRequested).toBeNull();
    expect(takenBack(owner)).toEqual([]);
    owner.give({ ...ABORT, at: isoOf(owner.world.nowMs) });
    owner.run();
    expect(takenBack(owner)).toEqual([]);
    expect(owner.outcomes()).not.toContainEqual(expect.stringMatching(/^2\d-switchover-a/));
    expect(owner.state.closed).toMatchObject({
      result: 'needs-attention',
      remains: [{ what: 'b serves, and has not been validated since the workload was moved to it.' }],
    });
  });

  it('an abort that came after it is carried out all the same', () => {
    const owner = drive({ planned: lossy(), before: during('14-switchover-b', turnBack(), ABORT) });
    expect(owner.state.closed).toMatchObject({ result: 'aborted', reason: 'Aborted by ada: enough' });
    expect(takenBack(owner)).toEqual([]);
    const both = drive({ before: during('14-switchover-b', turnBack(), ABORT) });
    expect(both.state.closed?.result).toBe('rolled-back');
  });

  it('all means also the node that was being patched when it was said', () => {
    const planned = plannedOf({
      cluster: definitionOf(3),
      plan: planOf({ cluster: definitionOf(3), snapshot: new World(3).snapshot() }),
    });
    const patches = planned.plan?.steps.filter((step) => step.kind === 'patch').map((step) => step.stepId) ?? [];
    const owner = drive({ world: new World(3), planned, before: during(patches[1] as string, turnBack()) });
    expect(of(owner, 'RollbackRequested')).toMatchObject([{ all: true }]);
    expect(owner.state.closed?.result).toBe('rolled-back');
    expect(running(owner)).toEqual({ a: '17.9', b: '17.9', c: '17.9' });
    const first = planned.plan?.order[0]?.node as string;
    const one = drive({ world: new World(3), planned, before: during(patches[0] as string, turnBack({ node: first })) });
    expect(of(one, 'RollbackRequested')[0]).not.toHaveProperty('all');
    expect(running(one)).toEqual({ a: '17.9', b: '17.9', c: '17.9' });
  });

  it('a stored wish that does not say all means the nodes that it names', () => {
    const state = { ...RUNNING, patched: ['b', 'c'] } as unknown as Going;
    const wish = { by: 'ada', reason: 'r', nodes: ['b'], at: at(50) };
    expect(nodesOfWish(state, wish)).toEqual(['b']);
    expect(nodesOfWish(state, { ...wish, all: true })).toEqual(['b', 'c']);
  });
});

describe('turning back is refused', () => {
  const patched: RolloutState = {
    ...RUNNING,
    patched: ['b'],
    gates: { 'way-back': { evidence: { proven: ['a', 'b'] } } as never },
  };
  const codes = (state: RolloutState, more: Parameters<typeof turnBack>[0] = {}): readonly string[] =>
    codesOf(turnBack(more), state);

  it('to who may not steer, and before anything was patched', () => {
    expect(codes(patched, { by: { subject: 'bob', role: 'approver' } })).toEqual(['ROLE_MISSING']);
    expect(codes(stateOf([PLANNED]))).toEqual(['NOTHING_PATCHED']);
    expect(codes(stateOf([{ type: 'RolloutPlanned', data: plannedOf({ plan: null }) }]))).toEqual(['NOTHING_PATCHED']);
    expect(codes(RUNNING)).toEqual(['NOTHING_PATCHED']);
    expect(codes(patched, { node: 'a' })).toEqual(['NOTHING_PATCHED']);
  });

  it('past the point of no return, with what it means', () => {
    const plan = planOf({ versionPairs: { postgresql: { allowed: true, wayBack: 'lossy', reason: 'new pages' } } });
    const past = { ...patched, pointOfNoReturnPassed: true } as Going;
    expect(rollbackRefusal({ ...past, plan }, ['b'])?.detail).toContain('From here the way back is lossy: new pages');
    expect(codes(past)).toEqual(['POINT_OF_NO_RETURN']);
  });

  it('where the way back is not proven, and for a node that served first and serves again', () => {
    expect(codes({ ...patched, gates: {} })).toEqual(['WAY_BACK_UNPROVEN']);
    expect(codes({ ...patched, patched: ['a', 'b'] })).toEqual(['NODE_SERVES']);
    expect(codes({ ...patched, patched: ['a', 'b'] }, { node: 'b' })).toEqual([]);
    const downtime = { ...patched, patched: ['a'], planned: plannedOf({ kind: 'downtime', cluster: definitionOf(1) }) };
    for (const state of [downtime, { ...patched, serving: null }]) expect(codes(state)).toEqual([]);
  });

  it('while it is frozen or on its way back already; asked again it changes nothing', () => {
    expect(codes({ ...patched, status: 'frozen' })).toEqual(['FROZEN']);
    const aborting = { ...patched, abortRequested: { by: 'ada', reason: 'r' } };
    expect(codes(aborting)).toEqual(['TURNING_BACK']);
    const asked = stateOf(eventsOf(turnBack(), patched), patched);
    expect(typesOf(turnBack(), asked)).toEqual([]);
    expect(codes({ ...asked, recovery: { because: 'r', failedStep: null, result: 'rolled-back' } })).toEqual(['TURNING_BACK']);
    expect(stateOf([HELD], asked).status).toBe('held');
    expect(stateOf(eventsOf(turnBack(), patched), { ...patched, status: 'planned' }).status).toBe('planned');
  });

  it('when the next step is asked for first', () => {
    const asked = stateOf(eventsOf(turnBack(), patched), patched);
    expect(
      codesOf({ type: 'RequestStep', stepId: '01-start-probe', incarnation: 'i-1', snapshot: null, at: at(60) }, asked),
    ).toEqual(['STOP_REQUESTED']);
  });
});

describe('the pair of versions', () => {
  const pair = { allowed: true, wayBack: 'lossless', reason: 'one format' } as const;
  const step = planOf().steps.find((candidate) => candidate.kind === 'switchover');
  const items = (...names: string[]) => ({
    ...plannedOf().patchSet,
    items: names.map((name) => ({ name, targetVersion: '2', source: 'apt' })),
  });

  it('is asked both ways: a way back that its own direction forbids is none', () => {
    expect(wayBackOf(pair)).toEqual({ wayBack: 'lossless', reason: 'one format' });
    expect(wayBackOf({ ...pair, back: { allowed: true, reason: 'same' } })).toEqual({
      wayBack: 'lossless',
      reason: 'one format',
    });
    expect(wayBackOf({ ...pair, back: { allowed: false, reason: 'it refuses newer pages' } })).toEqual({
      wayBack: 'none',
      reason: 'it refuses newer pages',
    });
  });

  it('says where the point of no return lies: the worst of all items, none where all are lossless', () => {
    const pairs = {
      one: pair,
      two: { ...pair, wayBack: 'lossy', reason: 'B' },
      three: { ...pair, wayBack: 'none', reason: 'C' },
    } as const;
    expect(pointOfNoReturn(step, pairs, items('one', 'other'))).toBeUndefined();
    expect(pointOfNoReturn(undefined, pairs, items('two'))).toBeUndefined();
    for (const names of [
      ['two', 'three'],
      ['three', 'two'],
    ])
      expect(pointOfNoReturn(step, pairs, items(...names))?.meaning).toBe('From here the way back is none: C');
    expect(pointOfNoReturn(step, pairs, items('one', 'two'))).toEqual({
      stepId: step?.stepId,
      meaning: 'From here the way back is lossy: B',
    });
    expect(planOf().versionPairs).toEqual({ postgresql: expect.objectContaining({ wayBack: 'lossless' }) });
  });
});
