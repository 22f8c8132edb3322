import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { HostDefinition } from '@understudy/cluster';
import { closeHosts, type Host, openHost } from '@understudy/hosts';

/** A folder of its own that plays a host. */
export interface TestHost {
  readonly host: Host;
  readonly root: string;
  /** The same host, opened as another process would open it. */
  again(): Host;
  /** Ends what still runs below the folder, closes every opening, removes the folder. */
  remove(): Promise<void>;
}

export interface TestHostOptions {
  readonly slug?: string;
  readonly patching?: HostDefinition['patching'];
  /** Numeric user that the folder belongs to; needs root. */
  readonly owner?: number;
}

export function testHost(options: TestHostOptions = {}): TestHost {
  const root = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-host-'));
  chmodSync(root, 0o755);
  if (options.owner !== undefined) chownSync(root, options.owner, options.owner);
  const definition: HostDefinition = {
    slug: options.slug ?? 'test-host',
    access: { kind: 'local', root },
    patching: options.patching ?? {},
  };
  const opened: Host[] = [];
  const again = (): Host => {
    const host = openHost(definition);
    opened.push(host);
    return host;
  };
  return {
    host: again(),
    root,
    again,
    remove: async () => {
      await closeHosts(Object.fromEntries(opened.map((host, index) => [String(index), host])));
      await killBelow(root);
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Ids of the processes whose working folder is this one or lies below it. Linux only. */
export function processesBelow(folder: string): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    return Number.isInteger(pid) && pid !== process.pid && isBelow(workingFolder(pid), folder) && !isZombie(pid) ? [pid] : [];
  });
}

/** SIGKILL to every process below the folder, as a power cut would, until none is left: they may be starting others. */
export function killBelow(folder: string): Promise<void> {
  return eventually(`no process is left below ${folder}`, () => {
    const pids = processesBelow(folder);
    for (const pid of pids) killHard(pid);
    return pids.length === 0;
  });
}

/** Is there a process of this id that has not ended? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch {
    return false;
  }
}

/** Waits for a condition. @throws after `limitMs`, naming what was waited for. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>, limitMs = 45_000): Promise<void> {
  const endsAt = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endsAt) throw new Error(`Not within ${limitMs} ms: ${what}.`);
    await delay(20);
  }
}

/**
 * Starts another Node process on the built library, e.g. to kill it. The script sees `hosts` (all of @understudy/hosts)
 * and `args`. It is stopped by its pid by whoever started it.
 */
export function hostsProcess(script: string, args: readonly string[], user?: number): ChildProcess {
  const library = new URL('../../hosts/dist/index.js', import.meta.url).href;
  const source = `const hosts = await import(${JSON.stringify(library)}); const args = process.argv.slice(1); ${script}`;
  return spawn(process.execPath, ['--input-type=module', '-e', source, '--', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    ...(user === undefined ? {} : { uid: user, gid: user, env: { PATH: process.env['PATH'] ?? '' } }),
  });
}

/** Builds projects of this workspace for specs that start their programs, e.g. `libs/hosts`. Quick when nothing changed. */
export function build(...projects: readonly string[]): void {
  const workspace = fileURLToPath(new URL('../../..', import.meta.url));
  execFileSync(process.execPath, [join(workspace, 'node_modules/ts7/bin/tsc'), '-b', ...projects], {
    cwd: workspace,
    stdio: 'pipe',
  });
}

function isBelow(path: string | null, folder: string): boolean {
  return path === folder || (path?.startsWith(`${folder}/`) ?? false);
}

function workingFolder(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

function isZombie(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.startsWith('Z') ?? false;
  } catch {
    return false;
  }
}

function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
