/**
 * The one writer of a process. It packs concurrent appends into one flush and never splits one; at most one append per stream
 * in a flush; one flush in flight. So a commit is shared, and the lock that orders positions is taken once for many.
 */
import { channel } from 'node:diagnostics_channel';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { AppendRequest, AppendResult, StoredEvent } from './api.js';
import { APPEND_SQL, type BatchAnswer, type EncodedAppend, decodeAnswer, encodeAppend, encodeBatch } from './batch.js';
import { StoreUnavailable, isTransient } from './errors.js';

const MAX_WAITING_APPENDS = 20_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_FLUSH_EVENTS = 1_000;
const MAX_FLUSH_BYTES = 4 * 1024 * 1024;
/** From this many waiting callers on, two flushes take turns. */
const SPLIT_FROM = 64;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
const CONNECT_LIMIT_MS = 5_000;
const QUERY_LIMIT_MS = 15_000;
const DEFAULT_DEADLINE_MS = 30_000;

/** After each flush: `{schema, events, latenciesMs}`, one latency per append, its wait included. For metrics. */
const flushes = channel('understudy:append');

interface Waiting {
  readonly append: EncodedAppend;
  readonly since: number;
  readonly deadline: number;
  /** Sent once and not answered: it may be in the log. */
  uncertain: boolean;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (reason: unknown) => void;
}

/** Answers the callers of a flush. */
type Settle = () => void;

export interface WriterOptions {
  readonly connection: pg.ClientConfig;
  readonly schema: string;
  /** How long an append may wait for a store that is away. Default 30 s. */
  readonly deadlineMs?: number;
  readonly readStream: (stream: string, fromVersion: number) => Promise<readonly StoredEvent[]>;
  readonly onAppend: (headPosition: number, appended: readonly StoredEvent[]) => void;
}

export class Writer {
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private running: Promise<void> | undefined;
  private client: pg.Client | undefined;
  private closed = false;

  constructor(private readonly options: WriterOptions) {}

  /** Throws `StoreUnavailable` past the deadline, `InvalidAppend` for what no log could take. */
  async append(request: AppendRequest): Promise<AppendResult> {
    const append = encodeAppend(request);
    if (this.closed) throw new StoreUnavailable('STORE_CLOSED', 'The store is closed. This process is shutting down.');
    if (this.waiting.length >= MAX_WAITING_APPENDS || this.waitingBytes + append.bytes > MAX_WAITING_BYTES) {
      throw new StoreUnavailable(
        'STORE_OVERLOADED',
        `${this.waiting.length} appends (${this.waitingBytes} bytes) wait for the store already. Try again when it has caught up.`,
      );
    }
    return await new Promise<AppendResult>((resolve, reject) => {
      const since = performance.now();
      const deadline = since + (this.options.deadlineMs ?? DEFAULT_DEADLINE_MS);
      this.waiting.push({ append, since, deadline, uncertain: false, resolve, reject });
      this.waitingBytes += append.bytes;
      // Not at once but after this tick's callers: they share the flush.
      this.running ??= Promise.resolve().then(() => this.run());
    });
  }

  /** Refuses what waits, lets the flush in flight end. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
    await this.disconnect();
  }

  /** While the server works on one flush, the callers of the flush before are answered: both processors are busy. */
  private async run(): Promise<void> {
    let settle: Settle | undefined;
    for (;;) {
      let share = 1;
      if (this.waiting.length === 0) {
        settle?.();
        settle = undefined;
        // Whoever was answered just now and goes on at once joins the next flush.
        await new Promise((resolve) => setImmediate(resolve));
        if (this.waiting.length === 0) break;
        // All callers in one flush would leave this process idle while it is in flight, and the server idle afterwards.
        if (this.waiting.length >= SPLIT_FROM) share = 0.5;
      }
      if (this.closed) this.refuse(this.takeAll(), 'STORE_CLOSED', 'The store was closed before this was appended.');
      const flight = this.flush(this.takeFlush(share));
      settle?.();
      settle = await flight;
    }
    this.running = undefined;
  }

  private takeAll(): Waiting[] {
    const all = this.waiting;
    this.waiting = [];
    this.waitingBytes = 0;
    return all;
  }

  /** The longest run of what waits, in its order, without a second append to a stream. */
  private takeFlush(share: number): Waiting[] {
    const taken: Waiting[] = [];
    const kept: Waiting[] = [];
    const streams = new Set<string>();
    const most = Math.ceil(this.waiting.length * share);
    let events = 0;
    let bytes = 0;
    for (const item of this.takeAll()) {
      const names = item.append.streams.map((part) => part.stream);
      const full =
        taken.length >= most ||
        (taken.length > 0 && (events + item.append.eventCount > MAX_FLUSH_EVENTS || bytes + item.append.bytes > MAX_FLUSH_BYTES));
      if (full || names.some((name) => streams.has(name))) {
        kept.push(item);
        this.waitingBytes += item.append.bytes;
      } else {
        taken.push(item);
        events += item.append.eventCount;
        bytes += item.append.bytes;
      }
      // Also the streams of what is left for later: nothing overtakes it.
      for (const name of names) streams.add(name);
    }
    this.waiting = kept;
    return taken;
  }

  /** Sends a batch until the store has answered or its deadlines have passed; the callers are answered by what it returns. */
  private async flush(batch: readonly Waiting[]): Promise<Settle> {
    let due = batch;
    for (let pauseMs = FIRST_PAUSE_MS; due.length > 0; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.send(due);
      } catch (error) {
        if (!isTransient(error)) return await this.isolate(due, error);
        for (const item of due) item.uncertain = true;
        await this.disconnect();
        due = this.refuseExpired(due, error);
        if (due.length > 0) await delay(pauseMs);
      }
    }
    return () => undefined;
  }

  /** One append that the database refuses must not take the others with it. */
  private async isolate(batch: readonly Waiting[], error: unknown): Promise<Settle> {
    const settles: Settle[] = [];
    if (batch.length === 1) settles.push(() => batch[0]?.reject(error));
    else for (const item of batch) settles.push(await this.flush([item]));
    return () => settles.forEach((settle) => settle());
  }

  private async send(batch: readonly Waiting[]): Promise<Settle> {
    const client = this.client ?? (await this.connect());
    const appends = batch.map((item) => item.append);
    const text = APPEND_SQL(this.options.schema);
    const { rows } = await client.query<BatchAnswer>({ name: 'append', text, values: encodeBatch(appends) });
    const answer = rows[0];
    if (!answer) throw new TypeError('The append function answered no row.');
    const landed = await this.landedBefore(batch, answer);
    return () => {
      const appended: StoredEvent[] = [];
      for (const [index, result] of decodeAnswer(appends, answer).entries()) {
        const item = batch[index];
        item?.resolve(landed.get(item) ?? result);
        if (result.appended) appended.push(...result.events);
      }
      if (appended.length > 0) this.options.onAppend(Number(answer.base) + appended.length, appended);
      if (flushes.hasSubscribers) this.measure(batch, appended.length);
    };
  }

  private measure(batch: readonly Waiting[], events: number): void {
    const now = performance.now();
    flushes.publish({ schema: this.options.schema, events, latenciesMs: batch.map(({ since }) => now - since) });
  }

  /** Of those that lost their version check: which had been appended before a connection was lost at COMMIT. */
  private async landedBefore(batch: readonly Waiting[], answer: BatchAnswer): Promise<Map<Waiting, AppendResult>> {
    const landed = new Map<Waiting, AppendResult>();
    for (const { a } of answer.lost ?? []) {
      const item = batch[a];
      if (!item?.uncertain || landed.has(item)) continue;
      const result = await this.findLanded(item.append);
      if (result) landed.set(item, result);
    }
    return landed;
  }

  /** The version check may have met our own events: found by command id and text. */
  private async findLanded(append: EncodedAppend): Promise<AppendResult | undefined> {
    const found: StoredEvent[] = [];
    const metadata = JSON.stringify(JSON.parse(append.metadataText));
    for (const part of append.streams) {
      if (part.events.length === 0) continue;
      const stored = await this.options.readStream(part.stream, part.expectedVersion + 1);
      for (const [offset, event] of part.events.entries()) {
        const candidate = stored[offset];
        const same =
          candidate?.type === event.type &&
          JSON.stringify(candidate.metadata) === metadata &&
          JSON.stringify(candidate.body) === JSON.stringify(JSON.parse(event.bodyText));
        if (!candidate || !same) return undefined;
        found.push(candidate);
      }
    }
    return found.length > 0 ? { appended: true, events: found } : undefined;
  }

  private refuseExpired(batch: readonly Waiting[], cause: unknown): Waiting[] {
    const now = performance.now();
    const expired = this.closed ? [...batch] : batch.filter((item) => item.deadline <= now);
    this.refuse(
      expired,
      'STORE_UNAVAILABLE',
      'The store did not answer before the deadline. Look for the command id before trying again.',
      cause,
    );
    return batch.filter((item) => !expired.includes(item));
  }

  private refuse(batch: readonly Waiting[], code: StoreUnavailable['code'], message: string, cause?: unknown): void {
    for (const item of batch) item.reject(new StoreUnavailable(code, message, { cause }));
  }

  private async connect(): Promise<pg.Client> {
    if (this.client) return this.client;
    const client = new pg.Client({
      ...this.options.connection,
      connectionTimeoutMillis: CONNECT_LIMIT_MS,
      query_timeout: QUERY_LIMIT_MS,
    });
    // An idle connection that dies is noticed by the next flush.
    client.on('error', () => {
      if (this.client === client) this.client = undefined;
    });
    await client.connect();
    this.client = client;
    return client;
  }

  private async disconnect(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }
}
