import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { LoadOptions, LoadProgress } from './client.js';
import { parseLedger, type LedgerEntry } from './gaps.js';
import type { ToLoad } from './main.js';

const STOP_WITHIN_MS = 3_000;

/** The load client in its own process, seen from the demo. */
export interface LoadWorker {
  readonly pid: number;
  /** As last heard. */
  progress(): LoadProgress;
  /** Ends it and answers its whole ledger. Idempotent. */
  stop(): Promise<readonly LedgerEntry[]>;
}

/** Starts the client; it connects and writes at once. */
export function startLoad(options: LoadOptions): LoadWorker {
  const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  let last: LoadProgress = { acknowledged: 0, failed: 0, servedBy: null, silentMs: 0 };
  child.on('message', (message) => (last = message as LoadProgress));
  child.send({ kind: 'start', options } satisfies ToLoad);
  return {
    pid: child.pid ?? -1,
    progress: () => last,
    stop: async () => {
      await end(child);
      return parseLedger(await readFile(options.ledger, 'utf8'));
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.send({ kind: 'stop' } satisfies ToLoad);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}
