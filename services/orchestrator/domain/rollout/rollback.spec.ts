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
  RUNNING,
  stateOf,
  typesOf,
  withPlaybook,
  World,
  type DriveOptions,
  type Owner,
} from './fixtures/contract.js';
import { rollbackRefusal } from './rollback.js';
import type { RolloutCommand, RolloutState } from './rollout.js';
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
