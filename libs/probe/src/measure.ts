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
  const interruptions = interruptionsIn(reading);
  const durations = interruptions.map((gap) => gap.durationMs);
  return {
    status: 'measured',
    fromMs: between?.fromMs ?? timeline.wall(0),
    toMs: between?.toMs ?? timeline.wall(range.to),
    operations: inside.length,
    failedOperations: failed,
    interruptions,
    longestMs: Math.max(0, ...durations),
    sumMs: tenths(durations.reduce((sum, ms) => sum + ms, 0)),
    resolutionMs: tenths(resolutionMs),
    acknowledgedWrites: kind === 'sql-write' ? inside.length - failed : 0,
    ...lostWrites(ledger, kind, between),
  };
}

function interruptionsIn({ timeline, operations, range, resolutionMs }: Reading): readonly Interruption[] {
  const found: Interruption[] = [];
  let since = 0; // the probe's own beginning counts as the last good moment: a service that is away then is away
  let failed = 0;
  const close = (until: number): void => {
    const durationMs = until - since;
    const counts = durationMs > resolutionMs && (failed > 0 || durationMs > 2 * resolutionMs);
    if (counts && since <= range.to && until >= range.from) {
      const fromMs = timeline.wall(since);
      found.push({ fromMs, toMs: fromMs + tenths(durationMs), durationMs: tenths(durationMs), failedOperations: failed });
    }
  };
  for (const operation of operations) {
    if (operation.line === 'fail') {
      failed += 1;
      continue;
    }
    close(operation.m);
    since = operation.m;
    failed = 0;
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
