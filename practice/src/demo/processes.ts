import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const GONE_WITHIN_MS = 3_000;
const LOOK_EVERY_MS = 50;

/**
 * Ids of processes that belong to a folder of ours: its path is in their command line, environment or working
 * directory. Detached jobs have no parent that could be asked, so the folder's unpredictable name identifies them.
 */
export async function processesOf(folder: string): Promise<readonly number[]> {
  const found = process.platform === 'linux' ? await fromProc(folder) : await fromPs(folder);
  return found.filter((pid) => pid !== process.pid);
}

async function fromProc(folder: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const mine = await Promise.all(pids.map(async (pid) => ((await mentions(pid, folder)) ? pid : undefined)));
  return mine.filter((pid) => pid !== undefined);
}

async function mentions(pid: number, folder: string): Promise<boolean> {
  const texts = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
    readlink(`/proc/${pid}/cwd`).catch(() => ''),
  ]);
  return texts.some((text) => text.includes(folder));
}

async function fromPs(folder: string): Promise<readonly number[]> {
  const { stdout } = await run('ps', ['-axwwo', 'pid=,command=']);
  const lines = stdout.split('\n').filter((line) => line.includes(folder));
  return lines.map((line) => Number.parseInt(line.trim(), 10)).filter((pid) => Number.isInteger(pid));
}

/** Ends what still runs for a folder, by id, and waits until it is gone. Answers the ids that stayed. */
export async function endProcessesOf(folder: string): Promise<readonly number[]> {
  const until = Date.now() + GONE_WITHIN_MS;
  for (;;) {
    const left = await processesOf(folder);
    if (left.length === 0 || Date.now() > until) return left;
    for (const pid of left) kill(pid);
    await pause(LOOK_EVERY_MS);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}
