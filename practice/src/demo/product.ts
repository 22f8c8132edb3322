import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Api } from '../rest/api.js';

const READY_WITHIN_MS = 40_000;
const STOP_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;
const LOG_TAIL_BYTES = 2_000;

/** The product as its own process: what a user starts with `npm start`, on a data folder of the demo's. */
export interface Product {
  readonly api: Api;
  /** Where and what it is, for people. */
  readonly words: string;
}

export interface StartingProduct {
  ready(): Promise<Product>;
  stop(): Promise<void>;
}

/** What the product writes into its data folder when it is ready. */
interface AddressFile {
  readonly address: string;
  readonly tokenFile: string;
}

/** Starts the product and returns at once; `ready` waits until it serves. */
export type StartProduct = (dataFolder: string, logFile: string, signal: AbortSignal) => StartingProduct;

/** As one process. */
export const startProduct: StartProduct = (dataFolder, logFile, signal) => {
  const log = openSync(logFile, 'a', 0o600);
  const main = fileURLToPath(new URL('../../../services/standalone/dist/main.js', import.meta.url));
  // Its own process group: a Ctrl-C at the terminal reaches the demo, which then stops the product in its turn.
  const child = spawn(process.execPath, [main, '--data', dataFolder, '--port', '0'], {
    stdio: ['ignore', log, log],
    detached: true,
    env: { ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info' },
  });
  closeSync(log);
  const stop = (): Promise<void> => end(child);
  return { stop, ready: () => ready(child, dataFolder, logFile, signal) };
};

async function ready(child: ChildProcess, dataFolder: string, logFile: string, signal: AbortSignal): Promise<Product> {
  const file = join(dataFolder, 'address.json');
  const until = Date.now() + READY_WITHIN_MS;
  while (!existsSync(file)) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The product ended before it was ready. It said:\n${tail(logFile)}`);
    if (Date.now() > until)
      throw new Error(`The product was not ready within ${READY_WITHIN_MS / 1000} s. It said:\n${tail(logFile)}`);
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
  const { address, tokenFile } = JSON.parse(readFileSync(file, 'utf8')) as AddressFile;
  const token = readFileSync(tokenFile, 'utf8').trim();
  return { api: new Api(address, token, signal), words: `${address} (process ${child.pid})` };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}

function tail(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').slice(-LOG_TAIL_BYTES).trim() : '(nothing)';
}
