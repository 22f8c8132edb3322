import { setImmediate as round } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Turns } from './turns.js';

describe('turns', () => {
  it('are taken by so many at once, and by all in the end', async () => {
    const turns = new Turns(3);
    let [within, most, done] = [0, 0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, (within += 1));
      await round();
      within -= 1;
      done += 1;
    };
    await Promise.all(Array.from({ length: 100 }, (_, index) => turns.run(index % 2 === 0, work)));
    expect([within, most, done]).toEqual([0, 3, 100]);
  });

  it('go to who has begun something first, and else to who came first', async () => {
    const turns = new Turns(1);
    const order: string[] = [];
    const take = (name: string, hasBegun: boolean): Promise<void> =>
      turns.run(hasBegun, async () => {
        order.push(name);
        await round();
      });
    await Promise.all([take('now', false), take('a', false), take('b', false), take('begun a', true), take('begun b', true)]);
    expect(order).toEqual(['now', 'begun a', 'begun b', 'a', 'b']);
  });

  it('come back from work that fails', async () => {
    const turns = new Turns(1);
    const failing = turns.run(false, () => Promise.reject(new Error('no store')));
    const next = turns.run(false, () => Promise.resolve('done'));
    await expect(failing).rejects.toThrow('no store');
    expect(await next).toBe('done');
    expect(await turns.run(true, () => Promise.resolve('again'))).toBe('again');
  });
});
