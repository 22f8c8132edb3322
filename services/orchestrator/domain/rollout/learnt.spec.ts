import { describe, expect, it } from 'vitest';
import { DEADLINE_FLOOR_MS, deadlineMsOf, DEFAULT_DURATIONS_MS, expectedMs } from './budget.js';
import { drive, PATCHES, planInput, planOf, PLAYBOOK, plannedOf, World } from './fixtures/contract.js';
import { durationsOf, LEARN_FROM, LEARNT_FLOOR_MS, paced, paceOf, samplesOf, type DurationSample } from './learnt.js';
import { downtimePlan } from './downtime-plan.js';
import { INITIAL, type Going } from './state.js';
import type { StepKind } from './plan.js';

const samples = (kind: StepKind, tookMs: readonly number[], patchSetId = 'ps-0'): readonly DurationSample[] =>
  tookMs.map((ms) => ({ kind, tookMs: ms, patchSetId }));
const of = (kind: StepKind, seen: readonly DurationSample[]): { readonly ms: number; readonly source: string } =>
  durationsOf(PLAYBOOK, PATCHES.id, seen)[kind];

describe('what a step is expected to take', () => {
  it('is what nine of ten steps of its kind did not exceed on this cluster', () => {
    const ten = [2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 60_000];
    expect(of('join', samples('join', ten))).toEqual({ ms: 10_000, source: 'learnt from 10 steps of kind join on this cluster' });
    expect(of('join', samples('join', [...ten].reverse())).ms).toBe(10_000);
    expect(of('join', samples('join', [2_000, 9_000, 3_000])).ms).toBe(9_000);
  });

  it('is learnt from the newest only, and never less than a floor', () => {
    const newest = Array.from({ length: LEARN_FROM }, () => 2_000);
    expect(of('join', samples('join', [...newest, 90_000, 90_000]))).toMatchObject({ ms: 2_000 });
    expect(of('join', samples('join', [3, 4, 5])).ms).toBe(LEARNT_FLOOR_MS);
  });

  it('is for a patch what the same patch set took, where that is known', () => {
    const others = samples('patch', [90_000, 90_000, 90_000]);
    const own = samples('patch', [5_000, 6_000, 7_000], PATCHES.id);
    expect(of('patch', [...others, ...own])).toEqual({
      ms: 7_000,
      source: 'learnt from 3 steps of kind patch on this cluster with this patch set',
    });
    expect(of('patch', [...others, ...own.slice(1)]).ms).toBe(90_000);
    expect(of('patch', samples('patch', [1_000, 1_000, 1_000]))).toEqual({
      ms: 5_000,
      source: 'playbook practice version 1, duration of patch',
    });
    expect(of('join', samples('join', [5_000, 6_000, 7_000], PATCHES.id)).source).not.toContain('patch set');
  });

  it('is what the playbook says until enough is known, then a default; and says which', () => {
    expect(of('patch', samples('patch', [1, 2]))).toEqual({
      ms: 5_000,
      source: 'playbook practice version 1, duration of patch',
    });
    expect(of('join', [])).toEqual({ ms: DEFAULT_DURATIONS_MS.join, source: 'default duration of join' });
    expect(of('soak', samples('soak', [9, 9, 9]))).toEqual({ ms: 1_000, source: 'playbook practice version 1, its soak' });
    expect(of('pause', samples('pause', [9, 9, 9])).source).toBe('default duration of pause');
  });
});

describe('a plan', () => {
  const slow = samples('join', [70_000, 80_000, 90_000]);

  it('counts its budget and deadlines with what was learnt, and keeps the figures with their source', () => {
    const [usual, learnt] = [planOf(), planOf({ samples: slow })];
    expect(learnt.durations?.join).toEqual({ ms: 90_000, source: 'learnt from 3 steps of kind join on this cluster' });
    expect(learnt.durations?.unpatch?.source).toContain('playbook practice version 1');
    expect(learnt.durations).not.toHaveProperty('pause');
    expect(learnt.forwardMs - usual.forwardMs).toBe(2 * (90_000 - DEFAULT_DURATIONS_MS.join));
    expect(learnt.wayBackMs - usual.wayBackMs).toBe(2 * (90_000 - DEFAULT_DURATIONS_MS.join));
    const deadline = (plan: typeof usual): number | undefined => plan.steps.find((step) => step.kind === 'join')?.deadlineMs;
    expect([deadline(usual), deadline(learnt)]).toEqual([80_000, 360_000]);
    expect(learnt.hash).toBeDefined();
  });

  it('never gives a step less time than the playbook declares, on the way there and on the way back', () => {
    const playbook = { ...PLAYBOOK, durations: { patch: 600_000, unpatch: 600_000 } };
    const quick = (['patch', 'unpatch', 'join', 'drain'] as const).flatMap((kind) =>
      samples(kind, [5_000, 5_000, 5_000], PATCHES.id),
    );
    const plan = planOf({ playbook, samples: quick });
    expect(plan.durations?.patch?.ms).toBe(5_000);
    const deadline = (kind: StepKind): number | undefined => plan.steps.find((step) => step.kind === kind)?.deadlineMs;
    expect([deadline('patch'), deadline('join')]).toEqual([2_400_000, 80_000]);
    const badReleases = ['b:17.10'];
    const owner = drive({ world: Object.assign(new World(2), { badReleases }), planned: plannedOf({ playbook, plan }) });
    expect(owner.state.closed?.result).toBe('rolled-back');
    const back = owner.state.steps
      .filter((step) => step.step.phase === 'recovery')
      .map(({ step }) => [step.kind, step.deadlineMs]);
    expect(back).toContainEqual(['unpatch', 2_400_000]);
    expect(back).toContainEqual(['join', 80_000]);
  });

  it('of before durations were learnt keeps the pace of its playbook', () => {
    const planned = plannedOf();
    const { durations: _none, ...old } = planOf();
    expect(paced(PLAYBOOK, undefined)).toBe(PLAYBOOK);
    expect([expectedMs('patch', PLAYBOOK), expectedMs('drain', PLAYBOOK)]).toEqual([5_000, DEFAULT_DURATIONS_MS.drain]);
    expect(paceOf({ ...INITIAL, planned, plan: old } as unknown as Going)).toBe(planned.playbook);
    expect([deadlineMsOf('join', PLAYBOOK), deadlineMsOf('patch', PLAYBOOK)]).toEqual([80_000, DEADLINE_FLOOR_MS]);
    expect(paceOf({ ...INITIAL, planned, plan: planOf({ samples: slow }) } as unknown as Going).durations.join).toBe(90_000);
  });

  it('of a downtime estimates with what was learnt', () => {
    const { cluster, snapshot, patchSet, playbook } = planInput();
    const document = downtimePlan({
      cluster,
      snapshot,
      patchSet,
      playbook,
      reason: 'r',
      samples: samples('stop', [8e3, 8e3, 8e3]),
    });
    expect(document.steps.find((step) => step.what.startsWith('Stop'))).toMatchObject({
      estimatedMs: 8_000,
      source: 'learnt from 3 steps of kind stop on this cluster',
    });
  });
});

describe('what a rollout teaches', () => {
  it('is how long its steps took that succeeded when they were asked for', () => {
    const { state } = drive();
    const taught = samplesOf(state);
    expect(taught.filter((sample) => sample.kind === 'patch')).toHaveLength(2);
    expect(taught.every((sample) => sample.tookMs >= 0 && sample.patchSetId === PATCHES.id)).toBe(true);
    expect(
      taught.some((sample) => sample.kind === 'reboot'),
      'skipped',
    ).toBe(false);
    const adopted = { ...state, steps: state.steps.map((step) => ({ ...step, adopted: true })) };
    expect(samplesOf(adopted)).toEqual([]);
    const open = { ...state, steps: state.steps.map((step) => ({ ...step, endedAt: null })) };
    expect(samplesOf(open)).toEqual([]);
    expect(samplesOf(INITIAL)).toEqual([]);
    expect(samplesOf({ ...state, planned: null })[0]?.patchSetId).toBe('');
  });
});
