import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LedgerLine, readLedger, writeLine } from './ledger.js';
import { type JobLife, measure, SILENCE_LIMIT_MS, type Span } from './measure.js';
import type { ProbeReading } from './probe.js';

const WALL = 1_800_000_000_000;
const INTERVAL_MS = 20;

/** A ledger in the making: every operation takes 2 ms unless said otherwise, the clock runs true unless set. */
class Ledger {
  readonly lines: LedgerLine[];
  m = 0;
  private offset = WALL;
  private seq = 0;

  constructor(kind = 'sql-write') {
    this.lines = [{ line: 'start', wall: WALL, probeId: 'p', kind, intervalMs: INTERVAL_MS }];
  }

  ok(count = 1, everyMs = INTERVAL_MS): this {
    for (let i = 0; i < count; i++) this.lines.push({ line: 'ok', ...this.tick(everyMs), tookMs: 2, seq: ++this.seq });
    return this;
  }

  fail(count = 1, everyMs = INTERVAL_MS, tookMs = 1): this {
    for (let i = 0; i < count; i++)
      this.lines.push({ line: 'fail', ...this.tick(everyMs), tookMs, seq: ++this.seq, code: '25006' });
    return this;
  }

  alive(count: number): this {
    for (let i = 0; i < count; i++) this.lines.push({ line: 'alive', ...this.tick(1_000) });
    return this;
  }

  stop(): this {
    this.lines.push({ line: 'stop', ...this.tick(0), why: 'asked' });
    return this;
  }

  lookup(lost: number | null, reason = 'looked up'): this {
    this.lines.push({ line: 'lookup', acknowledged: this.seq, lost, reason });
    return this;
  }

  clockJumps(ms: number): this {
    this.offset += ms;
    return this;
  }

  get wall(): number {
    return this.m + this.offset;
  }

  measured(between?: Span, life: JobLife = 'running'): ProbeReading {
    const result = measure(this.lines, life, between);
    if (result.status !== 'measured') throw new Error(`${result.reason} since ${result.sinceMs}`);
    return result;
  }

  result(between?: Span, life: JobLife = 'running') {
    return measure(this.lines, life, between);
  }

  private tick(ms: number): { m: number; wall: number } {
    this.m += ms;
    return { m: this.m, wall: this.wall };
  }
}

describe('measure', () => {
  it('reports nothing but operations where nothing was interrupted', () => {
    const reading = new Ledger().ok(100).measured();
    expect(reading).toMatchObject({
      operations: 100,
      failedOperations: 0,
      interruptions: [],
      longestMs: 0,
      sumMs: 0,
      acknowledgedWrites: 100,
    });
    expect(reading).toMatchObject({ fromMs: WALL, toMs: WALL + 2_000, resolutionMs: 22 });
  });

  it('measures a gap from the last success to the next one, with what failed in it', () => {
    const reading = new Ledger().ok(10).fail(4).ok(10).measured();
    expect(reading.interruptions).toEqual([{ fromMs: WALL + 200, toMs: WALL + 300, durationMs: 100, failedOperations: 4 }]);
    expect(reading).toMatchObject({ longestMs: 100, sumMs: 100, failedOperations: 4, operations: 24, acknowledgedWrites: 20 });
  });

  it('says how far the longest gap may be longer than the outage, where a failure took long', () => {
    const hung = new Ledger().ok(10).fail(1).fail(1, 1_000, 999).ok(10).measured();
    expect(hung).toMatchObject({ longestMs: 1_040, resolutionMs: 20 + 1_019 });
    const onlyHung = new Ledger().ok(10).fail(1, 1_000, 999).ok(10).measured();
    expect(onlyHung).toMatchObject({ longestMs: 1_020, resolutionMs: 1_020 });
    // Only the longest one counts.
    const another = new Ledger().ok(10).fail(1, 1_000, 999).ok(10).fail(60).ok(10).measured();
    expect(another).toMatchObject({ longestMs: 1_220, resolutionMs: 20 + 21 });
  });

  it('measures an operation that hung and then succeeded, though nothing failed', () => {
    const reading = new Ledger().ok(10).ok(1, 700).ok(10).measured();
    expect(reading.interruptions).toEqual([{ fromMs: WALL + 200, toMs: WALL + 900, durationMs: 700, failedOperations: 0 }]);
  });

  it('gives each gap, the longest and the sum', () => {
    const reading = new Ledger().ok(10).fail(2).ok(3).fail(9).ok(3).fail(1).ok(3).measured();
    expect(reading.interruptions.map((gap) => gap.durationMs)).toEqual([60, 200, 40]);
    expect(reading).toMatchObject({ longestMs: 200, sumMs: 300, failedOperations: 12 });
  });

  it('does not take a busy moment for an interruption, nor hide a failure in a short gap', () => {
    expect(new Ledger().ok(10).ok(1, 43).ok(10).measured().interruptions).toEqual([]);
    expect(new Ledger().ok(10).ok(1, 45).ok(10).measured().interruptions).toHaveLength(1);
    expect(new Ledger().ok(10).fail(1, 11).ok(1, 12).measured().interruptions).toMatchObject([
      { durationMs: 23, failedOperations: 1 },
    ]);
  });

  it('counts a service that was away from the beginning', () => {
    expect(new Ledger().fail(5).ok(5).measured().interruptions).toEqual([
      { fromMs: WALL, toMs: WALL + 120, durationMs: 120, failedOperations: 5 },
    ]);
    expect(new Ledger().fail(5).measured()).toMatchObject({ longestMs: 100, acknowledgedWrites: 0 });
  });

  it('lets a gap that has not ended run to the last moment that is known', () => {
    const ledger = new Ledger().ok(10).fail(5);
    expect(ledger.measured().interruptions).toEqual([
      { fromMs: WALL + 200, toMs: WALL + 300, durationMs: 100, failedOperations: 5 },
    ]);
    expect(new Ledger().ok(10).alive(3).measured().longestMs).toBe(3_000);
  });

  it('lets a gap end at the stop of the probe', () => {
    const reading = new Ledger().ok(10).fail(5).stop().lookup(0).measured(undefined, 'ended');
    expect(reading).toMatchObject({ longestMs: 100, lostWrites: 0 });
  });

  describe('for a range of time', () => {
    const ledger = new Ledger().ok(10).fail(4).ok(30).fail(9).ok(30); // gaps 200..300 and 880..1080

    it('counts the operations in it and the gaps that touch it, whole', () => {
      const reading = ledger.measured({ fromMs: WALL + 250, toMs: WALL + 600 });
      expect(reading.interruptions).toEqual([{ fromMs: WALL + 200, toMs: WALL + 300, durationMs: 100, failedOperations: 4 }]);
      expect(reading).toMatchObject({ operations: 18, failedOperations: 2, fromMs: WALL + 250, toMs: WALL + 600 });
    });

    it('gives a gap that goes on after its end whole, as far as it is known', () => {
      expect(ledger.measured({ fromMs: WALL + 400, toMs: WALL + 900 }).interruptions).toMatchObject([{ durationMs: 200 }]);
    });

    it('finds nothing where nothing was', () => {
      expect(ledger.measured({ fromMs: WALL + 400, toMs: WALL + 800 })).toMatchObject({ interruptions: [], longestMs: 0 });
    });

    it('looks up no writes for a part', () => {
      const whole = new Ledger().ok(50).stop().lookup(3);
      expect(whole.measured({ fromMs: WALL, toMs: WALL + 500 }, 'ended')).toMatchObject({ lostWrites: null });
      expect(whole.measured(undefined, 'ended').lostWrites).toBe(3);
    });
  });

  describe('says that it did not measure', () => {
    it('without a first line', () => {
      expect(measure([], 'running')).toMatchObject({
        status: 'not-measured',
        reason: expect.stringContaining('first line') as string,
      });
      expect(measure([], 'died', { fromMs: 5, toMs: 6 })).toMatchObject({ sinceMs: 5 });
    });

    it('from the last line on when the probe died', () => {
      const ledger = new Ledger().ok(50);
      const died = { status: 'not-measured', sinceMs: WALL + 1_000, reason: 'the probe ended without being asked' };
      expect(ledger.result(undefined, 'died')).toEqual(died);
      expect(ledger.result({ fromMs: WALL + 500, toMs: WALL + 2_000 }, 'died')).toEqual(died);
      expect(ledger.measured({ fromMs: WALL + 500, toMs: WALL + 1_000 }, 'died').operations).toBe(26);
    });

    it('after it was stopped', () => {
      const ledger = new Ledger().ok(50).stop();
      expect(ledger.result({ fromMs: WALL, toMs: WALL + 2_000 }, 'ended')).toEqual({
        status: 'not-measured',
        sinceMs: WALL + 1_000,
        reason: 'the probe was stopped',
      });
    });

    it('when nothing is heard of it any more, though it seems to run', () => {
      const ledger = new Ledger().ok(50);
      expect(ledger.result({ fromMs: WALL, toMs: WALL + 1_000 + SILENCE_LIMIT_MS })).toMatchObject({ status: 'measured' });
      expect(ledger.result({ fromMs: WALL, toMs: WALL + 1_001 + SILENCE_LIMIT_MS })).toMatchObject({
        status: 'not-measured',
        sinceMs: WALL + 1_000,
      });
    });

    it('where the probe itself stood still', () => {
      const ledger = new Ledger()
        .ok(50)
        .ok(1, SILENCE_LIMIT_MS + 1_000)
        .ok(50);
      expect(ledger.result()).toEqual({
        status: 'not-measured',
        sinceMs: WALL + 1_000,
        reason: 'the probe itself was silent for 6 s (stopped, starved or suspended)',
      });
      expect(ledger.result({ fromMs: WALL, toMs: WALL + 900 })).toMatchObject({ status: 'measured' });
      expect(ledger.result({ fromMs: WALL + 7_500, toMs: WALL + 7_900 })).toMatchObject({ status: 'measured' });
    });

    it('before it began', () => {
      expect(new Ledger().ok(50).result({ fromMs: WALL - 1_000, toMs: WALL + 500 })).toEqual({
        status: 'not-measured',
        sinceMs: WALL - 1_000,
        reason: 'the probe began later',
      });
    });
  });

  describe('when the clock of the probe host is set', () => {
    it('keeps durations by the monotonic clock', () => {
      for (const jump of [-3_600_000, -500, 500, 3_600_000]) {
        const reading = new Ledger().ok(10).fail(2).clockJumps(jump).fail(2).ok(10).measured();
        expect(reading.interruptions).toEqual([{ fromMs: WALL + 200, toMs: WALL + 300, durationMs: 100, failedOperations: 4 }]);
        expect(reading.sumMs).toBe(100);
      }
    });

    it('covers every moment that the asked range can mean when it went back', () => {
      const ledger = new Ledger().ok(50).fail(5).ok(5); // gap 1000..1120
      ledger.clockJumps(-1_000).ok(40).fail(5).ok(20); // its wall clock passes 200..1000 once more
      const reading = ledger.measured({ fromMs: WALL + 500, toMs: WALL + 900 });
      expect(reading.interruptions.map((gap) => gap.durationMs)).toEqual([120]);
      const later = ledger.measured({ fromMs: WALL + 500, toMs: ledger.wall });
      expect(later.interruptions.map((gap) => gap.durationMs)).toEqual([120, 120]);
    });

    it('finds a range after a jump forward', () => {
      const ledger = new Ledger().ok(10).clockJumps(60_000).ok(10).fail(4).ok(10);
      expect(ledger.measured({ fromMs: WALL + 60_200, toMs: WALL + 60_700 }).interruptions).toMatchObject([
        { fromMs: WALL + 60_400, durationMs: 100 },
      ]);
      expect(ledger.measured({ fromMs: WALL + 30_000, toMs: WALL + 31_000 })).toMatchObject({ interruptions: [] });
      const skipping = new Ledger().ok(10).fail(2).clockJumps(60_000).fail(2).ok(10);
      expect(skipping.measured({ fromMs: WALL + 30_000, toMs: WALL + 31_000 }).interruptions).toMatchObject([
        { durationMs: 100 },
      ]);
    });

    it('takes small steering for no jump', () => {
      const ledger = new Ledger();
      for (let i = 0; i < 20; i++) ledger.ok(5).clockJumps(1);
      expect(ledger.measured().toMs).toBe(WALL + 2_000);
    });
  });

  describe('lost writes', () => {
    it('are null with the reason until they were looked up, and where that failed', () => {
      expect(new Ledger().ok(5).measured()).toMatchObject({
        lostWrites: null,
        lostWritesReason: 'the writes have not been looked up',
      });
      const failed = new Ledger().ok(5).stop().lookup(null, 'no node was active').measured(undefined, 'ended');
      expect(failed).toMatchObject({ lostWrites: null, lostWritesReason: 'no node was active' });
      expect(new Ledger('sql-read').ok(5).measured()).toMatchObject({ lostWrites: null, acknowledgedWrites: 0 });
    });
  });

  it('never reports less than what was planted, whatever the pattern', () => {
    const runs = fc.array(fc.record({ good: fc.integer({ min: 1, max: 50 }), bad: fc.integer({ min: 0, max: 40 }) }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(runs, (pattern) => {
        const ledger = new Ledger();
        for (const { good, bad } of pattern) ledger.ok(good).fail(bad);
        ledger.ok();
        const reading = ledger.measured();
        const planted = pattern.map(({ bad }) => (bad === 0 ? 0 : (bad + 1) * INTERVAL_MS)).filter((ms) => ms > 0);
        expect(reading.interruptions.map((gap) => gap.durationMs)).toEqual(planted);
        expect(reading.longestMs).toBe(Math.max(0, ...planted));
        expect(reading.failedOperations).toBe(pattern.reduce((sum, { bad }) => sum + bad, 0));
      }),
    );
  });
});

describe('ledger', () => {
  it('reads what it writes', () => {
    const { lines } = new Ledger().ok(3).fail(2).alive(1).stop().lookup(1, 'looked up on 127.0.0.1:1').lookup(null, 'no node');
    expect(readLedger(lines.map((line) => `${writeLine(line)}\n`).join(''))).toEqual(lines);
  });

  it('passes over a torn last line and what is none', () => {
    const text =
      'start 1 p tcp 20\n(node:1) Warning: x\nok 1 2 3 4\nok 1 2 x 4\nfail 1 2\nstop a b\nalive 1\nlookup x\nstart 1\n\nok 9 9 9 99';
    expect(readLedger(text).map((line) => line.line)).toEqual(['start', 'ok']);
    expect(readLedger('')).toEqual([]);
    expect(readLedger('ok 1 2 3 4')).toEqual([]);
    expect(readLedger('fail 1 2 3 4\n')).toEqual([{ line: 'fail', m: 1, wall: 2, tookMs: 3, seq: 4, code: 'unknown' }]);
  });
});
