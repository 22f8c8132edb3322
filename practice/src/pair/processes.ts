import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;

/** The postmaster's process id as the data folder records it, if that process is alive and is this data folder's. */
export function postmasterPid(dataFolder: string): number | undefined {
  const file = join(dataFolder, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  return Number.isSafeInteger(pid) && pid > 1 && commandLine(pid).includes(dataFolder) ? pid : undefined;
}

function commandLine(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

/** Direct children of a process. PostgreSQL's processes are all children of the postmaster. */
export function childrenOf(pid: number): readonly number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child as number);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .startsWith('Z');
  } catch {
    return true;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function gone(pids: readonly number[], withinMs: number): Promise<boolean> {
  const until = Date.now() + withinMs;
  while (pids.some(alive)) {
    if (Date.now() > until) return false;
    await delay(POLL_MS);
  }
  return true;
}

/**
 * Ends the PostgreSQL of one data folder: immediate shutdown (a practice cluster is thrown away), then SIGKILL of what
 * remains, by process id. Processes that a test froze are let go first, or they would outlive their parent.
 * @throws when a process survives SIGKILL for 10 s.
 */
export async function endPostgres(dataFolder: string): Promise<void> {
  const postmaster = postmasterPid(dataFolder);
  if (postmaster === undefined) return;
  const all = [postmaster, ...childrenOf(postmaster)];
  for (const pid of all) signal(pid, 'SIGCONT');
  signal(postmaster, 'SIGQUIT');
  if (await gone(all, 3_000)) return;
  for (const pid of all) signal(pid, 'SIGKILL');
  if (!(await gone(all, 10_000))) throw new Error(`A process of the PostgreSQL in ${dataFolder} survived SIGKILL for 10 s.`);
}

/** Data folders of the practice cluster below a folder, told by their layout alone, so that it also works after a crash. */
export function dataFolders(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name, 'data'))
    .filter((data) => existsSync(join(data, 'PG_VERSION')));
}
