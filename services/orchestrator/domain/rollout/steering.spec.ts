import { describe, expect, it } from 'vitest';
import {
  ADA,
  T0,
  World,
  activeSeen,
  codesOf,
  drive,
  nodeSeen,
  of,
  once,
  plannedOf,
  seen,
  stateOf,
  withPlaybook,
  type Owner,
} from './fixtures/contract.js';
import type { RunnerMemory } from './move.js';
import type { RolloutCommand } from './rollout.js';
import { nextMove } from './runner.js';
import { INITIAL } from './state.js';
import { isoOf } from './time.js';

describe('between two attempts of a switchover', () => {
  /** The first attempt promotes b and leaves a down; then a person speaks. */
  const halfDone = (command: RolloutCommand): Owner => {
    const world = new World(2);
    let tries = 0;
    world.interfere = (requested, hurt) => {
      if (requested.stepId !== '14-switchover-b' || ++tries > 1) return undefined;
      Object.assign(hurt.node('a'), { active: false, stopped: true, joined: false, availability: 'down' });
      Object.assign(hurt.node('b'), { active: true });
      return { status: 'unknown', cause: 'deadline', reason: 'b serves, and a does not follow yet.', acts: ['promote'] };
    };
    const before = once(
      (stepId, move) => stepId === '' && move === 'sleep' && tries === 1,
      (self) => self.give({ ...command, at: isoOf(world.nowMs) } as RolloutCommand),
    );
    return drive({ world, before });
  };

  it('there is no safe point: a hold waits until the node that serves has been validated and the other one is back', () => {
    const owner = halfDone({ type: 'Hold', by: ADA, reason: 'wait', at: '' });
    expect(of(owner, 'StepFailed')).toMatchObject([{ stepId: '14-switchover-b', mayRepeat: true, serving: 'b' }]);
    expect(of(owner, 'RolloutHeld')).toMatchObject([{ reason: 'wait', afterStep: '15-validate-b' }]);
    expect(owner.world.node('a')).toMatchObject({ availability: 'serving', joined: true });
  });

  it('an abort leaves nobody stopped', () => {
    const owner = halfDone({ type: 'Abort', by: ADA, reason: 'enough', at: '' });
    expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [] });
    expect(owner.world.node('a')).toMatchObject({ availability: 'serving', joined: true });
  });

  it('where nothing was promoted, there is one', () => {
    const world = new World(2);
    world.interfere = (requested) =>
      requested.stepId === '14-switchover-b' ? { status: 'unknown', cause: 'deadline', reason: 'a has senders.' } : undefined;
    const before = once(
      (stepId, move) => stepId === '' && move === 'sleep' && world.journal.some((key) => key.includes('13-release-b')),
      (self) => self.give({ type: 'Hold', by: ADA, reason: 'wait', at: isoOf(world.nowMs) }),
    );
    const owner = drive({ world, before });
    expect(of(owner, 'StepFailed')).toMatchObject([{ stepId: '14-switchover-b', mayRepeat: true, serving: 'a' }]);
    expect(of(owner, 'RolloutHeld')).toMatchObject([{ reason: 'wait', afterStep: '14-switchover-b' }]);
  });
});

describe('when it cannot be told', () => {
  it('looks until the deadline, records it as missed, and holds with a person; a later look decides', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId !== '08-patch-b') return undefined;
      hurt.node('b').reachable = false;
      hurt.node('b').installed = '17.10';
      return { status: 'unknown', cause: 'unreachable', reason: 'The link was lost.', acts: [] };
    };
    world.distort = (observation, hurt) =>
      hurt.node('b').reachable ? observation : { at: observation.at, job: { status: 'unknown' } };
    const owner = drive({ world });
    expect(of(owner, 'DeadlineMissed')).toMatchObject([{ stepId: '08-patch-b' }]);
    expect(owner.state.held?.reason).toContain('What became of 08-patch-b could not be told');
    world.node('b').reachable = true;
    owner.give({ type: 'Resume', by: ADA, at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.world.journal.filter((key) => key.includes('08-patch-b'))).toHaveLength(1);
  });

  it('an abort of what cannot be told closes with what remains', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId === '08-patch-b') hurt.node('b').reachable = false;
      return undefined;
    };
    world.distort = (observation, hurt) => (hurt.node('b').reachable ? observation : { at: observation.at });
    const owner = drive({ world });
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('needs-attention');
    expect(owner.state.closed?.remains.map((left) => left.what)).toContainEqual(
      expect.stringContaining('What became of 08-patch-b is not known'),
    );
  });

  it('a step that may not begin is looked at for its own time, then held with the reason', () => {
    const world = new World(2);
    world.distort = (observation) =>
      world.probe === 'running'
        ? {
            ...observation,
            snapshot: seen([activeSeen('a'), nodeSeen('b', { lag: { bytes: 5_000, ceilingBytes: 1_000 } })], {
              observedAt: observation.at,
            }),
          }
        : observation;
    const owner = drive({ world });
    expect(owner.state.held?.reason).toBe('03-switchover-b may not begin: b is not fit to serve: streaming. (INVARIANT_3)');
    expect(owner.moves.filter((move) => move.move === 'observe').length).toBeGreaterThan(5);
  });

  it('a look that brings nothing is repeated', () => {
    const world = new World(2);
    let looks = 0;
    let blind = false;
    world.distort = (observation) => (blind ? { at: observation.at } : observation);
    const owner = drive({
      world,
      before: (move) => {
        blind = move.move === 'observe' && move.requested === null && ++looks % 2 === 1 && looks < 20;
        return undefined;
      },
    });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(looks).toBeGreaterThan(10);
  });

  it('an end that cannot be seen completely is waited for, then held with the reason', () => {
    const world = new World(2);
    world.distort = (observation) =>
      world.probe === 'ended' && observation.snapshot !== undefined
        ? { ...observation, snapshot: { ...observation.snapshot, complete: false } }
        : observation;
    expect(drive({ world }).state.held?.reason).toBe(
      'The rollout may not close as succeeded: Not every node was seen to run the target versions.',
    );
  });

  it('an end of which nothing can be seen any more is waited for, then held with the reason', () => {
    const world = new World(2);
    world.distort = (observation) => (world.probe === 'ended' ? { at: observation.at, probe: 'ended' } : observation);
    const owner = drive({ world });
    expect(owner.state.held?.reason).toBe(
      'The rollout may not close as succeeded: Not every node was seen to run the target versions.',
    );
    expect(owner.moves.filter((move) => move.move === 'command' && move.command.type === 'Conclude')).toHaveLength(1);
    owner.world.distort = undefined;
    owner.give({ type: 'Resume', by: ADA, at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('who serves is not concluded from a look that shows two', () => {
    const world = new World(2);
    world.distort = (observation) => {
      const joined =
        world.probe === 'running' &&
        world.node('b').installed === '17.10' &&
        world.node('b').joined &&
        !world.node('b').electable;
      return joined
        ? { ...observation, snapshot: seen([activeSeen('a'), activeSeen('b')], { observedAt: observation.at }) }
        : observation;
    };
    const owner = drive({ world });
    expect(of(owner, 'StepSucceeded').find((step) => step.stepId === '10-join-b')?.serving).toBeUndefined();
  });

  it('a soak in which the node falls over fails', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId === '12-soak-b') Object.assign(hurt.node('b'), { joined: false, availability: 'down' });
      return undefined;
    };
    expect(of(drive({ world }), 'StepFailed')[0]).toMatchObject({
      stepId: '12-soak-b',
      reason: 'b did not stay a healthy member.',
    });
  });
});

describe('foreign hands', () => {
  it('somebody else moved the workload: recorded, held, and gone on with after a look', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.node('a').active = false;
        owner.world.node('b').active = true;
      },
    );
    const owner = drive({ before });
    expect(owner.state.held?.reason).toBe('b serves, not a: somebody else moved the workload.');
    expect(owner.state.serving).toBe('b');
  });

  it('two nodes that accept writes: a breach, and a person', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.node('b').active = true;
      },
    );
    const owner = drive({ before });
    expect(of(owner, 'InvariantBreached')).toMatchObject([{ number: 17 }]);
    expect(owner.state.status).toBe('held');
  });

  it('the active died while we looked: held, nobody is promoted by us', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.node('a').active = false;
      },
    );
    expect(drive({ before }).state.held?.reason).toContain('a does not serve any more, and nobody else does.');
  });
});

describe('the next move', () => {
  const memory: RunnerMemory = {
    incarnation: 'i-1',
    performed: null,
    observation: null,
    gatesEvaluatedAtMs: null,
    nextRequestId: 'q',
  };

  it('is to wait where there is no rollout, or another incarnation owns it', () => {
    expect(nextMove(INITIAL, memory, T0)).toEqual({ move: 'wait', because: 'There is no rollout yet.' });
    expect(nextMove(stateOf([{ type: 'RolloutPlanned', data: plannedOf() }]), memory, T0)).toEqual({
      move: 'wait',
      because: 'Another incarnation owns the rollout.',
    });
  });

  it('hands the neighbours on a shared host to the order', () => {
    let neighbours: unknown;
    const world = new World(2);
    world.distort = (observation) => ({ ...observation, neighbours: [] });
    drive({
      world,
      before: (move) =>
        void (move.move === 'command' && move.command.type === 'RequestStep' && move.command.stepId === '07-drain-b'
          ? (neighbours = move.command.neighbours)
          : undefined),
    });
    expect(neighbours).toEqual([]);
  });
});

describe('people steer', () => {
  it('a hold stops at the next safe point; resume looks again and goes on', () => {
    const held = drive({
      before: once(
        (stepId, move) => stepId === '07-drain-b' && move === 'perform',
        (self) => self.give({ type: 'Hold', by: ADA, reason: 'lunch', at: isoOf(self.world.nowMs) }),
      ),
    });
    expect(held.state.held).toMatchObject({ reason: 'lunch' });
    expect(of(held, 'RolloutHeld')[0]?.afterStep).toBe('07-drain-b');
    held.give({ type: 'Resume', by: ADA, at: isoOf(held.world.nowMs) });
    held.run();
    expect(held.state.closed?.result).toBe('succeeded');
  });

  it('a hold stops the way back as well, at its next safe point', () => {
    const world = new World(2);
    world.badReleases = ['b:17.10'];
    const before = once(
      (stepId, move) => stepId.endsWith('-unpatch-b') && move === 'perform',
      (self) => self.give({ type: 'Hold', by: ADA, reason: 'lunch', at: isoOf(self.world.nowMs) }),
    );
    const held = drive({ world, before });
    expect(held.state.held).toMatchObject({ reason: 'lunch' });
    expect(of(held, 'RolloutHeld')[0]?.afterStep).toContain('-join-b');
    const command = {
      type: 'RequestStep',
      stepId: held.state.steps.find((step) => step.status === 'planned')?.step.stepId ?? '',
      incarnation: 'i-1',
      snapshot: null,
      at: isoOf(world.nowMs),
    } as const;
    const asked = { ...held.state, status: 'recovering', holdRequested: { by: 'ada', reason: 'lunch' } } as const;
    expect(codesOf(command, asked)).toEqual(['STOP_REQUESTED']);
    held.give({ type: 'Resume', by: ADA, at: isoOf(world.nowMs) });
    held.run();
    expect(held.state.closed).toMatchObject({ result: 'rolled-back', remains: [] });
  });

  it('an abort on the way back changes nothing of it', () => {
    const world = new World(2);
    world.badReleases = ['b:17.10'];
    const before = once(
      (stepId, move) => stepId.endsWith('-unpatch-b') && move === 'perform',
      (self) => self.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(self.world.nowMs) }),
    );
    expect(drive({ world, before }).state.closed).toMatchObject({ result: 'rolled-back', remains: [] });
  });

  it('pauses before the phases that the playbook names', () => {
    const owner = drive({ planned: withPlaybook({ pauseBefore: ['switchover'] }) });
    expect(owner.state.held?.reason).toBe('The playbook pauses before phase switchover.');
    owner.give({ type: 'Resume', by: ADA, at: isoOf(owner.world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('a freeze stops everything, lists what is in flight, and is left by a person', () => {
    const owner = drive({
      before: once(
        (stepId, move) => stepId === '08-patch-b' && move === 'perform',
        (self) => self.give({ type: 'Freeze', by: ADA, reason: 'smoke', at: isoOf(self.world.nowMs) }),
      ),
    });
    expect(of(owner, 'RolloutFrozen')[0]?.inFlight).toEqual(['08-patch-b']);
    expect(owner.run()).toEqual({ move: 'wait', because: 'Frozen: a person drives.' });
    owner.give({ type: 'Resume', by: ADA, at: isoOf(owner.world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('what can no longer be taken back inside the window is not begun', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.nowMs = Date.parse(owner.state.planned?.closesAt ?? '') - 20_000;
      },
    );
    const owner = drive({ before });
    expect(owner.state.closed).toMatchObject({
      result: 'aborted',
      reason: expect.stringContaining('07-drain-b had to start by') as string,
    });
  });
});
