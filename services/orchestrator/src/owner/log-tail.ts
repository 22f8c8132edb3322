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

/** Follows the log in this process: woken by its own appends, polling for those of others. It keeps no checkpoint. */
export class LogTail {
  private stopping = false;
  private position = 0;
  private loop: Promise<void> = Promise.resolve();
  private pending = false;
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
    const forget = eventLog.onAppend(() => this.wake());
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

  private async hearNew(): Promise<void> {
    for (;;) {
      const events = await this.tools.eventLog.readAll(this.position, PAGE_EVENTS);
      for (const event of events) this.tools.hear(event);
      this.position = events.at(-1)?.position ?? this.position;
      if (events.length < PAGE_EVENTS) return;
    }
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
