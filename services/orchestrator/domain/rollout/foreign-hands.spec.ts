import { describe, expect, it } from 'vitest';
import {
  ADA,
  World,
  definitionOf,
  drive,
  of,
  once,
  planOf,
  plannedOf,
  type DriveOptions,
  type Owner,
} from './fixtures/contract.js';
import type { Observation } from './observation.js';
import { isoOf } from './time.js';

/** What other people and bad luck do to the nodes while a rollout runs, and what comes of it. */

const resume = (owner: Owner): void => {
  owner.give({ type: 'Resume', by: ADA, at: isoOf(owner.world.nowMs) });
  owner.run();
};
const abort = (owner: Owner): void => {
  owner.give({ type: 'Abort', by: ADA, reason: 'by hand', at: isoOf(owner.world.nowMs) });
  owner.run();
};
/** Right before this step is judged on its look. */
const at = (step: string, hurt: (world: World) => unknown): NonNullable<DriveOptions['before']> =>
  once(
    (stepId, move) => stepId === step && move === 'observe',
    (owner) => void hurt(owner.world),
  );
const actsOf = (owner: Owner, step: string): readonly string[] => owner.world.journal.filter((key) => key.includes(step));

const GONE = { active: false, availability: 'down', joined: false } as const;
const BACK = { active: true, availability: 'serving', joined: true } as const;

/** Where each node's log ends, by disk or server. */
const withLog =
  (ends: Readonly<Record<string, number>>) =>
  (observation: Observation): Observation => {
    const { snapshot } = observation;
    if (snapshot === undefined) return observation;
    const nodes = snapshot.nodes.map((node) => ({ ...node, logEnd: { timeline: 1, bytes: ends[node.node] ?? 0 } }));
    return { ...observation, snapshot: { ...snapshot, nodes } };
  };

describe('somebody moves the workload', () => {
  it('to the node that was next: recorded and held; on resume it is adopted, and nothing is switched over', () => {
    const owner = drive({
      before: at('14-switchover-b', (world) => {
        world.node('a').active = false;
        world.node('b').active = true;
      }),
    });
    expect(of(owner, 'DeviationRecorded')).toMatchObject([
      { what: 'b serves, not a: somebody else moved the workload.', evidence: { active: 'b', expected: 'a' }, serving: 'b' },
    ]);
    expect(owner.state.held?.reason).toBe('b serves, not a: somebody else moved the workload.');
    resume(owner);
    expect(owner.state.closed).toMatchObject({ result: 'succeeded', remains: [] });
    expect(actsOf(owner, '14-switchover-b')).toEqual([]);
  });

  it('while another node is drained: the drain is no success of silence, the move is recorded and held', () => {
    const world = new World(3);
    const planned = plannedOf({
      cluster: definitionOf(3),
      plan: planOf({ cluster: definitionOf(3), snapshot: world.snapshot() }),
    });
    const before = once(
      (stepId, move) => /^\d+-drain-/.test(stepId) && move === 'perform',
      () => {
        world.node('a').active = false;
        world.node('c').active = true;
      },
    );
    const owner = drive({ world, planned, before });
    expect(of(owner, 'DeviationRecorded')).toMatchObject([
      { what: 'c serves, not a: somebody else moved the workload.', evidence: { active: 'c', expected: 'a' }, serving: 'c' },
    ]);
    expect(owner.state.held?.reason).toBe('c serves, not a: somebody else moved the workload.');
  });

  it('or the platform does, to the node that was next to be drained: it is held, and what serves is left alone', () => {
    const owner = drive({
      before: at('07-drain-b', (world) => {
        Object.assign(world.node('a'), GONE);
        world.node('b').active = true;
      }),
    });
    expect(of(owner, 'DeviationRecorded')).toMatchObject([{ serving: 'b' }]);
    resume(owner);
    expect(owner.state.held?.reason).toContain('b serves a workload. (INVARIANT_1)');
    abort(owner);
    expect(owner.state.closed).toMatchObject({
      result: 'needs-attention',
      remains: [{ what: 'a was no member of the cluster in the last look (down).' }],
    });
    expect(actsOf(owner, 'drain-b')).toEqual([]);
  });
});

describe('the active node dies while the only standby is drained', () => {
  function died(): Owner {
    const world = new World(2);
    const ends = { a: 9_000, b: 5_000 };
    world.distort = withLog(ends);
    return drive({
      world,
      before: at('08-patch-b', () => {
        Object.assign(world.node('a'), GONE);
        // Its control file tells of the last checkpoint only.
        ends.a = 8_000;
      }),
    });
  }

  it('nobody is promoted: a failover is proposed to a person, with the loss as measured', () => {
    const owner = died();
    expect(of(owner, 'DeviationRecorded')).toMatchObject([
      { evidence: { written: { node: 'a', bytes: 9_000 }, failover: [{ node: 'b', lostBytes: 4_000 }] }, serving: null },
    ]);
    expect(owner.state.held?.reason).toContain('Nobody is promoted by this rollout; that is for a person to decide.');
    expect(owner.state.held?.reason).toContain('b would lose 4000 bytes of what a was seen to have written by 2026-');
    expect(owner.world.node('b')).toMatchObject({ active: false, availability: 'drained' });
  });

  it('resumed with nobody serving it stays as it is, and the loss is told again', () => {
    const owner = died();
    resume(owner);
    expect(owner.state.held?.reason).toContain('No node serves: b is left as it is until one does. (INVARIANT_2)');
    expect(owner.state.held?.reason).toContain('No node was seen to serve in the last look.');
    expect(owner.state.held?.reason).toContain('b would lose 4000 bytes');
    expect(actsOf(owner, '08-patch-b')).toEqual([]);
  });

  it('once somebody has started it again, the rollout goes on after a look', () => {
    const owner = died();
    Object.assign(owner.world.node('a'), BACK);
    resume(owner);
    expect(owner.state.held?.reason).toBe('a serves, not nobody: somebody else moved the workload.');
    resume(owner);
    expect(owner.state.closed).toMatchObject({ result: 'succeeded', remains: [] });
  });

  it('an abort cannot bring service back: it ends with what remains, and what mends it', () => {
    const owner = died();
    abort(owner);
    expect(owner.state.held?.reason).toContain('b would lose 4000 bytes');
    abort(owner);
    expect(owner.state.closed?.result).toBe('needs-attention');
    expect(owner.state.closed?.remains.map((left) => left.what)).toEqual([
      'No node serves.',
      'b is out of service (drained).',
      'The probe still runs.',
    ]);
  });
});

describe('the host of the active node is lost', () => {
  it('whether it serves cannot be told: nothing is begun, and a person is told what another node would lose', () => {
    const world = new World(2);
    let lost = false;
    const seenLog = withLog({ a: 9_000, b: 8_500 });
    world.distort = (observation) => {
      const seen = seenLog(observation);
      if (!lost || seen.snapshot === undefined) return seen;
      const nodes = seen.snapshot.nodes.map((node) => {
        const { logEnd: _end, ...rest } = node;
        return node.node === 'a'
          ? { ...rest, reachable: false, availability: 'unknown' as const, roles: {}, writable: null, joined: false }
          : node;
      });
      return { ...seen, snapshot: { ...seen.snapshot, nodes, complete: false, disagreements: ['host-a does not answer.'] } };
    };
    const owner = drive({
      world,
      before: at('08-patch-b', () => {
        lost = true;
      }),
    });
    expect(of(owner, 'DeviationRecorded')).toEqual([]);
    expect(owner.state.held?.reason).toContain('The look was not complete: host-a does not answer. (INVARIANT_1)');
    expect(owner.state.held?.reason).toContain('b would lose 500 bytes');
    expect(actsOf(owner, '08-patch-b')).toEqual([]);
    lost = false;
    resume(owner);
    expect(owner.state.closed?.result).toBe('succeeded');
  });
});

describe('somebody changes what a node runs', () => {
  it('a standby comes back with another version: recorded with what runs, and held', () => {
    const owner = drive({
      before: at('07-drain-b', (world) => Object.assign(world.node('b'), { installed: '17.11', running: '17.11' })),
    });
    expect(of(owner, 'DeviationRecorded')).toMatchObject([
      {
        what: 'b runs postgresql 17.11, not 17.9: somebody else changed it.',
        evidence: { running: { b: { postgresql: '17.11' } } },
      },
    ]);
    expect(owner.state.status).toBe('held');
    expect(owner.state.running['b']).toEqual({ postgresql: '17.11' });
  });

  it('a patched and validated standby is put back: no switchover to it until it runs what was validated', () => {
    const owner = drive({
      before: at('14-switchover-b', (world) => Object.assign(world.node('b'), { installed: '17.8', running: '17.8' })),
    });
    expect(owner.state.held?.reason).toBe('b runs postgresql 17.8, not 17.10: somebody else changed it.');
    resume(owner);
    expect(owner.state.held?.reason).toContain('b runs postgresql 17.8, and was validated with 17.10. (INVARIANT_3)');
    expect(actsOf(owner, '14-switchover-b')).toEqual([]);
    Object.assign(owner.world.node('b'), { installed: '17.10', running: '17.10' });
    resume(owner);
    resume(owner);
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('a node out of service by our hand is ours to change', () => {
    const owner = drive({ before: at('08-patch-b', (world) => Object.assign(world.node('b'), { installed: '17.10' })) });
    expect(of(owner, 'DeviationRecorded')).toEqual([]);
    expect(owner.state.closed?.result).toBe('succeeded');
  });
});

describe('somebody takes a standby away', () => {
  it('it vanishes: no other is drained while it is needed; looked for, then held, and gone on with when it is back', () => {
    const world = new World(3);
    const plan = planOf({ cluster: definitionOf(3), snapshot: world.snapshot() });
    const owner = drive({
      world,
      planned: plannedOf({ cluster: definitionOf(3), plan }),
      before: at('07-drain-b', () => Object.assign(world.node('c'), GONE)),
    });
    expect(owner.state.held?.reason).toContain('Without b no standby is fit to take main over. (INVARIANT_2)');
    expect(actsOf(owner, 'drain-b')).toEqual([]);
    Object.assign(world.node('c'), { availability: 'serving', joined: true });
    resume(owner);
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('it is fenced right before the switchover to it: held, and the workload stays where it is', () => {
    const owner = drive({
      before: at('14-switchover-b', (world) =>
        Object.assign(world.node('b'), { availability: 'drained', joined: false, electable: false }),
      ),
    });
    expect(owner.state.held?.reason).toContain('b is not fit to serve: drained. (INVARIANT_3)');
    expect(owner.world.node('a').active).toBe(true);
    Object.assign(owner.world.node('b'), { availability: 'serving', joined: true, electable: true });
    resume(owner);
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('a drained node is started again: nothing is installed under it', () => {
    const owner = drive({
      before: at('08-patch-b', (world) => Object.assign(world.node('b'), { availability: 'serving', joined: true })),
    });
    expect(owner.state.held?.reason).toContain('b was drained, and runs again: somebody else started it. (INVARIANT_2)');
    expect(actsOf(owner, '08-patch-b')).toEqual([]);
  });

  it('a host does not come back from its reboot: looked for to the deadline, then a person; not rebooted again', () => {
    const world = new World(2);
    world.node('b').rebootNeeded = true;
    world.interfere = (requested, hurt) => {
      if (requested.stepId !== '09-reboot-b') return undefined;
      hurt.node('b').reachable = false;
      return { status: 'unknown', cause: 'unreachable', reason: 'The host went away.' };
    };
    const owner = drive({ world });
    expect(of(owner, 'StepUnknown')).toMatchObject([
      { stepId: '09-reboot-b', reason: expect.stringContaining('does not answer yet') },
    ]);
    expect(of(owner, 'DeadlineMissed')).toMatchObject([{ stepId: '09-reboot-b' }]);
    expect(owner.state.held?.reason).toContain('What became of 09-reboot-b could not be told');
    Object.assign(world.node('b'), { reachable: true, boots: 2 });
    resume(owner);
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(actsOf(owner, '09-reboot-b')).toHaveLength(1);
  });
});
