import type { Fence } from './journal.js';

/**
 * Detached jobs: long work on a host that survives the loss of the link and of the orchestrator. A job has an id
 * derived from its step's key, a log and an exit file; any process finds it again by its id.
 */
export interface JobRequest {
  /** Derived from the step's key and attempt; starting a known id answers what is recorded. */
  readonly jobId: string;
  readonly fence: Fence;
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** The job ends itself (TERM, then KILL of its process group) after this, also what its first process has left behind. */
  readonly limitMs: number;
}

export type JobState =
  | { readonly status: 'absent' }
  /** Something of it runs: any process of its group, also what root runs for it and nobody but root can end. */
  | { readonly status: 'running'; readonly startedAt: string }
  | { readonly status: 'exited'; readonly code: number; readonly startedAt: string; readonly endedAt: string }
  /** It was started and neither runs nor has left an exit code: the host rebooted or it was killed. */
  | { readonly status: 'lost'; readonly startedAt: string }
  | { readonly status: 'unknown'; readonly reason: string };

export type JobStart =
  | { readonly status: 'started' | 'known' }
  | { readonly status: 'fenced'; readonly seen: Fence }
  | { readonly status: 'unknown'; readonly reason: string };

export interface HostJobs {
  start(request: JobRequest): Promise<JobStart>;
  state(jobId: string, deadlineMs: number): Promise<JobState>;
  /** At most `maxBytes` of the job's output from a byte offset. */
  output(
    jobId: string,
    fromByte: number,
    maxBytes: number,
    deadlineMs: number,
  ): Promise<{ status: 'read'; text: string; nextByte: number } | { status: 'unknown'; reason: string }>;
  /** Asks the job to end (TERM, KILL after `graceMs`). Ending an ended job is fine; what runs as root goes on, and is `running`. */
  stop(jobId: string, graceMs: number, deadlineMs: number): Promise<JobState>;
}
