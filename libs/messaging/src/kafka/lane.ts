/**
 * One partition at one consumer: what was fetched waits here and is handled in order, apart from the library's fetch loop, which
 * goes on with heartbeats and with the other partitions however long a handler or a retry takes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { CloudEvent, Consumer, HandlerTable, MessageHandler } from '../api.js';
import { bury } from '../dead-letters.js';
import { MessagingError } from '../errors.js';
import { handleBatch, reasonOf } from '../handling.js';
import { type KafkaRecord, detached, fromRecord, typeOf, unreadable } from './binding.js';
import { Guard } from './guard.js';

export interface LaneRecord extends KafkaRecord {
  readonly offset: string;
}

/** A record that waits, and how far the topic is done with it: what nobody handles is dropped, and its offset goes with the one before. */
interface Waiting extends LaneRecord {
  readonly sizeBytes: number;
  lastOffset: string;
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
const MIB = 1_048_576;
/** A partition's share of the memory; one fetch may go above it by what it brings. */
const PAUSE_ABOVE_BYTES = 8 * MIB;
const RESUME_BELOW_BYTES = PAUSE_ABOVE_BYTES / 2;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

export class Lane {
  /** Why it does not move, for people. */
  problem: string | undefined;
  private readonly waiting: Waiting[] = [];
  private waitingBytes = 0;
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
    for (const record of records) this.keep(record);
    const last = records.at(-1);
    if (this.waiting.length === 0) {
      if (last !== undefined) this.done(last.offset);
      return;
    }
    if (!this.paused && (this.waiting.length > PAUSE_ABOVE_RECORDS || this.waitingBytes > PAUSE_ABOVE_BYTES)) {
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

  private keep(record: LaneRecord): void {
    const type = typeOf(record);
    // Without a type it is a dead letter.
    if (type === '' || Object.hasOwn(this.place.consumer.subscription.handlers, type)) {
      const waiting = { ...detached(record), offset: record.offset, lastOffset: record.offset };
      this.waiting.push(waiting);
      this.waitingBytes += waiting.sizeBytes;
      return;
    }
    const before = this.waiting.at(-1);
    if (before !== undefined) before.lastOffset = record.offset;
  }

  private done(lastOffset: string): void {
    this.hooks.done(String(BigInt(lastOffset) + 1n));
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

  private finish(batch: readonly Waiting[]): void {
    this.problem = undefined;
    this.waiting.splice(0, batch.length);
    for (const { sizeBytes } of batch) this.waitingBytes -= sizeBytes;
    const last = batch.at(-1);
    if (last !== undefined) this.done(last.lastOffset);
    if (this.paused && this.waiting.length < RESUME_BELOW_RECORDS && this.waitingBytes < RESUME_BELOW_BYTES) {
      this.paused = false;
      this.hooks.resume();
    }
  }

  private async handle(records: readonly LaneRecord[]): Promise<void> {
    const events: CloudEvent[] = [];
    for (const record of records) {
      const event = await this.read(record);
      if (event !== undefined) events.push(event);
    }
    await handleBatch(this.guarded, events, this.over.signal);
    // Those that were buried, too.
    for (const event of events) this.place.guard.took(event);
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
