/** The product as one process in a group of its own, on a store that survives it, started again whenever a place has killed it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '@understudy/testing/outside';
import { Rest } from '../distributed/rest.js';
import { Undo } from '../distributed/undo.js';
import { waitFor, waitUntil } from '../distributed/waiting.js';
import { REPOSITORY } from '../product.js';
import type { Cell, Victim } from './cells.js';

const MAIN = join(REPOSITORY, 'services/standalone/dist/main.js');
const PRELOAD = join(REPOSITORY, 'e2e/support/crash/places.mjs');
const READY_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 30_000;
const STORE_BACK_LIMIT_MS = 60_000;
const STORE_AGAIN_MS = 250;
const LOG_TAIL_BYTES = 6_000;

/** A kill that counts: the place's name was written, and the victim then died of signal 9. */
export interface Kill {
  readonly cell: Cell;
  readonly pid: number;
}

/** How a life of the product ended. */
interface Ended {
  readonly pid: number;
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
}

/** What the preload reads. */
export interface Order {
  readonly slug: string;
  /** By step id, of the plan. */
  readonly phases: Readonly<Record<string, string>>;
  readonly cells: readonly Cell[];
}

export class Ground {
  readonly kills: Kill[] = [];
  readonly undo = new Undo();
  readonly rest: Rest;
  private readonly places: string;
  private readonly data: string;
  private cells: readonly Cell[] = [];
  private child: ChildProcess | undefined;
  private stopping = false;
  private failure: Error | undefined;
  private keeping: Promise<void> | undefined;

  private constructor(
    readonly folder: string,
    private readonly victim: Victim,
    private store: EmbeddedPostgres,
    private readonly say: (text: string) => void,
  ) {
    this.places = join(folder, 'places');
    this.data = join(folder, 'data');
    mkdirSync(this.places);
    mkdirSync(this.data, { mode: 0o711 });
    this.rest = new Rest(
      () => this.addressFile().address,
      () => readFileSync(this.addressFile().tokenFile, 'utf8').trim(),
    );
  }

  /** Starts store and product in a folder that PostgreSQL's account may search. */
  static async start(folder: string, victim: Victim, say: (text: string) => void): Promise<Ground> {
    const store = await startEmbeddedPostgres({ dataFolder: join(folder, 'store') });
    const ground = new Ground(folder, victim, store, say);
    ground.keeping = victim === 'orchestrator' ? ground.keepProduct() : ground.keepStore();
    try {
      await ground.ready();
    } catch (error) {
      await ground.stop();
      throw error;
    }
    return ground;
  }

  /** From now on the cells are taken, in whichever order their places are reached. */
  order(order: Order): void {
    this.cells = order.cells;
    rmSync(join(this.places, 'phase'), { force: true });
    const file = join(this.places, 'order.json');
    writeFileSync(`${file}.new`, JSON.stringify({ ...order, ...(this.victim === 'store' ? { victimPid: this.store.pid } : {}) }));
    renameSync(`${file}.new`, file);
  }

  /** No cell is taken any more. Answers those that were not. */
  disarm(): readonly Cell[] {
    rmSync(join(this.places, 'order.json'), { force: true });
    const taken = new Set(this.kills.map(({ cell }) => cell.id));
    return this.cells.filter(({ id }) => !taken.has(id));
  }

  /** @throws when the product or the store could not be kept running. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  log(): string {
    const file = join(this.folder, 'product.log');
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-LOG_TAIL_BYTES) : '';
  }

  /** Answers what could not be undone. */
  async stop(): Promise<readonly string[]> {
    const left = await this.undo.run();
    this.stopping = true;
    if (this.child) await end(this.child);
    await this.keeping?.catch(() => undefined);
    await this.store.stop();
    return left;
  }

  private async keepProduct(): Promise<void> {
    while (!this.stopping) {
      const { pid, signal, code } = await this.run();
      if (this.stopping) return;
      const cell = this.cells.find(({ id }) => this.writtenBy(id) === pid);
      if (signal !== 'SIGKILL' || cell === undefined) {
        this.failure = this.endedByItself({ pid, signal, code });
        return;
      }
      rmSync(join(this.data, 'address.json'), { force: true });
      this.kills.push({ cell, pid });
      const since = performance.now();
      void this.ready().then(
        () => this.tell(cell, pid, performance.now() - since),
        (error: unknown) => (this.failure = error as Error),
      );
    }
  }

  /** One life of the product. */
  private async run(): Promise<Ended> {
    const log = openSync(join(this.folder, 'product.log'), 'a', 0o600);
    const preload = pathToFileURL(PRELOAD);
    preload.searchParams.set('folder', this.places);
    this.child = spawn(process.execPath, ['--import', preload.href, MAIN, '--data', this.data, '--port', '0'], {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, STORE_URL: this.store.adminConnectionString() },
    });
    closeSync(log);
    const [code, signal] = (await once(this.child, 'exit')) as [number | null, NodeJS.Signals | null];
    return { pid: this.child.pid ?? -1, signal, code };
  }

  private endedByItself({ pid, signal, code }: Ended): Error {
    return new Error(`The product (process ${pid}) ended by itself (${signal ?? `exit code ${code}`}). It said:\n${this.log()}`);
  }

  /** The product lives on; the store is started again on what it left, at the same port. */
  private async keepStore(): Promise<void> {
    const life = this.run().then((ended) => {
      if (!this.stopping) this.failure = this.endedByItself(ended);
    });
    while (!this.stopping && this.failure === undefined) {
      await Promise.race([this.store.ended, life]);
      if (this.stopping || this.failure !== undefined) return;
      await this.storeBack().catch((error: unknown) => (this.failure = error as Error));
    }
  }

  private async storeBack(): Promise<void> {
    const { pid, port } = this.store;
    const since = performance.now();
    const cell = this.cells.find(({ id }) => this.writtenBy(id) !== undefined && !this.kills.some((kill) => kill.cell.id === id));
    if (cell === undefined) throw new Error(`The store (process ${pid}) ended, and no place was written.`);
    this.kills.push({ cell, pid });
    await this.store.stop();
    // Its children notice that it is gone, one by one; until then their shared memory keeps a new one out.
    this.store = await waitFor('the store to start again', STORE_BACK_LIMIT_MS, async () => {
      await new Promise((resolve) => setTimeout(resolve, STORE_AGAIN_MS));
      return startEmbeddedPostgres({ dataFolder: join(this.folder, 'store'), port });
    });
    this.rearm();
    this.tell(cell, pid, performance.now() - since);
  }

  private rearm(): void {
    const file = join(this.places, 'order.json');
    if (!existsSync(file)) return;
    const order = JSON.parse(readFileSync(file, 'utf8')) as Order;
    writeFileSync(`${file}.new`, JSON.stringify({ ...order, victimPid: this.store.pid }));
    renameSync(`${file}.new`, file);
  }

  private tell(cell: Cell, pid: number, backMs: number): void {
    this.say(
      `killed ${cell.place} ${cell.at}${cell.act === undefined ? '' : ` ${cell.act}`} (process ${pid}); back after ${(backMs / 1_000).toFixed(1)} s`,
    );
  }

  /** The process that wrote a place's name, before it killed. */
  private writtenBy(id: string): number | undefined {
    const file = join(this.places, id);
    return existsSync(file) ? Number(readFileSync(file, 'utf8').split(' ')[0]) : undefined;
  }

  private async ready(): Promise<void> {
    const isServing = (): boolean => this.failure !== undefined || this.addressFile().address !== '';
    await waitUntil('the product to serve', READY_LIMIT_MS, isServing);
    this.check();
  }

  private addressFile(): { readonly address: string; readonly tokenFile: string } {
    return JSON.parse(readFileSync(join(this.data, 'address.json'), 'utf8')) as { address: string; tokenFile: string };
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await exited;
  clearTimeout(timer);
}
