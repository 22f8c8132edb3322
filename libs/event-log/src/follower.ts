/** What relays and projections share: a duty that follows the log from its checkpoint, in batches, one at a time. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Store, StoredEvent } from './api.js';

const POLL_MS = 100;
/** After a batch that was not full the next one is let grow for this long: under load one look then serves many appends. */
const GATHER_MS = 20;
const STANDBY_MS = 1_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** Polls a store's head for all its followers, and hears local appends at once. */
class HeadWatch {
  private readonly wakers = new Set<() => void>();
  private stopListening: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Where the log ended at the last look or local append; -1 = not known yet. */
  head = -1;

  constructor(private readonly store: Store) {}

  /** `wake` is called whenever the head may have moved; returns the way to stop. */
  watch(wake: () => void): () => void {
    this.wakers.add(wake);
    if (this.wakers.size === 1) {
      this.stopListening = this.store.log.onAppend((head) => {
        this.head = head;
        this.wakeAll();
      });
      this.schedule();
    }
    return () => {
      this.wakers.delete(wake);
      if (this.wakers.size > 0) return;
      this.stopListening?.();
      clearTimeout(this.timer);
    };
  }

  private schedule(): void {
    this.timer = setTimeout(() => void this.poll(), POLL_MS);
    this.timer.unref();
  }

  private async poll(): Promise<void> {
    try {
      const before = this.head;
      const head = await this.store.log.headPosition();
      // A local append in the meantime knows better, and has told everybody.
      if (this.head === before) {
        this.head = head;
        if (head !== before) this.wakeAll();
      }
    } catch {
      // The store is away; its followers find out and wait for it themselves.
    }
    if (this.wakers.size > 0) this.schedule();
  }

  private wakeAll(): void {
    for (const wake of this.wakers) wake();
  }
}

const watches = new WeakMap<Store, HeadWatch>();

function watchOf(store: Store): HeadWatch {
  const known = watches.get(store);
  if (known) return known;
  const fresh = new HeadWatch(store);
  watches.set(store, fresh);
  return fresh;
}

/**
 * `following`: this process has the duty. `standby`: another process has it. `failing`: the last batch failed and is tried
 * again. `restored`: the log ends before the checkpoint, so history was cut; it stays stopped until a person decides.
 */
export type FollowerState = 'stopped' | 'standby' | 'following' | 'failing' | 'restored';

export interface FollowerStatus {
  readonly name: string;
  readonly state: FollowerState;
  readonly checkpoint: number;
  /** How far the checkpoint is behind the log's end. */
  readonly lagEvents: number;
  /** Why it does not move, for people. */
  readonly problem?: string;
}

export interface FollowerOptions {
  readonly store: Store;
  /** The duty's name. */
  readonly name: string;
  readonly batchSize: number;
  /** Does a batch and moves the checkpoint with it. False = the duty is no longer ours. */
  readonly handle: (events: readonly StoredEvent[], checkpoint: number) => Promise<boolean>;
}

export class Follower {
  private state: FollowerState = 'stopped';
  private problem: string | undefined;
  private checkpoint = 0;
  private running: Promise<void> | undefined;
  private stopSignal = new AbortController();
  private pending = false;
  private wakeUp: (() => void) | undefined;
  private readonly between: ((checkpoint: number) => Promise<number | undefined>)[] = [];

  constructor(private readonly options: FollowerOptions) {}

  /** Begins to follow in the background; failures are retried with a growing pause and shown in `status`. */
  start(): void {
    if (this.running) return;
    this.stopSignal = new AbortController();
    this.running = this.run();
  }

  /** Lets the batch in flight end. */
  async stop(): Promise<void> {
    this.stopSignal.abort();
    this.wake();
    await this.running;
    this.running = undefined;
    if (this.state !== 'restored') this.state = 'stopped';
  }

  async status(): Promise<FollowerStatus> {
    const { store, name } = this.options;
    const { rows } = await store.pool.query<{ checkpoint: string }>(
      `select checkpoint from ${store.schema}.duty where name = $1`,
      [name],
    );
    const checkpoint = Number(rows[0]?.checkpoint ?? 0);
    const lagEvents = Math.max(0, (await store.log.headPosition()) - checkpoint);
    return { name, state: this.state, checkpoint, lagEvents, ...(this.problem === undefined ? {} : { problem: this.problem }) };
  }

  /** Runs between two batches, while the duty is ours; answers the checkpoint to go on from, or undefined if it is lost. */
  inBetween(task: (checkpoint: number) => Promise<number | undefined>): void {
    this.between.push(task);
    this.wake();
  }

  private wake(): void {
    this.pending = true;
    this.wakeUp?.();
  }

  private async run(): Promise<void> {
    const stopWatching = watchOf(this.options.store).watch(() => this.wake());
    let pauseMs = FIRST_PAUSE_MS;
    try {
      while (!this.isOver()) {
        try {
          await this.takeAndFollow();
          pauseMs = FIRST_PAUSE_MS;
        } catch (error) {
          this.state = 'failing';
          this.problem = error instanceof Error ? error.message : String(error);
          await this.pause(pauseMs);
          pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        }
      }
    } finally {
      stopWatching();
    }
  }

  private isOver(): boolean {
    return this.stopSignal.signal.aborted || this.state === 'restored';
  }

  private async takeAndFollow(): Promise<void> {
    const { store, name } = this.options;
    const duty = await store.takeDuty(name);
    if (!duty) {
      this.state = 'standby';
      await this.pause(STANDBY_MS);
      return;
    }
    this.checkpoint = duty.checkpoint;
    let lost = false;
    while (!lost && !this.isOver()) lost = !(await this.step());
  }

  /** One batch, or a wait for one. False = the duty is lost. */
  private async step(): Promise<boolean> {
    const { store, batchSize, handle } = this.options;
    this.pending = false;
    const task = this.between.shift();
    if (task) {
      const next = await task(this.checkpoint);
      if (next !== undefined) this.checkpoint = next;
      return next !== undefined;
    }
    const events = await store.log.readAll(this.checkpoint, batchSize);
    if (events.length === 0) {
      if (this.state !== 'following' || watchOf(store).head < this.checkpoint) await this.checkEnd();
      if (!this.isOver()) await this.sleep();
      return true;
    }
    if (!(await handle(events, this.checkpoint))) return false;
    this.checkpoint = events.at(-1)?.position ?? this.checkpoint;
    this.follows();
    if (events.length < batchSize && this.between.length === 0) await this.pause(GATHER_MS);
    return true;
  }

  private follows(): void {
    this.state = 'following';
    this.problem = undefined;
  }

  private async checkEnd(): Promise<void> {
    const head = await this.options.store.log.headPosition();
    if (head >= this.checkpoint) return this.follows();
    this.state = 'restored';
    this.problem = `${this.options.name} had got to position ${this.checkpoint}, but the log of ${this.options.store.schema} ends at ${head}: the log was restored from an older copy, or its server failed over with loss. Nothing more is published or projected. Compare with the consumers, renew the log's id, then set the checkpoint.`;
  }

  /** Until the head moves. */
  private async sleep(): Promise<void> {
    if (this.pending) return;
    await new Promise<void>((resolve) => (this.wakeUp = resolve));
    this.wakeUp = undefined;
  }

  /** A fixed time, cut short only by `stop`. */
  private async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.stopSignal.signal }).catch(() => undefined);
  }
}
