import { readdirSync } from 'node:fs';
import type { RolloutEvent } from '@understudy/orchestrator-domain';
import { describe, expect, it } from 'vitest';
import { FAULT_CLASSES, NAMED_SEEDS, runWindow } from './index.js';
import { Random } from './random.js';
import { newLife, Scheduler } from './scheduler.js';
import { streamOf } from './store.js';
import { Window } from './window.js';

/** The many windows are `npm run sim`; here it is seen that they can be trusted. */
const WINDOWS = 40;
const FIRST_SEED = 100_001;

// From within a promise, the next tick comes when every promise that could go on has done so.
const drained = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
const run = (seed: number, more: { only?: readonly number[] } = {}) => runWindow({ seed, drained, ...more });

describe('a simulated window', () => {
  it('is one history per seed: the same log twice, another one for another seed', async () => {
    const [once, again, other] = [await run(7), await run(7), await run(8)];
    expect(again).toEqual(once);
    expect(other.hash).not.toBe(once.hash);
    const calm = await run(7, { only: [] });
    expect(calm.faults).toEqual({});
    expect(calm.hash).not.toBe(once.hash);
  });

  it('comes to an end without a broken invariant, whatever befalls it', async () => {
    const faults = new Set<string>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + WINDOWS; seed += 1) {
      const { breaches, faults: struck } = await run(seed);
      expect(breaches, `seed ${seed}`).toEqual([]);
      for (const name of Object.keys(struck)) faults.add(name);
    }
    expect(FAULT_CLASSES).toEqual(expect.arrayContaining([...faults]));
    expect(faults.size).toBeGreaterThan(FAULT_CLASSES.length / 2);
  });

  it.each(NAMED_SEEDS)('passes seed $seed, which once found: $found', async ({ seed }) => {
    expect((await run(seed)).breaches).toEqual([]);
  });

  it('has a named seed for each planted bug that it once found itself', () => {
    const files = readdirSync(new URL('../planted/', import.meta.url)).filter((name) => name.startsWith('found-'));
    expect(NAMED_SEEDS.map(({ planted }) => `${planted}.patch`).sort()).toEqual(files.sort());
  });
});

describe('the judge', () => {
  const begun = async (): Promise<Window> => {
    const window = new Window({ seed: 7, drained, mostFaults: 0 });
    window.begin();
    const stream = streamOf('r-1');
    while (!window.store.log.read(stream).some(({ event }) => event.type === 'StepSucceeded')) await window.scheduler.step();
    return window;
  };
  const forge = (window: Window, event: RolloutEvent): void => {
    const stream = streamOf('r-1');
    window.store.append([{ stream, expectedVersion: window.store.log.read(stream).length, events: [event] }], 'forged');
  };
  const at = '2026-03-01T20:01:00.000Z';

  it('sees an outcome of what was never asked for, and an approval by who planned it', async () => {
    const window = await begun();
    forge(window, { type: 'RolloutApproved', data: { by: 'otto', binding: '', at } });
    const last = window.stateOf('r-1').steps.at(-1)?.step.stepId ?? '';
    forge(window, { type: 'StepSucceeded', data: { stepId: last, attempt: 1, at, evidence: {}, adopted: false } });
    expect(window.breaches.map((breach) => breach.invariant)).toEqual(['15', '6']);
  });

  it('sees two nodes that take writes, unless somebody else made them', async () => {
    const window = await begun();
    const [{ site, node } = { site: null, node: '' }] = window.nodes().filter((each) => each.node.startsWith('b'));
    const split = (hand: 'ours' | 'foreign'): void =>
      void window.ground.change(site?.slug ?? '', hand, (world) => {
        const before = world.nodes[node];
        return before === undefined
          ? world
          : { ...world, nodes: { ...world.nodes, [node]: { ...before, service: { state: 'running', recovering: false } } } };
      });
    split('ours');
    expect(window.breaches.map((breach) => breach.invariant)).toEqual(['17']);
    const excused = await begun();
    excused.ground.note('cluster-1', 'promotion', true);
    expect(excused.breaches).toEqual([]);
  });
});

describe('virtual time', () => {
  it('goes on in order; who is frozen goes on later, who is dead never', async () => {
    const scheduler = new Scheduler(0, drained);
    const [one, two, three] = [newLife(), newLife(), newLife()];
    const seen: string[] = [];
    scheduler.in(30, one, () => seen.push(`one at ${scheduler.nowMs}`));
    scheduler.in(10, two, () => seen.push(`two at ${scheduler.nowMs}`));
    scheduler.in(20, three, () => seen.push('three'));
    two.frozen = true;
    three.alive = false;
    while (await scheduler.step());
    scheduler.wake(two);
    while (await scheduler.step());
    expect(seen).toEqual(['one at 30', 'two at 30']);
  });

  it('chance comes out of the seed alone', () => {
    const draw = (seed: number): number[] => {
      const chance = new Random(seed);
      return Array.from({ length: 5 }, () => chance.int(1, 6));
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});
