import type { PatchSet } from '@understudy/cluster';
import { describe, expect, it } from 'vitest';
import { wayBackMsFrom } from './budget.js';
import {
  activeSeen,
  nodeSeen,
  seen,
  definitionOf,
  drive,
  once,
  PATCHES,
  planOf,
  PLAYBOOK,
  plannedOf,
  World,
} from './fixtures/contract.js';
import { downtimeOf } from './fixtures/downtime/contract.js';
import type { Plan } from './plan.js';

/** One node with one item, by the playbook and the defaults: drain, unpatch, reboot, join, validate, release. */
const NODE_MS = 10_000 + 5_000 + 5_000 + 20_000 + 3_000 + 3_000;
const MOVE_MS = 5_000 + 3_000;
const ITEM_MS = 5_000;

const four = (patchSet: PatchSet = PATCHES): Plan =>
  planOf({ cluster: definitionOf(4), snapshot: new World(4).snapshot(), patchSet });
const from = (plan: Plan, kind: string, node: string): number =>
  wayBackMsFrom(
    plan.steps,
    plan.steps.findLastIndex((step) => step.kind === kind && step.node === node),
    PLAYBOOK,
  );

describe('the way back', () => {
  it('of a whole plan is every node one after the other, and the workload home', () => {
    expect(four().wayBackMs).toBe(4 * NODE_MS + MOVE_MS);
    expect(planOf().wayBackMs).toBe(2 * NODE_MS + MOVE_MS);
  });

  it('counts every item', () => {
    const items = ['postgresql', 'postgis', 'pgaudit'].map((name) => ({ name, targetVersion: '17.10', source: 'release' }));
    const versions = Object.fromEntries(items.map(({ name }) => [name, { installed: '17.9', running: '17.9' }]));
    const plan = planOf({
      patchSet: { ...PATCHES, items },
      versionPairs: Object.fromEntries(
        items.map(({ name }) => [name, { allowed: true, wayBack: 'lossless', reason: 'r' } as const]),
      ),
      snapshot: seen([activeSeen('a', { versions }), nodeSeen('b', { versions })]),
    });
    expect(plan.steps.filter((step) => step.kind === 'patch')).toHaveLength(6);
    expect(plan.wayBackMs).toBe(2 * (NODE_MS + 2 * ITEM_MS) + MOVE_MS);
  });

  it('from a step is what has been begun by then, that step included', () => {
    const plan = planOf({
      playbook: { ...PLAYBOOK, phases: { ...PLAYBOOK.phases, switchoverTest: { enabled: false, andBack: false } } },
    });
    expect(from(plan, 'drain', 'b')).toBe(NODE_MS);
    expect(from(plan, 'patch', 'b')).toBe(NODE_MS);
    expect(from(plan, 'switchover', 'b')).toBe(NODE_MS + MOVE_MS);
    expect(from(plan, 'drain', 'a')).toBe(2 * NODE_MS + MOVE_MS);
    expect(wayBackMsFrom(plan.steps, -1, PLAYBOOK)).toBe(0);
  });

  it('of a downtime is its nodes where they stand: stopped, taken back, started', () => {
    expect(downtimeOf().plan?.wayBackMs).toBe(10_000 + 5_000 + 5_000 + 10_000 + 3_000);
  });
});

describe('a rollout that is late', () => {
  it('begins no node that could not be taken back in time together with those before it', () => {
    const plan = four();
    const planned = plannedOf({ cluster: definitionOf(4), plan });
    const late = plan.steps.filter((step) => step.kind === 'drain')[2];
    const closesMs = Date.parse(planned.closesAt);
    const needsMs = from(plan, 'drain', late?.node ?? '') + 10_000;
    const begin = (startMs: number): readonly string[] => {
      const world = new World(4);
      const before = once(
        (stepId, move) => stepId === late?.stepId && move === 'observe',
        () => (world.nowMs = startMs),
      );
      return drive({ world, planned, before }).outcomes();
    };
    expect(begin(closesMs - needsMs + 1_000)).not.toContain(late?.stepId);
    expect(begin(closesMs - needsMs - 1_000)).toContain(late?.stepId);
  });
});
