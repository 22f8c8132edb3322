/** What a benchmark is, and the little arithmetic that all of them share. */

/** A figure beside what it must reach. `met` is decided by the benchmark, from measured values only. */
export interface Target {
  readonly what: string;
  readonly measured: number;
  readonly required: number;
  /** `at-least` or `at-most` the required value. */
  readonly sense: 'at-least' | 'at-most';
}

export interface Report {
  readonly title: string;
  /** How it was measured, in a sentence or two. */
  readonly method: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly targets: readonly Target[];
}

export interface Benchmark {
  readonly name: string;
  readonly purpose: string;
  readonly run: (progress: (line: string) => void) => Promise<Report>;
}

export function isMet(target: Target): boolean {
  return target.sense === 'at-least' ? target.measured >= target.required : target.measured <= target.required;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value at or above which a fraction of the values lies below; nearest rank. NaN for no values. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

/**
 * Median over rounds of the ratio within a round. Two contestants of one round met the same machine, two medians over all
 * rounds may not have.
 */
export function medianRatio(ours: readonly number[], partners: readonly number[]): number {
  return median(ours.map((value, round) => value / (partners[round] ?? Number.NaN)));
}
