import { describe, expect, it } from 'vitest';
import { isoOf, later, msOf } from './time.js';

describe('times', () => {
  it('go both ways, to the millisecond', () => {
    expect(msOf('2026-03-01T20:00:00.010Z')).toBe(Date.UTC(2026, 2, 1, 20, 0, 0, 10));
    expect(msOf('2026-03-01T21:00:00+01:00')).toBe(Date.UTC(2026, 2, 1, 20));
    expect(isoOf(Date.UTC(2026, 2, 1, 20, 0, 0, 10))).toBe('2026-03-01T20:00:00.010Z');
    expect(later('2026-03-01T23:59:59.999Z', 1)).toBe('2026-03-02T00:00:00.000Z');
  });

  it('stay what they are, however many are asked for and how often', () => {
    const hours = Array.from({ length: 10_000 }, (_, hour) => hour * 3_600_000);
    for (const ms of [...hours, ...hours]) expect(msOf(isoOf(ms))).toBe(ms);
  });

  it('that are no times are told apart each time', () => {
    for (const _ of [1, 2]) {
      expect(msOf('soon')).toBeNaN();
      expect(() => isoOf(Number.NaN)).toThrow(RangeError);
    }
  });
});
