import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The product as a user has it: a process, an address and a file with a token. */
export interface RunningProduct {
  readonly address: string;
  readonly tokenFile: string;
  readonly process: ChildProcess;
  log(): string;
  stop(): Promise<void>;
}

/** Also where this file was built. */
export const REPOSITORY = fileURLToPath(
  new URL(import.meta.url.includes('/e2e/dist/') ? '../../../' : '../../', import.meta.url),
);
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 50;

/** Starts the built product on a data folder, as `npm start -- --data FOLDER --port 0` does. */
export async function startProduct(dataFolder: string, logFile = `${dataFolder}.log`): Promise<RunningProduct> {
  const startedAt = Date.now();
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(
    process.execPath,
    [join(REPOSITORY, 'services/standalone/dist/main.js'), '--data', dataFolder, '--port', '0'],
    {
      stdio: ['ignore', log, log],
    },
  );
  closeSync(log);
  const text = (): string => readFileSync(logFile, 'utf8');
  const deadline = Date.now() + READY_WITHIN_MS;
  const file = join(dataFolder, 'address.json');
  // One that was killed has left its own.
  const isWritten = (): boolean => existsSync(file) && statSync(file).mtimeMs >= startedAt;
  while (!isWritten()) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`The product was not ready within ${READY_WITHIN_MS} ms. It said:\n${text()}`);
    }
    await pause(LOOK_EVERY_MS);
  }
  const { address, tokenFile } = JSON.parse(readFileSync(file, 'utf8')) as { address: string; tokenFile: string };
  return { address, tokenFile, process: child, log: text, stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}
