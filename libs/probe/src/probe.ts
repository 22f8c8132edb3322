import type { Fence, Host } from '@understudy/hosts';

/** What the probe does, from outside, as a client would. */
export interface ProbeSpec {
  readonly kind: 'sql-write' | 'sql-read' | 'tcp' | 'http';
  /** Tried in turn until one serves; `host:port` or a URL for `http`. */
  readonly targets: readonly string[];
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  /** The table that the owner prepared, e.g. `understudy_probe.heartbeat`. */
  readonly table?: string;
  readonly intervalMs: number;
  /** The client's own timeout for one operation and for one connection. */
  readonly timeoutMs: number;
  /** The probe ends itself after this. */
  readonly limitMs: number;
}

/** Times are milliseconds since the epoch by the probe host's clock. */
export interface Interruption {
  readonly fromMs: number;
  readonly toMs: number;
  readonly durationMs: number;
  readonly failedOperations: number;
}

export interface ProbeReading {
  readonly status: 'measured';
  readonly fromMs: number;
  readonly toMs: number;
  readonly operations: number;
  readonly failedOperations: number;
  /**
   * Each gap between the ends of two successful operations that exceeds the resolution and in which an operation
   * failed, or that exceeds twice the resolution (below that nobody can tell it from a busy moment). A gap that touches
   * the asked range is given whole; one that has not ended runs to the last moment that is known.
   */
  readonly interruptions: readonly Interruption[];
  readonly longestMs: number;
  readonly sumMs: number;
  /**
   * What the probe can tell apart: its interval plus the usual time of one operation; or, where that is more, how far the
   * longest interruption may be longer than the outage behind it (an attempt that hung says late that the service is back).
   */
  readonly resolutionMs: number;
  readonly acknowledgedWrites: number;
  /** Acknowledged writes that could not be found again; null until looked up (only `stop` looks up). */
  readonly lostWrites: number | null;
  /** Why `lostWrites` is null. */
  readonly lostWritesReason?: string;
}

export type ProbeResult = ProbeReading | { readonly status: 'not-measured'; readonly reason: string; readonly sinceMs: number };

/** A detached job on the probe host. Lost = not measured from then on. */
export interface Probe {
  start(
    host: Host,
    jobId: string,
    fence: Fence,
    spec: ProbeSpec,
  ): Promise<{ status: 'started' | 'known' } | { status: 'unknown'; reason: string }>;
  /** What was measured between two moments (default: everything). */
  read(host: Host, jobId: string, between?: { readonly fromMs: number; readonly toMs: number }): Promise<ProbeResult>;
  /** Ends the probe and looks up every acknowledged write. Idempotent. */
  stop(host: Host, jobId: string): Promise<ProbeResult>;
}
