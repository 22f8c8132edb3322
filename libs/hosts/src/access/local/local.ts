import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import type { CommandResult, HostAccess, HostCommand } from '../access.js';
import { BoundedOutput } from '../bounded-output.js';
import { DEFAULT_OUTPUT_BYTES, unknown } from '../result.js';
import { Slots } from '../slots.js';

/** How many commands run at once through one access; the others wait, each up to its own deadline. */
const CONCURRENCY_LIMIT = 16;
/** A daemon that a command left behind may hold its output open: this long after the command's end we stop reading. */
const DRAIN_AFTER_EXIT_MS = 150;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

type Finish = (result: CommandResult) => void;

/**
 * Commands on the orchestrator's own machine, in one folder. As root they run as the owner of that folder, never as
 * root itself (unless root owns it). The environment is ours alone: nothing of the orchestrator's leaks into it.
 */
export class LocalAccess implements HostAccess {
  private readonly slots = new Slots(CONCURRENCY_LIMIT);
  private readonly underWay = new Map<number, (reason: string) => void>();
  private closed = false;

  constructor(
    readonly host: string,
    readonly root: string,
  ) {}

  async run(command: HostCommand): Promise<CommandResult> {
    const endsAt = performance.now() + command.deadlineMs;
    if (this.closed) return unknown('the access to this host was closed before the command was started');
    const granted = await this.slots.take(command.deadlineMs);
    if (!granted) return unknown('the command was never started: too many others were under way until its deadline');
    try {
      if (this.closed) return unknown('the access to this host was closed before the command was started');
      return await this.spawned(command, Math.max(1, endsAt - performance.now()));
    } finally {
      this.slots.giveBack();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const end of [...this.underWay.values()]) end('the access to this host was closed while the command ran');
  }

  private spawned(command: HostCommand, remainingMs: number): Promise<CommandResult> {
    return new Promise((resolve) => {
      let child: ChildProcessWithoutNullStreams;
      try {
        child = this.start(command);
      } catch (error) {
        resolve(unknown(`the command was not started: ${sentence(error)}`));
        return;
      }
      this.follow(child, command, remainingMs, resolve);
    });
  }

  private start(command: HostCommand): ChildProcessWithoutNullStreams {
    const [program, ...args] = command.argv;
    const owner = ownerOf(this.root);
    return spawn(program, args, {
      cwd: this.root,
      env: { PATH, HOME: this.root, LC_ALL: 'C', LANG: 'C' },
      // A session of its own: the deadline can end all of it, and a signal to us does not end it.
      detached: true,
      stdio: 'pipe',
      ...(process.getuid?.() === 0 ? owner : {}),
    });
  }

  private follow(child: ChildProcessWithoutNullStreams, command: HostCommand, remainingMs: number, resolve: Finish): void {
    const limit = command.maxOutputBytes ?? DEFAULT_OUTPUT_BYTES;
    const stdout = BoundedOutput.of(child.stdout, limit);
    const stderr = BoundedOutput.of(child.stderr, limit);
    let timer: NodeJS.Timeout | undefined;
    const finish = (result: CommandResult): void => {
      clearTimeout(timer);
      if (child.pid !== undefined) this.underWay.delete(child.pid);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      resolve(result);
    };
    const cutOff = (reason: string): void => {
      killGroup(child.pid);
      finish(unknown(reason));
    };
    const exited = (code: number | null, signal: NodeJS.Signals | null): void =>
      finish(code === null ? unknown(`the command was ended by ${signal ?? 'a signal'}`) : answer(code, stdout, stderr));

    timer = setTimeout(() => cutOff(`no end after ${command.deadlineMs} ms; the command was killed`), remainingMs);
    if (child.pid !== undefined) this.underWay.set(child.pid, cutOff);
    child.once('error', (error) => finish(couldNotStart(error, child.pid)));
    // What the command wrote lies in the pipes when it ends. Timers run before reads, so a busy process must be given a
    // turn of reading after the wait, and another for as long as something came.
    const drained = (code: number | null, signal: NodeJS.Signals | null, seen: number): void => {
      const bytes = stdout.seenBytes + stderr.seenBytes;
      if (bytes === seen) exited(code, signal);
      else setImmediate(() => drained(code, signal, bytes));
    };
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      timer = setTimeout(() => setImmediate(() => drained(code, signal, -1)), DRAIN_AFTER_EXIT_MS);
      child.once('close', () => exited(code, signal));
    });
    // A command that does not read its input closes it early; that is its right.
    child.stdin.on('error', () => undefined);
    child.stdin.end(command.stdin ?? '');
    if (child.pid !== undefined) command.onSent?.();
  }
}

function answer(code: number, stdout: BoundedOutput, stderr: BoundedOutput): CommandResult {
  return {
    status: 'exited',
    code,
    stdout: stdout.text(),
    stderr: stderr.text(),
    truncated: stdout.truncated || stderr.truncated,
  };
}

/** Like a shell: a program that is not there is 127, one that may not be run is 126. Both certainly did nothing. */
function couldNotStart(error: NodeJS.ErrnoException, pid: number | undefined): CommandResult {
  const code = { ENOENT: 127, EACCES: 126, ENOEXEC: 126 }[error.code ?? ''];
  if (pid !== undefined || code === undefined) return unknown(`the command was not started: ${sentence(error)}`);
  return { status: 'exited', code, stdout: '', stderr: `${sentence(error)}\n`, truncated: false };
}

function ownerOf(folder: string): Owner {
  const stat = statSync(folder);
  if (!stat.isDirectory()) throw new Error(`${folder} is not a folder`);
  return { uid: stat.uid, gid: stat.gid };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
