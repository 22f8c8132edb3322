import { eventually } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import { Plans, PLANS_AT_ONCE } from './plans.js';

/** Plans with looks that answer when the spec says so. */
class Bench {
  readonly plans = new Plans();
  readonly looked: string[] = [];
  readonly recorded: string[] = [];
  readonly ended: string[] = [];
  private readonly answers = new Map<string, (made: string | null) => void>();
  /** What a recording waits for. */
  recording: Promise<void> = Promise.resolve();

  make(rolloutId: string, windowId = 'w'): void {
    this.plans.make<string>(windowId, rolloutId, {
      look: () => {
        this.looked.push(rolloutId);
        return new Promise((resolve) => this.answers.set(rolloutId, resolve));
      },
      record: async (made) => {
        await this.recording;
        this.recorded.push(made);
        return true;
      },
      ended: (recorded) => void this.ended.push(`${rolloutId} ${recorded}`),
    });
  }

  answer(rolloutId: string, made: string | null = `plan of ${rolloutId}`): void {
    this.answers.get(rolloutId)?.(made);
  }

  has(what: 'looked' | 'recorded' | 'ended', count: number): Promise<void> {
    return eventually(`${count} ${what}`, () => this[what].length === count);
  }
}

const ids = Array.from({ length: PLANS_AT_ONCE + 2 }, (_, index) => `r-${index}`);

describe('plans', () => {
  it('are made a bounded number at once, and the next one when one has ended', async () => {
    const bench = new Bench();
    bench.plans.want('w', ids);
    for (const id of ids) bench.make(id);
    await bench.has('looked', PLANS_AT_ONCE);
    bench.answer('r-0', null);
    await bench.has('looked', PLANS_AT_ONCE + 1);
    expect(bench.ended).toEqual(['r-0 false']);
    bench.answer('r-3');
    await bench.has('ended', 2);
    expect(bench.recorded).toEqual(['plan of r-3']);
    expect(bench.looked).toEqual(ids);
  });

  it('are made once, however often they are asked for, and again after they ended', async () => {
    const bench = new Bench();
    bench.plans.want('w', ['r-0']);
    for (let times = 0; times < 3; times += 1) bench.make('r-0');
    await bench.has('looked', 1);
    bench.make('r-0');
    bench.answer('r-0', null);
    await bench.has('ended', 1);
    expect(bench.looked).toEqual(['r-0']);
    bench.make('r-0');
    await bench.has('looked', 2);
  });

  it('that nobody wants any more are not recorded, looked at or not', async () => {
    const bench = new Bench();
    bench.plans.want('w', ids);
    bench.plans.want('other', ['r-x']);
    for (const id of ids) bench.make(id);
    bench.make('r-x', 'other');
    await bench.has('looked', PLANS_AT_ONCE);
    bench.plans.want('w', ['r-1']);
    bench.answer('r-0');
    bench.answer('r-1');
    await bench.has('recorded', 1);
    expect(bench.recorded).toEqual(['plan of r-1']);
    await bench.has('looked', PLANS_AT_ONCE + 1);
    bench.answer('r-x');
    await bench.has('recorded', 2);
    bench.plans.want('w', []);
    bench.answer('r-2');
    await bench.has('ended', 6);
    expect(bench.ended.filter((line) => line.endsWith('true'))).toEqual(['r-1 true', 'r-x true']);
  });

  it('say while one is being recorded, for then it cannot be let go any more', async () => {
    const bench = new Bench();
    let written = (): void => undefined;
    bench.recording = new Promise((resolve) => (written = resolve));
    bench.plans.want('w', ['r-0']);
    bench.make('r-0');
    await bench.has('looked', 1);
    expect(bench.plans.records('w')).toBe(false);
    bench.answer('r-0');
    await eventually('it is being recorded', () => bench.plans.records('w'));
    expect(bench.plans.records('other')).toBe(false);
    const stopped = bench.plans.stop();
    written();
    await stopped;
    expect(bench.recorded).toEqual(['plan of r-0']);
    expect(bench.plans.records('w')).toBe(false);
  });

  it('stop without waiting for looks that do not answer; what those bring is not recorded', async () => {
    const bench = new Bench();
    bench.plans.want('w', ids);
    for (const id of ids) bench.make(id);
    await bench.has('looked', PLANS_AT_ONCE);
    await bench.plans.stop();
    bench.answer('r-0');
    await bench.has('ended', 1);
    bench.make('r-y');
    expect([bench.recorded, bench.looked.length]).toEqual([[], PLANS_AT_ONCE]);
  });
});
