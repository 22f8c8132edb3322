/** The product as one process in a group of its own, on a store that survives it, started again whenever a place has killed it. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '@understudy/testing/outside';
import { Rest } from '../distributed/rest.js';
import { Undo } from '../distributed/undo.js';
import { waitFor, waitUntil } from '../distributed/waiting.js';
import type { Cell, Victim } from './cells.js';
import { killOf, type Death, type Kill } from './deaths.js';
import { ProductProcess } from './product-process.js';

const READY_LIMIT_MS = 90_000;
const STORE_BACK_LIMIT_MS = 60_000;
const STORE_AGAIN_MS = 250;
const LOG_TAIL_BYTES = 6_000;

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
  private slug = '';
  private child: ProductProcess | undefined;
  /** Its code is loaded and it waits, so that nobody has to wait for that after a kill. */
  private spare: ProductProcess | undefined;
  /** How long its last start took; undefined until it serves. */
  private backAfterMs: number | undefined;
  private lastKillAt = performance.now();
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
    this.slug = order.slug;
    rmSync(join(this.places, 'step'), { force: true });
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
    await Promise.all([this.child?.end(), this.spare?.end()]);
    await this.keeping?.catch(() => undefined);
    await this.store.stop();
    return left;
  }

  private async keepProduct(): Promise<void> {
    while (!this.stopping) {
      const death = await this.run();
      if (this.stopping) return;
      const cell = this.cells.find(({ id }) => this.writtenBy(id) === death.pid);
      if (!this.count(death, cell)) return;
      rmSync(join(this.data, 'address.json'), { force: true });
    }
  }

  /** One life of the product. */
  private run(): Promise<Death> {
    const since = performance.now();
    const child = this.spare ?? this.prepared();
    this.spare = undefined;
    this.child = child;
    child.go();
    void this.ready().then(
      () => {
        if (this.stopping || this.child !== child || this.victim === 'store') return;
        this.backAfterMs = performance.now() - since;
        this.spare ??= this.prepared();
      },
      (error: unknown) => (this.failure ??= error as Error),
    );
    return child.death;
  }

  private prepared(): ProductProcess {
    const { folder, places, data } = this;
    return new ProductProcess({ log: join(folder, 'product.log'), places, data, storeUrl: this.store.adminConnectionString() });
  }

  /** False when this was no death that a cell brought about: then nothing goes on. */
  private count(death: Death, cell: Cell | undefined): boolean {
    const kill = killOf(this.victim, death, cell);
    if (typeof kill === 'string') {
      this.failure = new Error(`${kill} It said:\n${this.log()}`);
      return false;
    }
    this.kills.push(kill);
    this.tell(kill);
    return true;
  }

  /** The product lives on; the store is started again on what it left, at the same port. */
  private async keepStore(): Promise<void> {
    const life = this.run().then((ended) => {
      if (!this.stopping) this.count(ended, undefined);
    });
    while (!this.stopping && this.failure === undefined) {
      const end = await Promise.race([this.store.ended, life]);
      if (this.stopping || this.failure !== undefined) return;
      await this.storeBack({ pid: this.store.pid, signal: end?.signal ?? null, code: end?.code ?? null }).catch(
        (error: unknown) => (this.failure = error as Error),
      );
    }
  }

  private async storeBack(death: Death): Promise<void> {
    const { port } = this.store;
    const since = performance.now();
    const cell = this.cells.find(({ id }) => this.writtenBy(id) !== undefined && !this.kills.some((kill) => kill.cell.id === id));
    if (!this.count(death, cell)) return;
    await this.store.stop();
    // Its children notice that it is gone, one by one; until then their shared memory keeps a new one out.
    this.store = await waitFor('the store to start again', STORE_BACK_LIMIT_MS, async () => {
      await new Promise((resolve) => setTimeout(resolve, STORE_AGAIN_MS));
      return startEmbeddedPostgres({ dataFolder: join(this.folder, 'store'), port });
    });
    this.rearm();
    this.backAfterMs = performance.now() - since;
  }

  private rearm(): void {
    const file = join(this.places, 'order.json');
    if (!existsSync(file)) return;
    const order = JSON.parse(readFileSync(file, 'utf8')) as Order;
    writeFileSync(`${file}.new`, JSON.stringify({ ...order, victimPid: this.store.pid }));
    renameSync(`${file}.new`, file);
  }

  private tell({ cell: { place, at, act }, pid }: Kill): void {
    const now = performance.now();
    const since = `${((now - this.lastKillAt) / 1_000).toFixed(1)} s after the one before`;
    const served = this.backAfterMs === undefined ? 'not yet back' : `back after ${(this.backAfterMs / 1_000).toFixed(1)} s`;
    this.lastKillAt = now;
    this.backAfterMs = undefined;
    const where = `${place} ${at}${act === undefined ? '' : ` ${act}`}`;
    const nth = `${this.kills.filter((kill) => this.cells.includes(kill.cell)).length} of ${this.cells.length}`;
    this.say(`${this.slug}: ${nth} killed ${where} (process ${pid}), ${since}; it was ${served}`);
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
