import { describe, expect, it } from 'vitest';
import { activeSeen, definitionOf, nodeSeen, PATCHES, PAIR, planInput, PLAYBOOK, seen } from './fixtures/contract.js';
import { downtimePlan } from './downtime-plan.js';
import { orderOf } from './order.js';
import { planRollout, type PlanInput } from './plan-steps.js';

const order = (...nodes: Parameters<typeof seen>[0]) => orderOf(seen(nodes), definitionOf(5), 'main');
const because = (...nodes: Parameters<typeof seen>[0]) => {
  const result = order(...nodes);
  return result.possible ? '' : result.because;
};

describe('the order of a rollout', () => {
  it('worst candidate first, the best standby last of them, the active at the end, the witness never', () => {
    const result = order(
      activeSeen('a'),
      nodeSeen('b'),
      nodeSeen('c', { lag: { bytes: 500, ceilingBytes: 1_000 } }),
      nodeSeen('d', { promotion: { promotable: false, reason: 'reporting' } }),
      nodeSeen('e', { roles: { main: 'witness' } }),
    );
    expect(result).toMatchObject({ possible: true, active: 'a', target: 'b' });
    expect(result.possible && result.order.map((place) => [place.node, place.reason])).toEqual([
      ['d', 'standby, is not promotable (reporting); patched before better candidates'],
      ['c', 'standby, is fit to serve; patched before better candidates'],
      ['b', 'the best candidate: last of the standbys, so that it stays at hand until then'],
      ['a', 'serves main: last, after the workload has moved to a patched standby'],
    ]);
  });

  it('equal candidates go by name, and what the owner says about promotion counts', () => {
    const definition = definitionOf(3);
    const nodes = definition.nodes.map((node) => (node.slug === 'c' ? { ...node, notPromotable: 'another site' } : node));
    const result = orderOf(seen([activeSeen('a'), nodeSeen('c'), nodeSeen('b')]), { ...definition, nodes }, 'main');
    expect(result).toMatchObject({ target: 'b' });
    expect(order(activeSeen('a'), nodeSeen('c'), nodeSeen('b'))).toMatchObject({ target: 'c' });
  });

  it('of standbys that lag too far, one whose lag could not be told is the worse candidate', () => {
    const late = (bytes: number) => ({ lag: { bytes, ceilingBytes: 1_000 } });
    const result = order(activeSeen('a'), nodeSeen('b', late(2_000)), nodeSeen('c', { lag: null }), nodeSeen('d'));
    expect(result.possible && result.order.map(({ node }) => node)).toEqual(['c', 'b', 'd', 'a']);
  });

  it('there is none without a complete look, one active, and a standby that may serve: said in words', () => {
    expect(orderOf(seen([], { complete: false }), definitionOf(2), 'main')).toEqual({
      possible: false,
      because: 'The look at pair was not complete: not every node answered.',
    });
    expect(orderOf(seen([], { complete: false, disagreements: ['b says c.'] }), definitionOf(2), 'main')).toMatchObject({
      because: expect.stringContaining('b says c.') as string,
    });
    expect(because(nodeSeen('a'))).toBe('No node of pair serves main.');
    expect(because(activeSeen('a'), activeSeen('b'))).toBe('Several nodes serve main: a, b.');
    const reports = (node: string) =>
      `${node} serves reports as well: a rollout moves main alone, and ${node} could never be taken out of service.`;
    expect(because(activeSeen('a', { roles: { main: 'active', reports: 'active' } }), nodeSeen('b'))).toBe(reports('a'));
    expect(because(activeSeen('a'), nodeSeen('b', { roles: { main: 'standby', reports: 'active' } }))).toBe(reports('b'));
    const standby = { roles: { main: 'standby', reports: 'standby' } } as const;
    expect(because(activeSeen('a'), nodeSeen('b', standby))).toBe('');
    expect(because(activeSeen('a'))).toBe('a is alone: there is no standby that could take main over.');
    const weak = (more: Parameters<typeof nodeSeen>[1]) => because(activeSeen('a'), nodeSeen('b', more));
    expect(weak({ availability: 'down', native: 'stopped' })).toContain('b is down (stopped)');
    expect(weak({ joined: false })).toContain('b does not replicate from the active node');
    expect(weak({ electable: false })).toContain('b is taken out of election');
    expect(weak({ lag: null })).toContain('b has a lag that could not be told');
    expect(weak({ lag: { bytes: 2_000, ceilingBytes: 1_000 } })).toContain('b lags 2000 bytes behind, the ceiling is 1000');
  });
});

describe('a plan', () => {
  const none = (more: Partial<PlanInput>): unknown => planRollout(planInput(more));

  it('says why there is none, and whether a downtime plan is the honest offer', () => {
    expect(none({ kind: 'downtime' })).toMatchObject({ offerDowntime: true });
    expect(none({ cannotRollBecause: 'hypervisor only' })).toEqual({ noPlanBecause: 'hypervisor only', offerDowntime: true });
    expect(none({ snapshot: seen([activeSeen('a')]) })).toMatchObject({ offerDowntime: true });
    const newer = seen([activeSeen('a', { versions: { postgresql: { installed: '17.11', running: null } } }), nodeSeen('b')]);
    expect(none({ snapshot: newer })).toEqual({
      noPlanBecause: 'The patch set is older than what runs: a has postgresql 17.11, the patch set says 17.10.',
      offerDowntime: false,
    });
    const done = { versions: { postgresql: { installed: '17.10', running: '17.10' } } };
    expect(none({ snapshot: seen([activeSeen('a', done), nodeSeen('b', done)]) })).toMatchObject({
      noPlanBecause: expect.stringContaining('nothing to do') as string,
    });
    expect(none({ versionPairs: {} })).toMatchObject({
      noPlanBecause: expect.stringContaining('does not know the pair') as string,
    });
    expect(
      none({ versionPairs: { postgresql: { allowed: false, wayBack: 'none', reason: 'another major version' } } }),
    ).toMatchObject({ noPlanBecause: expect.stringContaining('another major version') as string });
  });

  it('leaves nodes alone that are there already, and patches what does not run', () => {
    const half = seen([activeSeen('a'), nodeSeen('b', { versions: { postgresql: { installed: '17.10', running: '17.10' } } })]);
    const planning = planRollout(planInput({ snapshot: half }));
    expect(
      'plan' in planning && planning.plan.steps.filter((step) => step.phase === 'standby').map((step) => step.stepId),
    ).toEqual(['07-validate-b']);
    const stopped = seen([activeSeen('a'), nodeSeen('b', { versions: { postgresql: { installed: null, running: null } } })]);
    const both = planRollout(planInput({ snapshot: stopped }));
    expect('plan' in both && both.plan.steps.filter((step) => step.kind === 'patch').map((step) => step.fromVersion)).toEqual([
      '',
      '17.9',
    ]);
    const other = seen([activeSeen('a'), nodeSeen('b', { versions: {} })]);
    const without = planRollout(planInput({ snapshot: other }));
    expect('plan' in without && without.plan.steps.some((step) => step.stepId.endsWith('patch-b'))).toBe(false);
  });

  it('has no test where a result stands for it, no soak where the playbook has none, and pauses where it says so', () => {
    const phases = { ...PLAYBOOK.phases, soakMs: 0, switchoverTest: { enabled: false, andBack: false } };
    const planning = planRollout(planInput({ playbook: { ...PLAYBOOK, phases, pauseBefore: ['preflight', 'original'] } }));
    const ids = 'plan' in planning ? planning.plan.steps.map((step) => step.stepId) : [];
    expect(ids.slice(0, 4)).toEqual(['01-start-probe', '02-pause', '03-preflight', '04-drain-b']);
    expect(ids.some((id) => id.includes('soak'))).toBe(false);
  });

  it('three nodes: a one-way test leaves the others before the node that serves', () => {
    const phases = { ...PLAYBOOK.phases, switchoverTest: { enabled: true, andBack: false } };
    const snapshot = seen([activeSeen('a'), nodeSeen('b'), nodeSeen('c')]);
    const planning = planRollout(planInput({ playbook: { ...PLAYBOOK, phases }, cluster: definitionOf(3), snapshot }));
    expect('plan' in planning && planning.plan.order.map((place) => place.node)).toEqual(['b', 'a', 'c']);
  });

  it('the same input has the same plan, and a way back that is shorter for a test alone', () => {
    expect(planRollout(planInput())).toEqual(planRollout(planInput()));
    const test = planRollout(planInput({ kind: 'switchover-test' }));
    expect('plan' in test && test.plan.wayBackMs).toBe(8_000);
  });
});

describe('a downtime plan', () => {
  it('says what, how long, where the figure is from, and why not less', () => {
    const plan = downtimePlan({
      cluster: definitionOf(1),
      snapshot: seen([activeSeen('a')]),
      patchSet: PATCHES,
      playbook: PLAYBOOK,
      reason: 'Only the hypervisor protects it.',
    });
    expect(plan.steps.filter((step) => step.serviceDown).map((step) => [step.what, step.estimatedMs, step.source])).toEqual([
      ['Stop main on a', 10_000, 'default duration of stop'],
      ['Bring postgresql on a from 17.9 to 17.10', 5_000, 'playbook practice version 1, duration of patch'],
      ['Restart the host of a, if the patch asks for it', 5_000, 'playbook practice version 1, duration of reboot'],
      ['Start main on a', 10_000, 'default duration of start'],
      ['Validate a: writes, archiving, clients', 3_000, 'default duration of validate'],
    ]);
    expect(plan.estimatedDowntimeMs).toBe(33_000);
    expect(plan.whyNotLess).toContain('pair has one node');
    const pair = downtimePlan({ cluster: definitionOf(2), snapshot: null, patchSet: PATCHES, playbook: PLAYBOOK, reason: 'r' });
    expect(pair.whyNotLess).toContain('no standby of pair can take the workload over');
    expect(pair.steps.some((step) => step.what.includes('from a version that was not seen'))).toBe(true);
    expect(PAIR.complete).toBe(true);
  });
});
