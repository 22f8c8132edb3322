import type { LedgerLine } from '../ledger.js';
import { attemptsFor } from './attempt.js';
import { Runs, lookUp } from './lookup.js';
import type { JobSpec } from './spec.js';

/** Something is written at least this often, so that silence means that the probe is gone. */
const ALIVE_EVERY_MS = 1_000;

export interface ProbeRun {
  /** Ends when asked or at the limit, after the lookup. */
  readonly done: Promise<void>;
  stop(why: string): void;
}

/** Probes until it is stopped, writing each fact as it happens. */
export function runProbe(job: JobSpec, write: (line: LedgerLine) => void): ProbeRun {
  const { spec, probeId } = job;
  const began = performance.now();
  const now = (): { m: number; wall: number } => ({ m: performance.now() - began, wall: Date.now() });
  write({ line: 'start', wall: Date.now(), probeId, kind: spec.kind, intervalMs: spec.intervalMs });
  let why: string | undefined;
  let wake: () => void = () => undefined;
  const stop = (reason: string): void => {
    why ??= reason;
    wake();
  };
  const alive = setInterval(() => write({ line: 'alive', ...now() }), ALIVE_EVERY_MS);
  const limit = setTimeout(() => stop('limit'), spec.limitMs);
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const loop = async (): Promise<void> => {
    const attempts = attemptsFor(spec, probeId);
    const acknowledged = new Runs();
    let turn = 0; // the target that served last is asked first
    for (let seq = 1; why === undefined; seq++) {
      const from = performance.now();
      const result = await oneOperation(spec.targets, turn, (target) => attempts.on(target, seq));
      turn = result.turn;
      const at = { ...now(), tookMs: performance.now() - from, seq };
      write(result.code === null ? { line: 'ok', ...at } : { line: 'fail', ...at, code: result.code });
      if (result.code === null) acknowledged.add(seq);
      if (why === undefined) await pause(Math.max(0, from + spec.intervalMs - performance.now()));
    }
    attempts.close();
    clearTimeout(limit);
    clearInterval(alive); // after `stop` nothing is measured, so nothing may look as if it were
    write({ line: 'stop', ...now(), why });
    const { lost, reason } = await lookUp(spec, probeId, acknowledged);
    write({ line: 'lookup', acknowledged: acknowledged.count, lost, reason });
  };
  return { done: loop(), stop };
}

/** Every target once, beginning with the one that served last; the code of the first failure tells the most. */
async function oneOperation(
  targets: readonly string[],
  turn: number,
  on: (target: string) => Promise<string | null>,
): Promise<{ readonly code: string | null; readonly turn: number }> {
  let first: string | null = null;
  for (let tried = 0; tried < targets.length; tried++) {
    const index = (turn + tried) % targets.length;
    const code = await on(targets[index] ?? '');
    if (code === null) return { code, turn: index };
    first ??= code;
  }
  return { code: first ?? 'no-target', turn: (turn + 1) % targets.length };
}
