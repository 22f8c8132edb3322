import { describe, expect, it } from 'vitest';
import { agree, measure, parseLedger, type LedgerEntry } from './gaps.js';

function acks(...times: readonly number[]): readonly LedgerEntry[] {
  return times.map((at, index) => ({ kind: 'ack', n: index + 1, node: 'a', at, tookMs: 2 }));
}

describe('what a ledger says about an outage', () => {
  it('names the longest gap between acknowledged writes and where it began', () => {
    const seen = measure(acks(0, 10, 20, 120, 130, 160), 10);
    expect(seen).toMatchObject({ acknowledgedWrites: 6, longestGapMs: 100, longestGapFromMs: 20, fromMs: 0, toMs: 160 });
  });

  it('calls nothing a gap that it could not tell from its own pace', () => {
    expect(measure(acks(0, 10, 22, 32), 10)).toMatchObject({ longestGapMs: 0, longestGapFromMs: null, resolutionMs: 12 });
  });

  it('counts a round of connections into the resolution, because an outage ends with one', () => {
    const connect = (node: string): LedgerEntry => ({ kind: 'connect', node, at: 0, tookMs: 7 });
    expect(measure([connect('a'), ...acks(10, 20)], 10).resolutionMs).toBe(19);
    expect(measure([connect('a'), connect('b'), connect('a'), ...acks(10, 20)], 10).resolutionMs).toBe(26);
  });

  it('knows how far a gap may be longer than the outage: a try that hung says late that the service is back', () => {
    const miss = (at: number, tookMs: number): LedgerEntry => ({ kind: 'miss', n: 3, node: 'a', at, tookMs });
    const short = [...acks(0, 10), miss(15, 2), miss(190, 2), ...acks(200)];
    expect(measure(short, 10)).toMatchObject({ longestGapMs: 190, resolutionMs: 17 });
    const hung = [...acks(0, 10), miss(15, 2), miss(190, 150), ...acks(200)];
    expect(measure(hung, 10)).toMatchObject({ longestGapMs: 190, resolutionMs: 165 });
    expect(measure([...acks(0, 10), miss(190, 175), ...acks(200)], 10)).toMatchObject({ longestGapMs: 190, resolutionMs: 190 });
    // Tries beside the longest gap blur nothing.
    expect(measure([miss(5, 300), ...acks(10, 200)], 10).resolutionMs).toBe(12);
  });

  it('counts writes that were given up, and only what lies between two moments', () => {
    const ledger: LedgerEntry[] = [...acks(0, 10, 200), { kind: 'fail', n: 4, node: 'a', at: 150, reason: '57P01' }];
    expect(measure(ledger, 10)).toMatchObject({ failedWrites: 1, longestGapMs: 190 });
    expect(measure(ledger, 10, { fromMs: 0, toMs: 100 })).toMatchObject({
      failedWrites: 0,
      longestGapMs: 0,
      acknowledgedWrites: 2,
    });
  });

  it('answers zeros for an empty ledger', () => {
    expect(measure([], 10)).toMatchObject({ acknowledgedWrites: 0, longestGapMs: 0, longestGapFromMs: null });
  });

  it('passes over a last line that was cut', () => {
    const whole = acks(1, 2).map((entry) => JSON.stringify(entry));
    expect(parseLedger(`${whole.join('\n')}\n{"kind":"ack","n`)).toHaveLength(2);
    expect(parseLedger('')).toEqual([]);
  });

  it('two measures agree up to the sum of their resolutions, not beyond', () => {
    expect(agree({ ms: 80, resolutionMs: 12 }, { ms: 105, resolutionMs: 13 })).toBe(true);
    expect(agree({ ms: 80, resolutionMs: 12 }, { ms: 106, resolutionMs: 13 })).toBe(false);
  });
});
