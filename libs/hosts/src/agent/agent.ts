import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CommandResult, HostAccess } from '../access/access.js';

/** The program stays shell files, so that they can be read and linted; they lie beside the sources, also for `dist`. */
const PARTS = ['1-base.sh', '2-claim.sh', '3-run.sh', '4-verbs.sh'];
const PROGRAM = PARTS.map((part) => readFileSync(new URL(`../../src/agent/host/${part}`, import.meta.url), 'utf8')).join('');
const DIGEST = createHash('sha256').update(PROGRAM).digest('hex');
const PROGRAM_PATH = `.understudy/host-${DIGEST.slice(0, 16)}.sh`;

const INSTALL = [
  'umask 077',
  'mkdir -p .understudy',
  'rm -f ".understudy/.new.$$"',
  'cat > ".understudy/.new.$$"',
  'sync ".understudy/.new.$$"',
  `mv -f ".understudy/.new.$$" ${PROGRAM_PATH}`,
].join(' && ');
const INSTALL_DEADLINE_MS = 10_000;

export interface AgentCall {
  readonly verb: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly deadlineMs: number;
  readonly maxOutputBytes?: number;
  /** The key of what it changes on the host; absent = it only looks. */
  readonly changes?: string;
}

/** Hears the key of each act and job that was handed over to a host. */
export type OnSent = (key: string) => void;

/** The first line that the program printed, in words; `rest` is what followed it. */
export type AgentAnswer =
  | {
      readonly status: 'answered';
      readonly word: string;
      readonly fields: readonly string[];
      readonly rest: string;
      readonly stderr: string;
    }
  | { readonly status: 'unknown'; readonly reason: string };

/**
 * Speaks with the host program (`host/`) over any access. The program is put on the host under its own digest before it is first
 * needed, so two versions of the orchestrator each find theirs; what they keep on the host has one format.
 */
export class HostAgent {
  private installed: Promise<string | null> | undefined;

  /** @param bootIdFile where the host's boot id is read, relative to its root; null for the kernel's own. */
  constructor(
    readonly access: HostAccess,
    private readonly bootIdFile: string | null,
    private readonly onSent: OnSent = () => undefined,
  ) {}

  async call(call: AgentCall): Promise<AgentAnswer> {
    const first = await this.attempt(call);
    if (first !== 'missing') return first;
    this.installed = undefined;
    const second = await this.attempt(call);
    return second === 'missing' ? unknown('the host program was removed while it was called') : second;
  }

  private async attempt(call: AgentCall): Promise<AgentAnswer | 'missing'> {
    const failed = await this.install();
    if (failed !== null) return unknown(failed);
    const { changes } = call;
    const result = await this.access.run({
      ...(changes === undefined ? {} : { onSent: () => this.onSent(changes) }),
      argv: ['sh', PROGRAM_PATH, this.bootIdFile ?? '-', call.verb, ...call.args],
      ...(call.stdin === undefined ? {} : { stdin: call.stdin }),
      deadlineMs: call.deadlineMs,
      ...(call.maxOutputBytes === undefined ? {} : { maxOutputBytes: call.maxOutputBytes }),
    });
    return isMissing(result) ? 'missing' : read(result);
  }

  /** Answers what went wrong, or null. A failure is not remembered. */
  private async install(): Promise<string | null> {
    this.installed ??= this.put();
    const failed = await this.installed;
    if (failed !== null) this.installed = undefined;
    return failed;
  }

  private async put(): Promise<string | null> {
    const result = await this.access.run({ argv: ['sh', '-c', INSTALL], stdin: PROGRAM, deadlineMs: INSTALL_DEADLINE_MS });
    if (result.status === 'unknown') return `nothing was done: the host program could not be put in place: ${result.reason}`;
    if (result.code === 0) return null;
    return `nothing was done: the host program could not be put below ${this.access.root}/.understudy: ${result.stderr.trim()}`;
  }
}

/** The shell could not open the program, so certainly nothing was done (2 in dash, 127 in bash and busybox). */
function isMissing(result: CommandResult): boolean {
  return (
    result.status === 'exited' &&
    (result.code === 2 || result.code === 127) &&
    result.stdout === '' &&
    result.stderr.includes(PROGRAM_PATH)
  );
}

function read(result: CommandResult): AgentAnswer {
  if (result.status === 'unknown') return result;
  if (result.code !== 0) return unknown(`the host program ended with ${result.code}: ${result.stderr.trim().slice(0, 500)}`);
  if (result.truncated) return unknown('the answer of the host was longer than may be read');
  const end = result.stdout.indexOf('\n');
  if (end <= 0) return unknown(`the host program said nothing: ${result.stderr.trim().slice(0, 500)}`);
  const line = result.stdout.slice(0, end);
  const [word = '', ...fields] = line.split(' ');
  if (word === 'refused' || word === 'unknown') return unknown(fields.join(' '));
  return { status: 'answered', word, fields, rest: result.stdout.slice(end + 1), stderr: result.stderr };
}

function unknown(reason: string): { readonly status: 'unknown'; readonly reason: string } {
  return { status: 'unknown', reason };
}
