import type { ProbeSpec } from '../probe.js';
import { attemptHttp } from './http.js';
import { SqlAttempts } from './sql.js';
import { attemptTcp } from './tcp.js';

/** One operation against one target: null when it succeeded, else a short code (SQLSTATE, errno, `timeout`, ...). */
export type AttemptOn = (target: string, seq: number) => Promise<string | null>;

export interface Attempts {
  readonly on: AttemptOn;
  close(): void;
}

/** The explicit table of what a probe can do. */
export function attemptsFor(spec: ProbeSpec, probeId: string): Attempts {
  switch (spec.kind) {
    case 'sql-write':
    case 'sql-read':
      return new SqlAttempts(spec, probeId);
    case 'tcp':
      return { on: (target) => attemptTcp(target, spec.timeoutMs), close: () => undefined };
    case 'http':
      return { on: (target) => attemptHttp(target, spec.timeoutMs), close: () => undefined };
  }
}

/** A code for the ledger: one word, nothing that a server could smuggle in. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[A-Za-z0-9_-]{1,40}$/.test(code) ? code : 'error';
}
