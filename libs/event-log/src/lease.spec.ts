import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LeaseKeeper } from './lease.js';

/** A store whose clock is two hours ahead of this machine's. */
const AHEAD_MS = 2 * 3_600_000;
const CLOSE_MS = 1_000;

describe('the time by which everything is decided and recorded', () => {
  let storeMs = 0;
  let asked = 0;
  let keeper: LeaseKeeper;

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    asked = 0;
    storeMs = Date.now() + AHEAD_MS;
    const query = async (): Promise<unknown> => {
      asked += 1;
      return { rows: [{ now: new Date(storeMs) }] };
    };
    keeper = new LeaseKeeper({
      pool: { query } as unknown as pg.Pool,
      schema: 'orchestrator',
      incarnation: 'i',
      instance: 'one',
    });
    await keeper.start();
  });

  afterEach(async () => {
    await keeper.stop();
    vi.useRealTimers();
  });

  it.each([
    ['an hour ahead', 3_600_000],
    ['an hour back', -3_600_000],
  ])('is the store’s, and a step of this machine’s clock by %s changes nothing', (_step, stepMs) => {
    expect(Math.abs(keeper.now() - storeMs)).toBeLessThan(CLOSE_MS);
    vi.setSystemTime(Date.now() + stepMs);
    expect(Math.abs(keeper.now() - storeMs)).toBeLessThan(CLOSE_MS);
    expect(keeper.remainingMs()).toBeGreaterThan(30_000 - CLOSE_MS);
  });

  it('is asked for anew with each renewal: what the monotonic clock missed while the machine was suspended is made good', async () => {
    storeMs += 3_600_000;
    expect(storeMs - keeper.now()).toBeGreaterThan(3_600_000 - CLOSE_MS);
    const before = asked;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toBe(before + 1);
    expect(Math.abs(keeper.now() - storeMs)).toBeLessThan(CLOSE_MS);
  });

  it('is this machine’s until the store has been asked', () => {
    const fresh = new LeaseKeeper({ pool: {} as pg.Pool, schema: 'orchestrator', incarnation: 'i', instance: 'one' });
    expect(Math.abs(fresh.now() - Date.now())).toBeLessThan(CLOSE_MS);
  });
});
