import { type SshAccessDefinition, sshWay } from '@understudy/cluster';
import type { ClientChannel } from 'ssh2';
import type { CommandResult, HostAccess, HostCommand } from '../access.js';
import { DEFAULT_OUTPUT_BYTES, unknown } from '../result.js';
import { Slots } from '../slots.js';
import { FramedOutput } from './framed-output.js';
import type { Lease, SshLinks } from './links.js';
import { type RemoteCommand, remoteCommand } from './remote-command.js';

/** Commands at once over one connection: sshd allows ten sessions (`MaxSessions`), and a person may want one. */
const CONCURRENCY_LIMIT = 8;
/** 128 + SIGKILL: the command was killed, by its limit on the host or by somebody else. */
const KILLED = '137';
const LINK_LOST = 'the link was lost while the command ran';
/** sshd counts a session for a moment longer than we do: one too many is asked for again, up to the command's deadline. */
const ASK_AGAIN_MS = 50;
/** `SSH_OPEN_ADMINISTRATIVELY_PROHIBITED` (RFC 4254, section 5.1): asking again would not help. */
const PROHIBITED = 1;

type Finish = (result: CommandResult) => void;

/**
 * Commands on another machine, as the user and in the root folder of the definition. Ends of a command that are not seen are
 * `unknown`: a link that was lost, a deadline, a channel that closed. The host itself ends the command at its deadline.
 */
export class SshAccess implements HostAccess {
  private readonly slots = new Slots(CONCURRENCY_LIMIT);
  private readonly underWay = new Set<(reason: string) => void>();
  private closed = false;

  constructor(
    readonly host: string,
    private readonly definition: SshAccessDefinition,
    private readonly links: SshLinks,
  ) {}

  get root(): string {
    return this.definition.root;
  }

  async run(command: HostCommand): Promise<CommandResult> {
    const endsAt = performance.now() + command.deadlineMs;
    const leftMs = (): number => endsAt - performance.now();
    if (!(await this.slots.take(command.deadlineMs)))
      return unknown('the command was never started: too many others were under way until its deadline');
    try {
      const lease = await this.lease(leftMs());
      if (typeof lease === 'string') return unknown(`the command was not started: ${lease}`);
      return await this.framed(lease, command, leftMs()).finally(() => lease.giveBack());
    } finally {
      this.slots.giveBack();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const end of [...this.underWay]) end('the access to this host was closed while the command ran');
  }

  /** Or why there is none. */
  private async lease(withinMs: number): Promise<Lease | string> {
    try {
      const lease = await this.links.take(sshWay(this.definition), withinMs);
      if (!this.closed) return lease;
      lease.giveBack();
      return 'the access to this host was closed';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private framed(lease: Lease, command: HostCommand, leftMs: number): Promise<CommandResult> {
    const remote = remoteCommand(command.argv, this.root, leftMs);
    if (remote === null) return Promise.resolve(unknown('the command was not started: its arguments are too long'));
    return new Promise((resolve) => {
      let channel: ClientChannel | undefined;
      const finish: Finish = (result) => {
        clearTimeout(timer);
        this.underWay.delete(end);
        channel?.close();
        resolve(result);
      };
      const end = (reason: string): void => finish(unknown(reason));
      const timer = setTimeout(
        () => end(`no end after ${command.deadlineMs} ms; the host kills the command`),
        Math.max(1, leftMs),
      );
      this.underWay.add(end);
      const isWanted = (): boolean => this.underWay.has(end);
      execute(lease, remote.line, isWanted, end, (opened) => {
        channel = opened;
        // Given up in the meantime; its input has not ended.
        if (!isWanted()) channel.close();
        else this.follow(lease, opened, command, remote, finish);
      });
    });
  }

  private follow(lease: Lease, channel: ClientChannel, command: HostCommand, { mark }: RemoteCommand, finish: Finish): void {
    const limit = command.maxOutputBytes ?? DEFAULT_OUTPUT_BYTES;
    const [stdout, stderr] = [new FramedOutput(mark, limit), new FramedOutput(mark, limit)];
    const look = (): void => {
      if (stdout.end !== null && stderr.end !== null) finish(resultOf(stdout, stderr));
    };
    channel.on('data', (chunk: Buffer) => (stdout.take(chunk), look()));
    channel.stderr.on('data', (chunk: Buffer) => (stderr.take(chunk), look()));
    channel.on('error', () => undefined);
    channel.on('close', () =>
      finish(unknown(stdout.begun || lease.isLost() ? LINK_LOST : 'the host closed the channel before the command began')),
    );
    channel.end(command.stdin ?? '');
    command.onSent?.();
  }
}

/** Calls back once, when the host has taken the command or when it has not. */
function execute(
  lease: Lease,
  line: string,
  isWanted: () => boolean,
  failed: (reason: string) => void,
  taken: (channel: ClientChannel) => void,
): void {
  const notStarted = (error: unknown): void =>
    failed(`the command was not started: ${error instanceof Error ? error.message : String(error)}`);
  const ask = (): void => {
    try {
      lease.client.exec(line, (error, channel) => {
        if (error === undefined) taken(channel);
        // The host may have taken the command, and its answer was lost.
        else if (lease.isLost()) failed(LINK_LOST);
        else if (isWanted() && isOneTooMany(error)) setTimeout(() => isWanted() && ask(), ASK_AGAIN_MS);
        else notStarted(error);
      });
    } catch (error) {
      notStarted(error);
    }
  };
  ask();
}

/** No session was opened, so that nothing of the command ran. ssh2 gives the host's `reason`. */
function isOneTooMany(error: Error & { reason?: unknown }): boolean {
  return typeof error.reason === 'number' && error.reason !== PROHIBITED;
}

function resultOf(stdout: FramedOutput, stderr: FramedOutput): CommandResult {
  const word = stdout.end ?? '';
  if (word === KILLED) return unknown('the command was ended by SIGKILL');
  if (!/^\d{1,3}$/.test(word)) return unknown(`the command was not started: ${stderr.text().trim().slice(0, 500)}`);
  const truncated = stdout.truncated || stderr.truncated;
  return { status: 'exited', code: Number(word), stdout: stdout.text(), stderr: stderr.text(), truncated };
}
