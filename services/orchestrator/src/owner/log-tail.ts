import { setTimeout as delay } from 'node:timers/promises';
import type { EventLog, StoredEvent } from '@understudy/event-log';
import type { Log } from '@understudy/runtime';
import { messageOf } from '../effects/perform.js';

/** Events that another process appended are seen at the latest after this. */
const POLL_MS = 100;
/** Between two looks: under load one then serves many appends. */
const GATHER_MS = 10;
const PAGE_EVENTS = 500;
/** Between two tries while the store is away. */
const RETRY_MS = 1_000;

export interface TailTools {
  /** For messages: who follows. */
  readonly name: string;
  readonly eventLog: EventLog;
  readonly log: Log;
  /** Hears every event from the start on, in order. */
  readonly hear: (event: StoredEvent) => void;
  /** Called after what was new was heard, and at every poll. */
  readonly then: () => Promise<void>;
}

/** Own appends that wait to be heard; when there are more, all of them are read again. */
const MOST_OWN_EVENTS = 10_000;

/**
 * Follows the log in this process: own appends are handed over, those of others are read, when they leave a gap before one of ours or
 * at the next poll. It keeps no checkpoint.
 */
export class LogTail {
  private stopping = false;
  private position = 0;
  private loop: Promise<void> = Promise.resolve();
  private pending = false;
  /** Appended by this process and not heard yet, in order. */
  private own: StoredEvent[] = [];
  private wakeUp: (() => void) | undefined;

  constructor(private readonly tools: TailTools) {}

  /** `before` is told the position from which on everything will be heard; what lies before it is the caller's to know. */
  async start(before: (position: number) => Promise<void>): Promise<void> {
    this.position = await this.tools.eventLog.headPosition();
    await before(this.position);
    this.loop = this.run();
  }

  /** Resolves when nothing more is heard or done. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { name, eventLog, log, then } = this.tools;
    const forget = eventLog.onAppend((_head, appended) => {
      if (this.own.length + appended.length <= MOST_OWN_EVENTS) this.own.push(...appended);
      else this.own = [];
      this.wake();
    });
    while (!this.stopping) {
      this.pending = false;
      try {
        await this.hearNew();
        await then();
      } catch (error) {
        log.warn({ error: messageOf(error) }, `${name} could not follow the log; trying again`);
        await delay(RETRY_MS);
      }
      if (!this.stopping) await this.pause();
    }
    forget();
  }

  /** What is next by position is heard as it was appended; only what is missing before it, or polled for, is read. */
  private async hearNew(): Promise<void> {
    const handed = this.own;
    this.own = [];
    if (handed[0]?.position === this.position + 1 && handed.at(-1)?.position === this.position + handed.length) {
      for (const event of handed) this.hear(event);
      return;
    }
    for (;;) {
      const events = await this.tools.eventLog.readAll(this.position, PAGE_EVENTS);
      for (const event of events) this.hear(event);
      if (events.length < PAGE_EVENTS) return;
    }
  }

  private hear(event: StoredEvent): void {
    this.tools.hear(event);
    this.position = event.position;
  }

  private wake(): void {
    this.pending = true;
    this.wakeUp?.();
  }

  private async pause(): Promise<void> {
    await delay(GATHER_MS);
    if (this.pending) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.wakeUp = resolve;
      timer = setTimeout(resolve, POLL_MS);
    });
    clearTimeout(timer);
    this.wakeUp = undefined;
  }
}
