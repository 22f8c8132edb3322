/** The folder of one run of these promises, and its end, whatever became of the specs. Vitest runs this before and after all. */
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { processesNaming } from '../demo.js';
import { waitUntil } from './waiting.js';

const END_BY_THEMSELVES_MS = 30_000;
const GONE_WITHIN_MS = 10_000;

declare module 'vitest' {
  interface ProvidedContext {
    /** Holds everything of this run; PostgreSQL's user may search it. */
    room: string;
  }
}

export function setup(project: TestProject): () => Promise<void> {
  const room = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-e2e-'));
  chmodSync(room, 0o711);
  project.provide('room', room);
  return async () => {
    const left = processesNaming(room);
    signal(left, 'SIGTERM');
    const gone = (): boolean => processesNaming(room).length === 0;
    await waitUntil('processes to end', END_BY_THEMSELVES_MS, gone).catch(() =>
      process.stderr.write(`ended by force: ${words(room)}\n`),
    );
    signal(processesNaming(room), 'SIGKILL');
    await waitUntil(`processes of ${room} to be gone`, GONE_WITHIN_MS, gone);
    rmSync(room, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
      // What is frozen hears nothing before it goes on.
      process.kill(pid, 'SIGCONT');
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

function words(room: string): string {
  return processesNaming(room)
    .map((pid) => `${pid} ${commandOf(pid)}`)
    .join('; ');
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 120);
  } catch {
    return '(gone)';
  }
}
