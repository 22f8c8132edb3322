import type { LedgerLine } from './ledger.js';
import type { Interruption, ProbeResult } from './probe.js';
import { Timeline } from './timeline.js';

/** What is known of the job that wrote the ledger. `died`: it ended without saying so, or cannot be found. */
export type JobLife = 'running' | 'ended' | 'died';

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A probe that is there says something at least every second; longer than this without a word is not measured. */
export const SILENCE_LIMIT_MS = 5_000;

type Operation = Extract<LedgerLine, { line: 'ok' | 'fail' }>;

interface Reading {
  readonly timeline: Timeline;
  readonly operations: readonly Operation[];
  /** Of the probe in quiet times: its pace. */
  readonly resolutionMs: number;
  readonly range: { readonly from: number; readonly to: number };
}

/**
 * What the ledger says about a range of time (default: all of it). Pure. Durations are by the probe's monotonic clock;
 * moments by its host's wall clock. Where any part of the range was not watched, the answer is `not-measured` from there.
 */
export function measure(ledger: readonly LedgerLine[], life: JobLife, between?: Span): ProbeResult {
  const start = ledger.find((line) => line.line === 'start');
  if (start?.line !== 'start') return notMeasured('the probe has not written its first line', between?.fromMs ?? 0);
  const timeline = new Timeline(ledger);
  const operations = ledger.filter((line): line is Operation => line.line === 'ok' || line.line === 'fail');
  const range = between === undefined ? { from: 0, to: timeline.last } : timeline.monotonic(between);
  const reading: Reading = { timeline, operations, resolutionMs: resolution(operations, start.intervalMs), range };
  return unwatched(ledger, life, reading, between) ?? measured(ledger, start.kind, reading, between);
}

function unwatched(
  ledger: readonly LedgerLine[],
  life: JobLife,
  reading: Reading,
  between: Span | undefined,
): ProbeResult | null {
  const { timeline, range } = reading;
  if (between !== undefined && range.from < -reading.resolutionMs) return notMeasured('the probe began later', between.fromMs);
  const silence = timeline.silences(SILENCE_LIMIT_MS).find((gap) => gap.to > range.from && gap.from < range.to);
  if (silence) {
    const seconds = Math.round((silence.to - silence.from) / 1000);
    return notMeasured(
      `the probe itself was silent for ${seconds} s (stopped, starved or suspended)`,
      timeline.wall(silence.from),
    );
  }
  const stopped = ledger.some((line) => line.line === 'stop');
  const allowedMs = life === 'running' && !stopped ? SILENCE_LIMIT_MS : reading.resolutionMs;
  if (range.to > timeline.last + allowedMs) return notMeasured(silentSince(life, stopped), timeline.wall(timeline.last));
  if (between === undefined && life === 'died' && !stopped)
    return notMeasured(silentSince(life, stopped), timeline.wall(timeline.last));
  return null;
}

function silentSince(life: JobLife, stopped: boolean): string {
  if (stopped) return 'the probe was stopped';
  return life === 'running' ? 'nothing was heard of the probe since' : 'the probe ended without being asked';
}

function measured(ledger: readonly LedgerLine[], kind: string, reading: Reading, between: Span | undefined): ProbeResult {
  const { operations, range, resolutionMs, timeline } = reading;
  const inside = operations.filter((operation) => operation.m >= range.from && operation.m <= range.to);
  const failed = inside.filter((operation) => operation.line === 'fail').length;
  const gaps = gapsIn(reading);
  const interruptions = gaps.map(({ interruption }) => interruption);
  const durations = interruptions.map((gap) => gap.durationMs);
  const longestMs = Math.max(0, ...durations);
  const blurMs = gaps.find(({ interruption }) => interruption.durationMs === longestMs)?.blurMs ?? 0;
  return {
    status: 'measured',
    fromMs: between?.fromMs ?? timeline.wall(0),
    toMs: between?.toMs ?? timeline.wall(range.to),
    operations: inside.length,
    failedOperations: failed,
    interruptions,
    longestMs,
    sumMs: tenths(durations.reduce((sum, ms) => sum + ms, 0)),
    resolutionMs: tenths(Math.max(resolutionMs, blurMs)),
    acknowledgedWrites: kind === 'sql-write' ? inside.length - failed : 0,
    ...lostWrites(ledger, kind, between),
  };
}

interface Gap {
  readonly interruption: Interruption;
  /**
   * How far the gap may be longer than the outage: the service can have gone at any moment from the last success to the
   * end of the first failure, and have come back at any moment from the beginning of the last failure to the next success.
   */
  readonly blurMs: number;
}

function gapsIn({ timeline, operations, range, resolutionMs }: Reading): readonly Gap[] {
  const found: Gap[] = [];
  let since = 0; // the probe's own beginning counts as the last good moment: a service that is away then is away
  let failed: Operation[] = [];
  const close = (until: number): void => {
    const durationMs = until - since;
    const counts = durationMs > resolutionMs && (failed.length > 0 || durationMs > 2 * resolutionMs);
    if (!counts || since > range.to || until < range.from) return;
    const fromMs = timeline.wall(since);
    const [first, last] = [failed[0], failed.at(-1)];
    const blurMs = first && last ? Math.min(durationMs, first.m - since + (until - (last.m - last.tookMs))) : 0;
    const toMs = fromMs + tenths(durationMs);
    found.push({ interruption: { fromMs, toMs, durationMs: tenths(durationMs), failedOperations: failed.length }, blurMs });
  };
  for (const operation of operations) {
    if (operation.line === 'fail') {
      failed.push(operation);
      continue;
    }
    close(operation.m);
    since = operation.m;
    failed = [];
  }
  close(timeline.last);
  return found;
}

/** The interval plus the usual (median) time of one successful operation. */
function resolution(operations: readonly Operation[], intervalMs: number): number {
  const times = operations.filter((operation) => operation.line === 'ok').map((operation) => operation.tookMs);
  times.sort((left, right) => left - right);
  return intervalMs + (times[Math.floor(times.length / 2)] ?? 0);
}

function lostWrites(
  ledger: readonly LedgerLine[],
  kind: string,
  between: Span | undefined,
): { readonly lostWrites: number | null; readonly lostWritesReason?: string } {
  if (kind !== 'sql-write') return { lostWrites: null, lostWritesReason: 'this probe does not write' };
  if (between !== undefined)
    return { lostWrites: null, lostWritesReason: 'writes are looked up for the whole measurement, not for a part' };
  const lookup = ledger.findLast((line) => line.line === 'lookup');
  if (lookup?.line !== 'lookup') return { lostWrites: null, lostWritesReason: 'the writes have not been looked up' };
  return lookup.lost === null ? { lostWrites: null, lostWritesReason: lookup.reason } : { lostWrites: lookup.lost };
}

function notMeasured(reason: string, sinceMs: number): ProbeResult {
  return { status: 'not-measured', reason, sinceMs };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
