import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_ATTEMPTS } from './decide-steps.js';
import { definitionOf, Owner, plannedOf, planOf, World, type Fate } from './fixtures/contract.js';
import { isoOf } from './time.js';

/** Whole rollouts per property: each run is a few hundred moves, and every order in it is judged twice. */
const CRASH_RUNS = 150;
const ABORT_RUNS = 120;
const HOLD_RUNS = 60;

function ownerOf(nodes: number, before?: ConstructorParameters<typeof Owner>[0]['before'], actsInside = 1): Owner {
  const world = new World(nodes);
  const plan = planOf({ cluster: definitionOf(nodes), snapshot: world.snapshot() });
  const planned = plannedOf({ cluster: definitionOf(nodes), plan });
  return new Owner({ world, planned, actsInside, ...(before === undefined ? {} : { before }) });
}

/** Before the intent is appended, between intent and act, after the act and before its outcome: by the number of the move. */
const moments = fc.uniqueArray(
  fc.record({
    move: fc.integer({ min: 0, max: 120 }),
    fate: fc.constantFrom('crash' as const, 'crash-inside' as const, 'crash-after' as const),
  }),
  {
    maxLength: 8,
    selector: (moment) => moment.move,
  },
);

describe('a process that dies', () => {
  it('at any move, any number of times: the rollout ends succeeded, and no key acts twice', () => {
    fc.assert(
      fc.property(moments, fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 3 }), (crashes, nodes, actsInside) => {
        let count = 0;
        const fateNow = (): Fate | undefined => {
          const moveNow = count++;
          return crashes.find((crash) => crash.move === moveNow)?.fate;
        };
        const owner = ownerOf(nodes, fateNow, actsInside);
        owner.run();
        // Whoever dies each time before the act has used up the step's attempts: then it is the way back that ends well.
        const isUsedUp = owner.state.steps.some(({ status, attempt }) => status === 'failed' && attempt === MAX_ATTEMPTS);
        expect(isUsedUp ? ['rolled-back', 'failed'] : ['succeeded']).toContain(owner.state.closed?.result);
        expect(new Set(owner.world.journal).size).toBe(owner.world.journal.length);
        expect(owner.outcomes().filter((outcome) => /switchover.*(failed|unknown)/.test(outcome))).toEqual([]);
        expect([...owner.world.nodes.values()].every((node) => node.joined && node.electable)).toBe(true);
        const installed = new Set([...owner.world.nodes.values()].map((node) => node.installed));
        expect([...installed]).toEqual([isUsedUp ? '17.9' : '17.10']);
      }),
      { numRuns: CRASH_RUNS },
    );
  });
});

describe('a person who aborts', () => {
  it('at any moment: nothing stays out, nothing stays claimed silently, one node serves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 110 }), fc.integer({ min: 2, max: 4 }), (moment, nodes) => {
        let count = 0;
        const owner = ownerOf(nodes, (move, self) => {
          if (count++ === moment && move.move !== 'wait') {
            self.give({ type: 'Abort', by: { subject: 'ada', role: 'operator' }, reason: 'enough', at: isoOf(self.world.nowMs) });
          }
          return undefined;
        });
        owner.run();
        expect(['aborted', 'succeeded']).toContain(owner.state.closed?.result);
        expect(owner.state.out).toEqual([]);
        expect(owner.state.probeRunning).toBe(false);
        const nodesNow = [...owner.world.nodes.values()];
        expect(nodesNow.filter((node) => node.active)).toHaveLength(1);
        expect(nodesNow.every((node) => node.joined && node.electable)).toBe(true);
      }),
      { numRuns: ABORT_RUNS },
    );
  });

  it('holds and resumes at any moment change no outcome', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 110 }), (moment) => {
        let count = 0;
        const by = { subject: 'ada', role: 'operator' } as const;
        const owner = ownerOf(2, (move, self) => {
          if (count++ === moment && move.move !== 'wait')
            self.give({ type: 'Hold', by, reason: 'lunch', at: isoOf(self.world.nowMs) });
          return undefined;
        });
        owner.run();
        if (owner.state.status === 'held') {
          owner.give({ type: 'Resume', by, at: isoOf(owner.world.nowMs) });
          owner.run();
        }
        expect(owner.state.closed?.result).toBe('succeeded');
      }),
      { numRuns: HOLD_RUNS },
    );
  });
});
