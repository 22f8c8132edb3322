import { describe, expect, it } from 'vitest';
import { call, Model, type Told } from './fixtures/model/contract.js';
import type { RedisGoal } from './snapshot.js';

const SWITCHOVER = ['keep c', 'lower c', 'fence a', 'failover b', 'follow a', 'restore c', 'forget c'];

/** What may never be so, at any moment. */
function sound(model: Model): void {
  expect(model.writers.length, 'writers').toBeLessThanOrEqual(1);
  expect(model.lost, 'lost writes').toBe(0);
}

/** Nothing of ours is left, and the priorities are their owner's. */
function clean(model: Model, priority: number): void {
  for (const [name, node] of Object.entries(model.nodes))
    expect(node, name).toMatchObject({ kept: null, held: false, runs: true, priority, written: { priority } });
}

/** A call that dies after so many acts, and then one that does not. */
function afterCrash(model: Model, verb: RedisGoal['verb'], node: string, dies: number): Told {
  call(model, verb, node, dies, () => sound(model));
  return call(model, verb, node, Number.POSITIVE_INFINITY, () => sound(model));
}

describe('a switchover, a client writing all the time', () => {
  it('does each act once, and leaves everything as its owner had it', () => {
    const model = new Model({}, 30);
    expect(call(model, 'switchover', 'b', Number.POSITIVE_INFINITY, () => sound(model))).toEqual({
      end: 'done',
      reason: '',
      acts: SWITCHOVER,
    });
    expect(model.writers).toEqual(['b']);
    clean(model, 30);
  });

  it('goes on after a crash between any two acts, without doing one again', () => {
    for (let dies = 0; dies <= SWITCHOVER.length; dies += 1) {
      const model = new Model({}, 30);
      const second = afterCrash(model, 'switchover', 'b', dies);
      expect(second, `after ${dies}`).toEqual({ end: 'done', reason: '', acts: SWITCHOVER.slice(dies) });
      expect(model.writers).toEqual(['b']);
      sound(model);
      clean(model, 30);
    }
  });

  it('may be asked for another node after a crash, and puts back what it took from that one', () => {
    for (let dies = 0; dies <= 2; dies += 1) {
      const model = new Model();
      call(model, 'switchover', 'b', dies, () => sound(model));
      expect(call(model, 'switchover', 'c').end, `after ${dies}`).toBe('done');
      expect(model.writers).toEqual(['c']);
      sound(model);
      clean(model, 100);
    }
  });

  it.each([
    ['a Sentinel refuses', { sentinel: 'refuses' }, 'was asked 3 times to promote b'],
    ['a Sentinel does nothing', { sentinel: 'ignores' }, 'was asked 3 times to promote b'],
    ['the target is too slow', { isSlow: true }, 'not seen to be equal'],
  ] as const)('is given up where %s: the old master serves, nothing is lost or left', (_, trouble, words) => {
    const model = new Model(trouble, 30);
    const told = call(model, 'switchover', 'b', Number.POSITIVE_INFINITY, () => sound(model));
    expect(told).toMatchObject({ end: 'stuck', reason: expect.stringContaining(words) });
    expect(model.writers).toEqual(['a']);
    clean(model, 30);
  });

  it('is given up as well by a call that did not begin it', () => {
    for (let dies = 0; dies <= SWITCHOVER.length; dies += 1) {
      const model = new Model({ sentinel: 'refuses' }, 30);
      const second = afterCrash(model, 'switchover', 'b', dies);
      expect(second.end, `after ${dies}`).toBe('stuck');
      expect(model.writers).toEqual(['a']);
      sound(model);
      clean(model, 30);
    }
  });
});

describe('a drain, a join, a release', () => {
  const verbs = ['drain', 'join', 'release'] as const;

  it('go on after a crash between any two acts, and give back the priority that its owner set', () => {
    const acts = { drain: ['keep b', 'lower b', 'hold b'], join: ['free b', 'start b'], release: ['restore b', 'forget b'] };
    for (const crashed of verbs)
      for (let dies = 0; dies <= acts[crashed].length; dies += 1) {
        const model = new Model({}, 30);
        for (const verb of verbs) {
          const told = verb === crashed ? afterCrash(model, verb, 'b', dies) : call(model, verb, 'b');
          const left = verb === crashed ? acts[verb].slice(dies) : acts[verb];
          expect(told, `${verb}, ${crashed} cut off after ${dies}`).toEqual({ end: 'done', reason: '', acts: left });
        }
        expect(model.writers).toEqual(['a']);
        sound(model);
        clean(model, 30);
      }
  });

  it('keep their note over a switchover in between', () => {
    const model = new Model({}, 30);
    for (const verb of ['drain', 'join'] as const) call(model, verb, 'b');
    expect(call(model, 'switchover', 'c')).toMatchObject({ end: 'done', acts: ['fence a', 'failover c', 'follow a'] });
    expect(model.nodes['b']).toMatchObject({ kept: { purpose: 'drain', priority: 30 }, priority: 0 });
    expect(call(model, 'release', 'b').end).toBe('done');
    clean(model, 30);
  });

  it('do not take a second node out', () => {
    const model = new Model();
    call(model, 'drain', 'b');
    expect(call(model, 'drain', 'c')).toMatchObject({ end: 'stuck', acts: [] });
    expect(call(model, 'drain', 'a')).toMatchObject({ end: 'stuck', acts: [] });
  });
});
