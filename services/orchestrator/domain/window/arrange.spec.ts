import { describe, expect, it } from 'vitest';
import { arrange, type Wanted } from './arrange.js';
import { spanMs, type Timed } from './span.js';

const wanted = (more: Partial<Wanted> = {}): Wanted => ({ clusters: ['a', 'b', 'c', 'd'], waves: [], dependsOn: [], ...more });
const wavesOf = (more: Partial<Wanted>): unknown => {
  const arranged = arrange(wanted(more));
  return 'waves' in arranged ? arranged.waves.map((wave) => wave.clusters.join(' ')) : arranged.refusals;
};
const refusalsOf = (more: Partial<Wanted>): readonly string[] => {
  const arranged = arrange(wanted(more));
  return 'waves' in arranged ? [] : arranged.refusals.map(({ pointer, code }) => `${pointer} ${code}`);
};

describe('arranging the waves of a window', () => {
  it('makes one wave of all where none is asked for', () => {
    expect(arrange(wanted())).toEqual({ waves: [{ canary: false, clusters: ['a', 'b', 'c', 'd'] }] });
  });

  it('takes them by name, by count, and the rest', () => {
    expect(wavesOf({ waves: [{ clusters: ['c'], canary: true }, { count: 1 }, {}] })).toEqual(['c', 'a', 'b d']);
    expect(arrange(wanted({ waves: [{ count: 1, canary: true }, {}] }))).toMatchObject({
      waves: [{ canary: true }, { canary: false }],
    });
  });

  it('counts in an order in which each comes after those that it depends on', () => {
    const dependsOn = [
      { cluster: 'a', on: ['d', 'c'] },
      { cluster: 'd', on: ['b'] },
      { cluster: 'a', on: ['d'] },
    ];
    expect(wavesOf({ waves: [{ count: 1 }, { count: 1 }, {}], dependsOn })).toEqual(['b', 'd', 'c a']);
  });

  it('refuses waves that leave somebody out, are empty, or name somebody twice or from elsewhere', () => {
    expect(refusalsOf({ waves: [{ count: 1 }] })).toEqual(['/waves CLUSTER_IN_NO_WAVE']);
    expect(wavesOf({ waves: [{ count: 1 }] })).toMatchObject([
      { detail: expect.stringContaining('In no wave: b, c, d.') as string },
    ]);
    expect(refusalsOf({ waves: [{}, { count: 2 }] })).toEqual(['/waves/1 WAVE_EMPTY']);
    expect(refusalsOf({ waves: [{ clusters: ['a', 'x'] }, { clusters: ['a'] }, {}] })).toEqual([
      '/waves/0/clusters/1 CLUSTER_NOT_IN_WINDOW',
      '/waves/1/clusters/0 CLUSTER_IN_TWO_WAVES',
    ]);
  });

  it('refuses a wave that says both who and how many, and a canary that is not the first', () => {
    expect(refusalsOf({ waves: [{ clusters: ['a'], count: 1 }, { canary: true }] })).toEqual([
      '/waves/0 WAVE_AMBIGUOUS',
      '/waves/1 CANARY_NOT_FIRST',
    ]);
  });

  it('refuses dependencies on strangers, on later waves, and cycles in words', () => {
    expect(refusalsOf({ dependsOn: [{ cluster: 'x', on: ['a', 'y'] }] })).toEqual([
      '/dependsOn/0/cluster CLUSTER_NOT_IN_WINDOW',
      '/dependsOn/0/on/1 CLUSTER_NOT_IN_WINDOW',
    ]);
    expect(refusalsOf({ waves: [{ clusters: ['a'] }, {}], dependsOn: [{ cluster: 'a', on: ['b'] }] })).toEqual([
      '/dependsOn/0/on/0 DEPENDS_ON_LATER_WAVE',
    ]);
    const round = [
      { cluster: 'd', on: ['a'] },
      { cluster: 'a', on: ['c', 'b'] },
      { cluster: 'b', on: ['c', 'a'] },
    ];
    expect(wavesOf({ dependsOn: round })).toEqual([
      {
        pointer: '/dependsOn',
        code: 'DEPENDENCY_CYCLE',
        detail: 'None of these could ever be the first: a depends on b, b depends on a. Leave one of them out.',
      },
    ]);
  });
});

describe('the time that a wave takes', () => {
  const timed = (cluster: string, forwardMs: number, hosts: readonly string[] = [cluster]): Timed => ({
    cluster,
    hosts,
    forwardMs,
    wayBackMs: 1,
  });

  it('is that of the longest where nothing waits', () => {
    expect(spanMs([], [])).toBe(0);
    expect(spanMs([timed('a', 10), timed('b', 20), timed('c', 0)], [])).toBe(21);
  });

  it('adds up along shared hosts and dependencies', () => {
    expect(spanMs([timed('a', 10, ['h']), timed('b', 20, ['h', 'i']), timed('c', 5, ['i'])], [])).toBe(31);
    const chain = [
      { cluster: 'a', on: ['b'] },
      { cluster: 'b', on: ['c', 'elsewhere'] },
    ];
    expect(spanMs([timed('a', 10), timed('b', 20), timed('c', 0)], chain)).toBe(31);
  });

  it('is endless where clusters depend on each other', () => {
    const round = [
      { cluster: 'a', on: ['b'] },
      { cluster: 'b', on: ['a'] },
    ];
    expect(spanMs([timed('a', 1), timed('b', 1)], round)).toBe(Infinity);
  });
});
