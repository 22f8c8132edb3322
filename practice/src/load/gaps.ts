/**
 * What a client's ledger says about an outage. Pure: the ledger's lines in, figures out, so that a reader of the
 * exported ledger can compute the same figures.
 */

/** One line of the ledger. Times are milliseconds since the epoch with fractions, by one monotonic clock. */
export type LedgerEntry =
  /** The database acknowledged write `n`; it must be found again afterwards. */
  | { readonly kind: 'ack'; readonly n: number; readonly node: string; readonly at: number; readonly tookMs: number }
  /** A node that was tried did not take write `n`; the try ended at `at`. */
  | { readonly kind: 'miss'; readonly n: number; readonly node: string; readonly at: number; readonly tookMs: number }
  /** Write `n` was given up: no node took it, or its outcome is not known. */
  | { readonly kind: 'fail'; readonly n: number; readonly node: string; readonly at: number; readonly reason: string }
  /** A new connection to a node, with the time that it took. */
  | { readonly kind: 'connect'; readonly node: string; readonly at: number; readonly tookMs: number };

export interface ClientMeasure {
  readonly acknowledgedWrites: number;
  readonly failedWrites: number;
  /** Longest time between two acknowledged writes that exceeds the resolution; 0 where there is none. */
  readonly longestGapMs: number;
  readonly longestGapFromMs: number | null;
  /**
   * What this client can tell apart: its interval, one write, and a round of connections to every node that it knows (the
   * node that serves next may be the one it has just tried in vain); each as long as nine of ten take at most. Or, where
   * that is more, how far the longest gap may be longer than the outage behind it: the service can have gone at any moment
   * up to the end of the first try in vain, and have come back at any moment since the beginning of the last one.
   */
  readonly resolutionMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Measures what happened between two moments (default: the whole ledger). A gap is cut at the moments, so that a
 * measure begins with the first acknowledged write inside.
 */
export function measure(ledger: readonly LedgerEntry[], intervalMs: number, between?: Span): ClientMeasure {
  const inside = ledger.filter((entry) => between === undefined || (entry.at >= between.fromMs && entry.at <= between.toMs));
  const acks = inside.filter((entry) => entry.kind === 'ack');
  const paceMs = resolution(ledger, intervalMs);
  const longest = longestGap(acks.map((entry) => entry.at));
  const isGap = longest.durationMs > paceMs;
  const resolutionMs = isGap ? Math.max(paceMs, blurMs(inside, longest)) : paceMs;
  return {
    acknowledgedWrites: acks.length,
    failedWrites: inside.filter((entry) => entry.kind === 'fail').length,
    longestGapMs: isGap ? round(longest.durationMs) : 0,
    longestGapFromMs: isGap ? longest.fromMs : null,
    resolutionMs: round(resolutionMs),
    fromMs: acks[0]?.at ?? 0,
    toMs: acks.at(-1)?.at ?? 0,
  };
}

function resolution(ledger: readonly LedgerEntry[], intervalMs: number): number {
  const writes = ledger.filter((entry) => entry.kind === 'ack').map((entry) => entry.tookMs);
  const connections = ledger.filter((entry) => entry.kind === 'connect');
  const nodes = new Set(connections.map((entry) => entry.node)).size;
  return intervalMs + nineOfTen(writes) + nodes * nineOfTen(connections.map((entry) => entry.tookMs));
}

function longestGap(times: readonly number[]): { durationMs: number; fromMs: number } {
  let longest = { durationMs: 0, fromMs: times[0] ?? 0 };
  let before = times[0];
  for (const time of times) {
    if (before !== undefined && time - before > longest.durationMs) longest = { durationMs: time - before, fromMs: before };
    before = time;
  }
  return longest;
}

function blurMs(ledger: readonly LedgerEntry[], gap: { readonly durationMs: number; readonly fromMs: number }): number {
  const untilMs = gap.fromMs + gap.durationMs;
  const misses = ledger.filter((entry) => entry.kind === 'miss').filter(({ at }) => at >= gap.fromMs && at <= untilMs);
  const [first, last] = [misses[0], misses.at(-1)];
  return first && last ? Math.min(gap.durationMs, first.at - gap.fromMs + (untilMs - (last.at - last.tookMs))) : 0;
}

function nineOfTen(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.9) - 1] ?? 0;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** Reads a ledger file's text. A last line that was cut by the end of the process is passed over. */
export function parseLedger(text: string): readonly LedgerEntry[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as LedgerEntry);
}

/** Do two measures of one outage agree, as far as both can tell? */
export function agree(one: { ms: number; resolutionMs: number }, other: { ms: number; resolutionMs: number }): boolean {
  return Math.abs(one.ms - other.ms) <= one.resolutionMs + other.resolutionMs;
}
