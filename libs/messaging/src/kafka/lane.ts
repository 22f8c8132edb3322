/**
 * One partition at one consumer: what was fetched waits here and is handled in order, apart from the library's fetch loop, which
 * goes on with heartbeats and with the other partitions however long a handler or a retry takes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { CloudEvent, Consumer, HandlerTable, MessageHandler } from '../api.js';
import { bury } from '../dead-letters.js';
import { MessagingError } from '../errors.js';
import { handleBatch, reasonOf } from '../handling.js';
import { type KafkaRecord, fromRecord, typeOf, unreadable } from './binding.js';
import { Guard } from './guard.js';

export interface LaneRecord extends KafkaRecord {
  readonly offset: string;
}

export interface LaneHooks {
  /** Everything below this offset is done. */
  readonly done: (nextOffset: string) => void;
  /** Fetch no more of this partition for now, and again. */
  readonly pause: () => void;
  readonly resume: () => void;
}

export interface LanePlace {
  readonly consumer: Consumer;
  readonly partition: number;
  /** Outlives the lane: the partition may come back to this process after a rebalance. */
  readonly guard: Guard;
  /** The partition's lane before this one: its last handler ends first. */
  readonly after: Promise<void>;
}

const BATCH_RECORDS = 250;
const PAUSE_ABOVE_RECORDS = 2_000;
const RESUME_BELOW_RECORDS = 500;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

export class Lane {
  /** Why it does not move, for people. */
  problem: string | undefined;
  private readonly waiting: LaneRecord[] = [];
  private readonly guarded: Consumer;
  private readonly inFlight = new Set<Promise<void>>();
  private readonly over = new AbortController();
  private working: Promise<void>;
  private busy = false;
  private paused = false;
  private closing = false;

  constructor(
    private readonly place: LanePlace,
    private readonly hooks: LaneHooks,
  ) {
    const { consumer } = place;
    this.guarded = { ...consumer, subscription: { ...consumer.subscription, handlers: this.guardedHandlers() } };
    this.working = place.after;
  }

  push(records: readonly LaneRecord[]): void {
    if (this.closing) return;
    this.waiting.push(...records);
    if (this.waiting.length > PAUSE_ABOVE_RECORDS && !this.paused) {
      this.paused = true;
      this.hooks.pause();
    }
    if (this.busy) return;
    this.busy = true;
    this.working = this.working.then(() => this.work());
  }

  /** Takes no further message; resolves when the batch in hand is done. */
  async close(): Promise<void> {
    this.closing = true;
    await this.working;
  }

  /** Gives up what it has in hand: it comes again, here or elsewhere. Resolves when the handlers that were running have ended. */
  async abort(): Promise<void> {
    this.closing = true;
    this.over.abort();
    await this.working;
    await Promise.allSettled(this.inFlight);
  }

  private async work(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (this.waiting.length > 0 && !this.closing) {
      const batch = this.waiting.slice(0, BATCH_RECORDS);
      try {
        await this.handle(batch);
      } catch (error) {
        if (this.over.signal.aborted) break;
        this.problem = reasonOf(error);
        if (error instanceof MessagingError && error.code === 'LOG_RESTORED') {
          this.halt();
          break;
        }
        await delay(pauseMs, undefined, { signal: this.over.signal }).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        continue;
      }
      this.finish(batch);
      pauseMs = FIRST_PAUSE_MS;
    }
    this.busy = false;
  }

  /** A person decides: nothing more is taken until the process starts anew. */
  private halt(): void {
    this.closing = true;
    this.paused = true;
    this.hooks.pause();
  }

  private finish(batch: readonly LaneRecord[]): void {
    this.problem = undefined;
    this.waiting.splice(0, batch.length);
    const last = batch.at(-1);
    if (last !== undefined) this.hooks.done(String(BigInt(last.offset) + 1n));
    if (this.paused && this.waiting.length < RESUME_BELOW_RECORDS) {
      this.paused = false;
      this.hooks.resume();
    }
  }

  private async handle(records: readonly LaneRecord[]): Promise<void> {
    const { consumer, guard } = this.place;
    const wanted = records.filter((record) => {
      const type = typeOf(record);
      return type === '' || Object.hasOwn(consumer.subscription.handlers, type);
    });
    const events: CloudEvent[] = [];
    for (const record of wanted) {
      const event = await this.read(record);
      if (event !== undefined) events.push(event);
    }
    await handleBatch(this.guarded, events, this.over.signal);
    // Those that were buried, too.
    for (const event of events) guard.took(event);
  }

  /** Undefined: it is no event; it lies among the dead letters, with the reason. */
  private async read(record: LaneRecord): Promise<CloudEvent | undefined> {
    try {
      return fromRecord(record);
    } catch (error) {
      const { store, subscription } = this.place.consumer;
      const message = unreadable(record, { topic: subscription.topic, partition: this.place.partition, offset: record.offset });
      await bury(store, { group: subscription.group, message, reason: `not readable: ${reasonOf(error)}`, attempts: 1 });
      return undefined;
    }
  }

  private guardedHandlers(): HandlerTable {
    const { consumer, guard } = this.place;
    const wrap =
      (handler: MessageHandler): MessageHandler =>
      async (event) => {
        if (!guard.isNew(event)) return;
        const work = handler(event);
        this.inFlight.add(work);
        try {
          await work;
        } finally {
          this.inFlight.delete(work);
        }
        guard.took(event);
      };
    return Object.fromEntries(Object.entries(consumer.subscription.handlers).map(([type, handler]) => [type, wrap(handler)]));
  }
}
