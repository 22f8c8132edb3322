import type { ActRequest, ActResult, BeginResult, Fence, HostJournal, JournalEntry, OutsideAct } from '../journal.js';
import type { AgentAnswer, HostAgent } from './agent.js';
import { checkedKey } from './key.js';

/** The host ends an act at its deadline by itself; the link gets this much longer to say so. */
const ANSWER_MARGIN_MS = 2_000;
const ENTRIES_OUTPUT_BYTES = 8 * 1024 * 1024;

/** The node journal over any access. */
export class AgentJournal implements HostJournal {
  constructor(private readonly agent: HostAgent) {}

  async raise(fence: Fence, deadlineMs: number): ReturnType<HostJournal['raise']> {
    const answer = await this.agent.call({ verb: 'raise', args: [fence.logId, String(fence.epoch)], deadlineMs });
    if (answer.status === 'unknown') return answer;
    if (answer.word === 'fenced') return { status: 'fenced', seen: seenFence(answer.fields) };
    return answer.word === 'raised' ? { status: 'raised' } : unexpected(answer);
  }

  async act(request: ActRequest): Promise<ActResult> {
    const { key, fence, argv, stdin, deadlineMs } = request;
    const answer = await this.agent.call({
      verb: 'act',
      args: [checkedKey(key), fence.logId, String(fence.epoch), String(deadlineMs), stdin === undefined ? '-' : 'in', ...argv],
      ...(stdin === undefined ? {} : { stdin }),
      deadlineMs: deadlineMs + ANSWER_MARGIN_MS,
      changes: key,
    });
    if (answer.status === 'unknown') return answer;
    if (answer.word === 'fenced') return { status: 'fenced', seen: seenFence(answer.fields) };
    if (answer.word !== 'ended') return unexpected(answer);
    const [code, repeated] = answer.fields;
    return { status: 'ended', code: Number(code), stdout: answer.rest, stderr: answer.stderr, repeated: repeated === 'yes' };
  }

  async begin({ key, fence, deadlineMs }: OutsideAct): Promise<BeginResult> {
    const answer = await this.agent.call({
      verb: 'begin',
      args: [checkedKey(key), fence.logId, String(fence.epoch)],
      deadlineMs,
      changes: key,
    });
    if (answer.status === 'unknown') return answer;
    if (answer.word === 'fenced') return { status: 'fenced', seen: seenFence(answer.fields) };
    if (answer.word === 'known') return { status: 'known', code: Number(answer.fields[0]) };
    return answer.word === 'begun' ? { status: 'begun' } : unexpected(answer);
  }

  async end({ key, deadlineMs }: OutsideAct, code: number): ReturnType<HostJournal['end']> {
    const answer = await this.agent.call({ verb: 'end', args: [checkedKey(key), String(code)], deadlineMs });
    if (answer.status === 'unknown') return answer;
    return answer.word === 'recorded' ? { status: 'recorded' } : unexpected(answer);
  }

  async entries(prefix: string, deadlineMs: number): ReturnType<HostJournal['entries']> {
    const args = [prefix === '' ? '' : checkedKey(prefix)];
    const answer = await this.agent.call({ verb: 'entries', args, deadlineMs, maxOutputBytes: ENTRIES_OUTPUT_BYTES });
    if (answer.status === 'unknown') return answer;
    if (answer.word !== 'read') return unexpected(answer);
    const lines = answer.rest.split('\n').filter((line) => line !== '');
    return { status: 'read', entries: lines.map(entry).sort(oldestFirst) };
  }
}

/** What the host's word `fenced` carries: the log and the highest epoch that it has let in. */
export function seenFence(fields: readonly string[]): Fence {
  return { logId: fields[0] ?? 'none', epoch: Number(fields[1] ?? 0) };
}

export function unexpected(answer: Extract<AgentAnswer, { status: 'answered' }>): {
  readonly status: 'unknown';
  readonly reason: string;
} {
  return { status: 'unknown', reason: `the host program answered "${answer.word}", which was not asked` };
}

function entry(line: string): JournalEntry {
  const [encoded = '', epoch = '0', begunAt = '', code = '-', endedAt = '-'] = line.split(' ');
  const begun = { key: encoded.replaceAll('!', '/'), epoch: Number(epoch), begunAt };
  return code === '-' ? begun : { ...begun, ended: { at: endedAt, code: Number(code) } };
}

function oldestFirst(left: JournalEntry, right: JournalEntry): number {
  if (left.begunAt !== right.begunAt) return left.begunAt < right.begunAt ? -1 : 1;
  return left.key < right.key ? -1 : left.key > right.key ? 1 : 0;
}
