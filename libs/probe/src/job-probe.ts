import { fileURLToPath } from 'node:url';
import type { Fence, Host, JobState } from '@understudy/hosts';
import type { JobSpec } from './job/spec.js';
import { type LedgerLine, readLedger } from './ledger.js';
import { type JobLife, measure } from './measure.js';
import type { Probe, ProbeResult, ProbeSpec } from './probe.js';

/** The built program lies in `dist` also when this file runs from its source. */
const PROGRAM = fileURLToPath(new URL('../dist/job/main.js', import.meta.url));
const LOOK_DEADLINE_MS = 5_000;
const FIRST_LINE_LIMIT_MS = 10_000;
const POLL_MS = 50;
/** The job may run on after the probe's limit for the lookup; then its host ends it. */
const LOOKUP_ALLOWANCE_MS = 70_000;
const PIECE_BYTES = 4 * 1024 * 1024;
const LEDGER_LIMIT_BYTES = 256 * 1024 * 1024;

export interface ProbeProgram {
  /** Absolute path of Node on the probe host (default: the one that runs here). */
  readonly node?: string;
  /** Absolute path of the probe's program on the probe host (default: ours). */
  readonly program?: string;
}

/** A probe as a detached job on any host that has Node. */
export function createProbe(program: ProbeProgram = {}): Probe {
  return new JobProbe(program);
}

class JobProbe implements Probe {
  constructor(private readonly program: ProbeProgram) {}

  async start(host: Host, jobId: string, fence: Fence, spec: ProbeSpec): ReturnType<Probe['start']> {
    const job: JobSpec = { probeId: jobId, spec };
    const start = await host.jobs.start({
      jobId,
      fence,
      argv: [this.program.node ?? process.execPath, this.program.program ?? PROGRAM],
      stdin: JSON.stringify(job),
      limitMs: spec.limitMs + LOOKUP_ALLOWANCE_MS,
    });
    if (start.status === 'fenced') {
      return unknown(
        `host ${host.definition.slug} takes no job of ours any more: it has seen epoch ${start.seen.epoch} of log ${start.seen.logId}`,
      );
    }
    if (start.status === 'unknown') return start;
    return this.firstLine(host, jobId, start.status);
  }

  async read(host: Host, jobId: string, between?: { readonly fromMs: number; readonly toMs: number }): Promise<ProbeResult> {
    const state = await host.jobs.state(jobId, LOOK_DEADLINE_MS);
    return this.reading(host, jobId, state, between);
  }

  async stop(host: Host, jobId: string): Promise<ProbeResult> {
    const state = await host.jobs.stop(jobId, LOOKUP_ALLOWANCE_MS, LOOKUP_ALLOWANCE_MS + LOOK_DEADLINE_MS);
    return this.reading(host, jobId, state, undefined);
  }

  private async reading(
    host: Host,
    jobId: string,
    state: JobState,
    between: { fromMs: number; toMs: number } | undefined,
  ): Promise<ProbeResult> {
    const sinceMs = between?.fromMs ?? 0;
    if (state.status === 'unknown')
      return { status: 'not-measured', reason: `the probe host did not answer: ${state.reason}`, sinceMs };
    if (state.status === 'absent') return { status: 'not-measured', reason: 'no probe was started', sinceMs };
    const ledger = await ledgerOf(host, jobId);
    if (ledger.status === 'unknown')
      return { status: 'not-measured', reason: `the probe's ledger could not be read: ${ledger.reason}`, sinceMs };
    if (ledger.lines.length === 0) {
      return {
        status: 'not-measured',
        reason: `the probe wrote nothing: ${ledger.text.trim().slice(-300)}`,
        sinceMs: Date.parse(state.startedAt),
      };
    }
    return measure(ledger.lines, lifeOf(state), between);
  }

  /** A job that started is not yet a probe that works: wait for its first line, or for the reason why there is none. */
  private async firstLine(host: Host, jobId: string, status: 'started' | 'known'): ReturnType<Probe['start']> {
    const endsAt = performance.now() + FIRST_LINE_LIMIT_MS;
    for (;;) {
      const state = await host.jobs.state(jobId, LOOK_DEADLINE_MS);
      const output = await host.jobs.output(jobId, 0, 4096, LOOK_DEADLINE_MS);
      const text = output.status === 'read' ? output.text : '';
      if (readLedger(text).length > 0) return { status };
      if (state.status === 'exited' || state.status === 'lost')
        return unknown(`the probe ended at once: ${text.trim().slice(-500)}`);
      if (performance.now() > endsAt) return unknown(`the probe wrote no line within ${FIRST_LINE_LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function lifeOf(state: Exclude<JobState, { status: 'absent' | 'unknown' }>): JobLife {
  switch (state.status) {
    case 'running':
      return 'running';
    case 'exited':
      return state.code === 0 ? 'ended' : 'died';
    case 'lost':
      return 'died';
  }
}

type LedgerRead =
  | { readonly status: 'read'; readonly lines: readonly LedgerLine[]; readonly text: string }
  | { readonly status: 'unknown'; readonly reason: string };

async function ledgerOf(host: Host, jobId: string): Promise<LedgerRead> {
  const pieces: string[] = [];
  let from = 0;
  while (from < LEDGER_LIMIT_BYTES) {
    const piece = await host.jobs.output(jobId, from, PIECE_BYTES, LOOK_DEADLINE_MS);
    if (piece.status === 'unknown') return piece;
    if (piece.nextByte === from) break;
    pieces.push(piece.text);
    from = piece.nextByte;
  }
  const text = pieces.join('');
  return { status: 'read', lines: readLedger(text), text };
}

function unknown(reason: string): { readonly status: 'unknown'; readonly reason: string } {
  return { status: 'unknown', reason };
}
