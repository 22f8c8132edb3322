import { describe, expect, it } from 'vitest';
import {
  activeSeen,
  ALONE,
  definitionOf,
  downtimeInput,
  nodeSeen,
  PAIR,
  planningOf,
  refusedBecause,
  seen,
} from './fixtures/contract.js';
import { planRollout } from './plan-steps.js';

describe('the plan of a downtime', () => {
  it('stops, patches, reboots, starts and validates each node where it stands, the one that serves last', () => {
    const planning = planningOf();
    expect('plan' in planning && planning.plan.steps.map((step) => step.stepId)).toEqual([
      '01-start-probe',
      '02-preflight',
      '03-stop-a',
      '04-patch-a',
      '05-reboot-a',
      '06-start-a',
      '07-validate-a',
      '08-check-orders',
      '09-soak-a',
      '10-postflight',
      '11-stop-probe',
    ]);
    const pair = planningOf({ cluster: definitionOf(2), snapshot: PAIR });
    expect('plan' in pair && pair.plan.order.map((place) => place.node)).toEqual(['b', 'a']);
    const three = seen([activeSeen('a'), nodeSeen('c'), nodeSeen('b')]);
    const trio = planningOf({ cluster: definitionOf(3), snapshot: three });
    expect('plan' in trio && trio.plan.order.map((place) => place.node)).toEqual(['b', 'c', 'a']);
    const four = seen([nodeSeen('d'), activeSeen('a'), nodeSeen('b'), nodeSeen('e'), nodeSeen('c')]);
    const five = planningOf({ cluster: definitionOf(5), snapshot: four });
    expect('plan' in five && five.plan.order.map((place) => place.node)).toEqual(['b', 'c', 'd', 'e', 'a']);
    const bare = planningOf({
      snapshot: seen([activeSeen('a', { versions: { postgresql: { installed: null, running: null } } })]),
    });
    expect('plan' in bare && bare.plan.steps.find((step) => step.kind === 'patch')?.fromVersion).toBe('');
    const done = { versions: { postgresql: { installed: '17.10', running: '17.10' } } };
    const half = planningOf({ cluster: definitionOf(2), snapshot: seen([activeSeen('a'), nodeSeen('b', done)]) });
    expect('plan' in half && half.plan.steps.map((step) => step.stepId)).toContain('03-validate-b');
  });

  it('is refused in words: not seen whole, nobody or several serve, nothing to do, versions that may not meet, a budget too small', () => {
    expect(refusedBecause({ snapshot: { ...ALONE, complete: false, disagreements: ['a is silent.'] } })).toContain(
      'a is silent.',
    );
    expect(refusedBecause({ snapshot: seen([nodeSeen('a')]) })).toContain('Not exactly one node');
    expect(refusedBecause({ snapshot: seen([activeSeen('a'), activeSeen('b')]) })).toContain('Not exactly one node');
    const done = { versions: { postgresql: { installed: '17.10', running: '17.10' } } };
    expect(refusedBecause({ snapshot: seen([activeSeen('a', done)]) })).toContain('nothing to do');
    const away = {
      snapshot: seen([activeSeen('a'), nodeSeen('b', { joined: false, native: 'stopped' })]),
      cluster: definitionOf(2),
    };
    expect(refusedBecause(away)).toContain('b is no member of the cluster (stopped): mend it');
    const major = { postgresql: { allowed: false, wayBack: 'none', reason: 'a major upgrade' } } as const;
    expect(refusedBecause({ versionPairs: major, snapshot: PAIR, cluster: definitionOf(2) })).toContain('a major upgrade');
    expect(refusedBecause({ outageBudgetMs: 32_999 })).toContain('away for about 33000 ms, the outage budget is 32999 ms');
    const { outageBudgetMs: _none, ...without } = downtimeInput();
    expect(planRollout(without)).toMatchObject({ noPlanBecause: expect.stringContaining('the outage budget is 0 ms') });
  });

  it('says from where the way back is not lossless; a node alone never meets another version', () => {
    const major = { postgresql: { allowed: false, wayBack: 'none', reason: 'a major upgrade' } } as const;
    expect(planningOf({ versionPairs: major })).toMatchObject({
      plan: { pointOfNoReturn: { stepId: '06-start-a', meaning: 'From here the way back is none: a major upgrade' } },
    });
    const { snapshot } = downtimeInput({
      snapshot: seen([activeSeen('a', { versions: { postgresql: { installed: '17.10', running: '17.10' } } }), nodeSeen('b')]),
      cluster: definitionOf(2),
    });
    const lossy = { postgresql: { allowed: true, wayBack: 'lossy', reason: 'r' } } as const;
    expect(planningOf({ snapshot, cluster: definitionOf(2), versionPairs: lossy })).not.toHaveProperty('plan.pointOfNoReturn');
    expect(
      planningOf({
        patchSet: {
          ...downtimeInput().patchSet,
          items: [...downtimeInput().patchSet.items, { name: 'kernel', targetVersion: '7', source: 'apt' }],
        },
      }),
    ).toMatchObject({
      noPlanBecause: expect.stringContaining('the platform driver does not know the pair'),
    });
  });
});
