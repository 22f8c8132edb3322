import { HostError } from '../host-error.js';
import type { HostJobs, JobRequest, JobStart, JobState } from '../jobs.js';
import type { AgentAnswer, HostAgent } from './agent.js';
import { seenFence, unexpected } from './journal.js';
import { checkedKey } from './key.js';

/** Starting a job is short, whatever the job does: claim it, write it down, let it go. */
const START_DEADLINE_MS = 10_000;
/** The host waits this much less than the caller does, so that the answer still arrives. */
const ANSWER_MARGIN_MS = 500;
const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Detached jobs over any access. */
export class AgentJobs implements HostJobs {
  constructor(private readonly agent: HostAgent) {}

  async start(request: JobRequest): Promise<JobStart> {
    const { jobId, fence, argv, stdin, limitMs } = request;
    const env = Object.entries(request.env ?? {}).map(([name, value]) => `${checkedVariable(name)}=${value}`);
    const answer = await this.agent.call({
      verb: 'job-start',
      args: [
        ...[checkedKey(jobId), fence.logId, String(fence.epoch), String(limitMs), stdin === undefined ? '-' : 'in'],
        ...[String(env.length), ...env, ...argv],
      ],
      ...(stdin === undefined ? {} : { stdin }),
      deadlineMs: START_DEADLINE_MS,
      changes: jobId,
    });
    if (answer.status === 'unknown') return answer;
    if (answer.word === 'fenced') return { status: 'fenced', seen: seenFence(answer.fields) };
    if (answer.word === 'started' || answer.word === 'known') return { status: answer.word };
    return unexpected(answer);
  }

  async state(jobId: string, deadlineMs: number): Promise<JobState> {
    return stateFrom(await this.agent.call({ verb: 'job-state', args: [checkedKey(jobId)], deadlineMs }));
  }

  async output(jobId: string, fromByte: number, maxBytes: number, deadlineMs: number): ReturnType<HostJobs['output']> {
    const bytes = Math.min(maxBytes, OUTPUT_LIMIT_BYTES);
    const answer = await this.agent.call({
      verb: 'job-output',
      args: [checkedKey(jobId), String(fromByte), String(bytes)],
      deadlineMs,
      maxOutputBytes: 2 * OUTPUT_LIMIT_BYTES,
    });
    if (answer.status === 'unknown') return answer;
    if (answer.word !== 'read') return unexpected(answer);
    const read = wholeCharacters(Buffer.from(answer.rest, 'base64'), bytes);
    return { status: 'read', text: read.toString('utf8'), nextByte: fromByte + read.length };
  }

  async stop(jobId: string, graceMs: number, deadlineMs: number): Promise<JobState> {
    const waitMs = Math.max(0, deadlineMs - ANSWER_MARGIN_MS);
    return stateFrom(
      await this.agent.call({
        verb: 'job-stop',
        args: [checkedKey(jobId), String(graceMs), String(waitMs)],
        deadlineMs,
        changes: jobId,
      }),
    );
  }
}

function stateFrom(answer: AgentAnswer): JobState {
  if (answer.status === 'unknown') return answer;
  const [first = '', second = '', third = ''] = answer.fields;
  switch (answer.word) {
    case 'absent':
      return { status: 'absent' };
    case 'running':
    case 'lost':
      return { status: answer.word, startedAt: first };
    case 'exited':
      return { status: 'exited', code: Number(first), startedAt: second, endedAt: third };
    default:
      return unexpected(answer);
  }
}

/** A piece that was cut at its limit may end inside a character; that character belongs to the next piece. */
function wholeCharacters(bytes: Buffer, limitBytes: number): Buffer {
  if (bytes.length < limitBytes) return bytes;
  for (let back = 1; back <= Math.min(3, bytes.length - 1); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) return lengthOfCharacter(byte) > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** By the first byte, RFC 3629 section 3. */
function lengthOfCharacter(first: number): number {
  if (first >= 0xf0) return 4;
  return first >= 0xe0 ? 3 : 2;
}

function checkedVariable(name: string): string {
  if (!VARIABLE.test(name))
    throw new HostError('host-setting-invalid', `"${name}" cannot be the name of an environment variable.`);
  return name;
}
