import { describe, expect, it } from 'vitest';
import { ADA, World, activeSeen, drive, nodeSeen, of, once, plannedOf, seen, stateOf, type Owner } from './fixtures/contract.js';
import { remains } from './left-behind.js';
import { isoOf, msOf } from './time.js';

const TEST = '03-switchover-b';
const acts = (owner: Owner): readonly string[] =>
  owner.world.journal.filter((key) => key.includes(TEST)).map((key) => key.split('/').slice(2).join('/'));

/** The process dies once inside the switchover test, after so many of its acts. */
function diedInside(actsInside: number, then: (owner: Owner) => void = () => undefined): Owner {
  let dead = false;
  return drive({
    actsInside,
    before: (move, owner) => {
      if (dead) {
        if (move.move === 'observe' && move.requested?.stepId === TEST) then(owner);
        return undefined;
      }
      dead = move.move === 'perform' && move.step.stepId === TEST;
      return dead ? 'crash-inside' : undefined;
    },
  });
}

describe('a verb that was left half done', () => {
  it.each([
    ['the active had stopped', 1],
    ['the target was promoted and the old active had not come back', 2],
  ])('%s: after a look it goes on under the same key', (_where, actsInside) => {
    const owner = diedInside(actsInside);
    expect(owner.state.closed).toMatchObject({ result: 'succeeded', remains: [] });
    expect(acts(owner)).toEqual(['1/stop-active', '1/promote', '1/follow-a']);
    expect(of(owner, 'StepRequested').filter((step) => step.stepId === TEST)).toHaveLength(1);
    expect(owner.state.steps.find((step) => step.step.stepId === TEST)).toMatchObject({ attempt: 1, adopted: false });
  });

  it('goes on also where the first look cannot tell: the verb itself waits for what it needs', () => {
    const world = new World(2);
    let dead = false;
    world.distort = (observation, hurt) =>
      dead && hurt.node('a').stopped ? { at: observation.at, snapshot: seen([], { complete: false }) } : observation;
    const owner = drive({
      world,
      before: (move) => {
        if (dead || move.move !== 'perform' || move.step.stepId !== TEST) return undefined;
        dead = true;
        return 'crash-inside';
      },
    });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(acts(owner)).toEqual(['1/stop-active', '1/promote', '1/follow-a']);
  });

  it('is no more gone on with after its deadline: what was seen decides, and a new attempt brings it to an end', () => {
    const owner = diedInside(2, ({ world, state }) => {
      const { deadlineAt = '' } = state.steps.find((step) => step.step.stepId === TEST)?.requested ?? {};
      world.nowMs = Math.max(world.nowMs, msOf(deadlineAt));
    });
    expect(of(owner, 'StepFailed')).toMatchObject([
      { stepId: TEST, attempt: 1, mayRepeat: true, serving: 'b', reason: 'b serves, and does not feed a yet.' },
    ]);
    expect(acts(owner)).toEqual(['1/stop-active', '1/promote', '2/follow-a']);
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('by a freeze: a resume goes on with it under the same key', () => {
    const world = new World(2);
    let frozen = false;
    world.interfere = (requested, hurt) => {
      if (frozen || requested.stepId !== TEST) return undefined;
      frozen = true;
      Object.assign(hurt.node('a'), { active: false, stopped: true, joined: false, availability: 'down' });
      hurt.node('b').active = true;
      return { status: 'unknown', cause: 'frozen', reason: 'Frozen before follow-a.' };
    };
    const before = once(
      (stepId, move) => stepId === TEST && move === 'perform',
      (owner) => owner.give({ type: 'Freeze', by: ADA, reason: 'smoke', at: isoOf(world.nowMs) }),
    );
    const owner = drive({ world, before });
    expect(owner.state.status).toBe('frozen');
    owner.give({ type: 'Resume', by: ADA, at: isoOf(world.nowMs) });
    owner.run();
    expect(acts(owner)).toEqual(['1/follow-a']);
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('is brought to its end before an abort turns back', () => {
    let asked = false;
    const owner = diedInside(2, (self) => {
      if (!asked) self.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(self.world.nowMs) });
      asked = true;
    });
    expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [] });
    expect([...owner.world.nodes.values()].every((node) => node.joined)).toBe(true);
    expect([...owner.world.nodes.values()].filter((node) => node.active)).toHaveLength(1);
  });
});

describe('what is left behind', () => {
  it('is also a node that the closing look does not show as a member', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        Object.assign(owner.world.node('b'), { joined: false, availability: 'down' });
        owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(owner.world.nowMs) });
      },
    );
    const owner = drive({ before });
    expect(owner.state.closed).toMatchObject({
      result: 'needs-attention',
      remains: [{ what: 'b was no member of the cluster in the last look (down).' }],
    });
  });

  it('is said as well where there was no look, or where nobody serves', () => {
    const owner = drive();
    const planned = stateOf([{ type: 'RolloutPlanned', data: plannedOf() }]);
    const failed = {
      ...owner.state,
      serving: null,
      steps: owner.state.steps.map((step) =>
        step.step.stepId === '14-switchover-b' ? { ...step, status: 'failed' as const } : step,
      ),
    };
    const whats = (state: typeof planned, snapshot: Parameters<typeof remains>[1]): readonly string[] =>
      remains(state, snapshot).map((left) => left.what);
    expect(whats(owner.state, null)).toEqual([]);
    expect(whats(planned, seen([nodeSeen('a', { joined: false })]))).toEqual([]);
    expect(whats({ ...planned, serving: null }, null)).toEqual([]);
    expect(whats(failed, null)).toEqual([
      'No node serves.',
      'Whether every node is a member again after 14-switchover-b could not be seen.',
    ]);
    expect(whats(failed, seen([activeSeen('a'), nodeSeen('b')]))).toEqual(['No node serves.']);
  });
});
