import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Api } from '../rest/api.js';

const READY_WITHIN_MS = 40_000;
const STOP_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;
const LOG_TAIL_BYTES = 2_000;
const ADDRESS_FILE = 'address.json';

/** The product as its own process: what a user starts with `npm start`, on a data folder of the demo's. */
export interface Product {
  readonly api: Api;
  /** Where and what it is, for people. */
  readonly words: string;
  /** Where it is one process. */
  readonly process?: ProductProcess;
}

/** The product's process, for who wants to see it die. */
export interface ProductProcess {
  /** SIGKILL: it has no time to do anything. Answers the process's id when it is gone. */
  kill(): Promise<number>;
  /** Starts it on what it left, at the same address; answers the new process's id when it serves. */
  startAgain(): Promise<number>;
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
  let child = launch(dataFolder, logFile, '0');
  let served: AddressFile | undefined;
  const serving = async (): Promise<AddressFile> => (served = await ready(child, dataFolder, logFile, signal));
  const running: ProductProcess = {
    kill: async () => {
      await end(child, 'SIGKILL');
      rmSync(join(dataFolder, ADDRESS_FILE), { force: true });
      return child.pid ?? -1;
    },
    startAgain: async () => {
      signal.throwIfAborted();
      child = launch(dataFolder, logFile, new URL(served?.address ?? '').port);
      await serving();
      return child.pid ?? -1;
    },
  };
  return {
    stop: () => end(child, 'SIGTERM'),
    ready: async () => {
      const { address, tokenFile } = await serving();
      const token = readFileSync(tokenFile, 'utf8').trim();
      return { api: new Api(address, token, signal), words: `${address} (process ${child.pid})`, process: running };
    },
  };
};

function launch(dataFolder: string, logFile: string, port: string): ChildProcess {
  const log = openSync(logFile, 'a', 0o600);
  const main = fileURLToPath(new URL('../../../services/standalone/dist/main.js', import.meta.url));
  // Its own process group: a Ctrl-C at the terminal reaches the demo, which then stops the product in its turn.
  const child = spawn(process.execPath, [main, '--data', dataFolder, '--port', port], {
    stdio: ['ignore', log, log],
    detached: true,
    env: { ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info' },
  });
  closeSync(log);
  return child;
}

async function ready(child: ChildProcess, dataFolder: string, logFile: string, signal: AbortSignal): Promise<AddressFile> {
  const file = join(dataFolder, ADDRESS_FILE);
  const until = Date.now() + READY_WITHIN_MS;
  while (!existsSync(file)) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The product ended before it was ready. It said:\n${tail(logFile)}`);
    if (Date.now() > until)
      throw new Error(`The product was not ready within ${READY_WITHIN_MS / 1000} s. It said:\n${tail(logFile)}`);
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
  return JSON.parse(readFileSync(file, 'utf8')) as AddressFile;
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}

function tail(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').slice(-LOG_TAIL_BYTES).trim() : '(nothing)';
}
