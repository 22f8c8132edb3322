import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitToServe } from '@understudy/cluster';
import { activeSeen, definitionOf, NAMES, nodeSeen, seen } from './fixtures/contract.js';
import { orderOf } from './order.js';

describe('the order of a rollout', () => {
  it('holds for any cluster: every data node once, the active last, the target fit, never better before worse', () => {
    const standby = fc.record({
      bytes: fc.integer({ min: 0, max: 2_000 }),
      promotable: fc.boolean(),
      joined: fc.boolean(),
      known: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(standby, { minLength: 1, maxLength: 4 }), (standbys) => {
        const nodes = standbys.map((entry, index) =>
          nodeSeen(NAMES[index + 1] as string, {
            lag: entry.known ? { bytes: entry.bytes, ceilingBytes: 1_000 } : null,
            joined: entry.joined,
            promotion: entry.promotable ? { promotable: true } : { promotable: false, reason: 'tag' },
          }),
        );
        const result = orderOf(seen([activeSeen('a'), ...nodes]), definitionOf(5), 'main');
        if (!result.possible) {
          expect(nodes.some(fitToServe)).toBe(false);
          return;
        }
        const places = result.order.map((place) => place.node);
        expect([...places].sort()).toEqual(['a', ...nodes.map((node) => node.node)].sort());
        expect(places.at(-1)).toBe('a');
        const fit = places
          .slice(0, -1)
          .map((name) => fitToServe(nodes.find((node) => node.node === name) as (typeof nodes)[number]));
        expect(fit).toEqual([...fit].sort((left, right) => Number(left) - Number(right)));
        expect(places.at(-2)).toBe(result.target);
      }),
    );
  });
});
