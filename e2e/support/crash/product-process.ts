/** One process of the product with the preload that kills: its code is loaded at once, it runs when it is told to. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { REPOSITORY } from '../product.js';
import type { Death } from './deaths.js';

const MAIN = join(REPOSITORY, 'services/standalone/dist/main.js');
const SERVE = join(REPOSITORY, 'services/standalone/dist/serve.js');
const PRELOADS = join(REPOSITORY, 'e2e/support/crash');
const STOP_LIMIT_MS = 30_000;

export interface ProductProcessOptions {
  /** Appended to. */
  readonly log: string;
  /** Folder of the preload's order and of what it writes. */
  readonly places: string;
  readonly data: string;
  readonly storeUrl: string;
}

export class ProductProcess {
  readonly death: Promise<Death>;
  private readonly child: ChildProcess;

  constructor({ log, places, data, storeUrl }: ProductProcessOptions) {
    const file = openSync(log, 'a', 0o600);
    const preloads = [preload('places.mjs', { folder: places }), preload('loaded.mjs', { code: pathToFileURL(SERVE).href })];
    this.child = spawn(process.execPath, [...preloads, MAIN, '--data', data, '--port', '0'], {
      stdio: ['pipe', file, file],
      detached: true,
      env: { ...process.env, STORE_URL: storeUrl },
    });
    closeSync(file);
    // Told to go, it may have died.
    this.child.stdin?.on('error', () => undefined);
    this.death = this.untilDead(this.child);
  }

  /** From now on it is the product, as if it had been started here. */
  go(): void {
    this.child.stdin?.end('go\n');
  }

  /** SIGTERM, after a limit SIGKILL. Harmless when it has ended. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.death;
    clearTimeout(timer);
  }

  private async untilDead(child: ChildProcess): Promise<Death> {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return { pid: child.pid ?? -1, signal, code };
  }
}

function preload(name: string, parameters: Readonly<Record<string, string>>): string {
  const url = pathToFileURL(join(PRELOADS, name));
  for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value);
  return `--import=${url.href}`;
}
