import type { LedgerLine } from './ledger.js';

interface Stretch {
  from: number;
  to: number;
  /** wall = monotonic + offset, along this stretch. */
  readonly offset: number;
}

/** A wall clock that moves this far against the monotonic one was set; less is its ordinary steering. */
const CLOCK_STEP_MS = 50;

/** Both clocks of a ledger. The wall clock may be set in between, so one wall moment may be several monotonic ones. */
export class Timeline {
  /** The last monotonic moment that the ledger knows. */
  readonly last: number;
  private readonly moments: readonly number[];
  private readonly stretches: readonly Stretch[];

  constructor(ledger: readonly LedgerLine[]) {
    const marks: { m: number; wall: number }[] = [];
    for (const line of ledger) {
      if (line.line === 'start') marks.push({ m: 0, wall: line.wall });
      else if (line.line !== 'lookup') marks.push({ m: line.m, wall: line.wall });
    }
    this.moments = marks.map((mark) => mark.m);
    this.last = this.moments.at(-1) ?? 0;
    this.stretches = stretchesOf(marks);
  }

  /** The wall moment of a monotonic one, to the millisecond. */
  wall(m: number): number {
    const stretch = this.stretches.findLast((candidate) => candidate.from <= m) ?? this.stretches[0];
    return Math.round(m + (stretch?.offset ?? 0));
  }

  /**
   * The monotonic range that covers every moment at which the wall clock was between the two: where the clock was set
   * back, that is more than asked, never less. Before the first and after the last line the clock is taken as running on.
   */
  monotonic(between: { readonly fromMs: number; readonly toMs: number }): { readonly from: number; readonly to: number } {
    const ranges = this.stretches.map((stretch, index) => ({
      from: Math.max(index === 0 ? -Infinity : stretch.from, between.fromMs - stretch.offset),
      to: Math.min(index === this.stretches.length - 1 ? Infinity : stretch.to, between.toMs - stretch.offset),
    }));
    const covered = ranges.filter((range) => range.from <= range.to);
    if (covered.length === 0) return this.skipped(between.fromMs);
    return { from: Math.min(...covered.map((range) => range.from)), to: Math.max(...covered.map((range) => range.to)) };
  }

  /** The clock was set forward past the whole range: all of it was the one moment at which that happened. */
  private skipped(fromMs: number): { readonly from: number; readonly to: number } {
    const next = this.stretches.find((stretch) => stretch.from + stretch.offset > fromMs);
    const moment = next?.from ?? this.last;
    return { from: moment, to: moment };
  }

  /** Stretches of time longer than `limitMs` between two lines. */
  silences(limitMs: number): readonly { readonly from: number; readonly to: number }[] {
    return this.moments.slice(1).flatMap((to, index) => {
      const from = this.moments[index] ?? to;
      return to - from > limitMs ? [{ from, to }] : [];
    });
  }
}

function stretchesOf(marks: readonly { readonly m: number; readonly wall: number }[]): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (const { m, wall } of marks) {
    const offset = wall - m;
    const current = stretches.at(-1);
    // The clock was set somewhere between two lines; the time between belongs to the stretch before.
    if (current) current.to = m;
    if (!current || Math.abs(current.offset - offset) > CLOCK_STEP_MS) stretches.push({ from: m, to: m, offset });
  }
  return stretches;
}
