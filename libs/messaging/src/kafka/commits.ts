/**
 * What is done under one assignment of partitions, on its way to the broker. Each assignment has one of its own: what was done under
 * an earlier one is not committed any more, because its partition may belong to somebody else, who is further on.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface DoneOffset {
  readonly topic: string;
  readonly partition: number;
  /** The next one to be taken. */
  readonly offset: string;
}

const PAUSE_MS = 500;

export class Commits {
  private readonly waiting = new Map<string, DoneOffset>();
  private readonly over = new AbortController();
  private passing: Promise<void> | undefined;

  constructor(
    private readonly commit: (offsets: DoneOffset[]) => Promise<void>,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Commits it in the background. A commit that fails costs a second delivery, no more. */
  done(offset: DoneOffset): void {
    if (this.over.signal.aborted) return;
    this.waiting.set(`${offset.topic}/${offset.partition}`, offset);
    void this.flushed();
  }

  /** Resolves when nothing is left to commit, or this assignment is over. */
  flushed(): Promise<void> {
    this.passing ??= this.pass();
    return this.passing;
  }

  /** The assignment is over: what was not committed comes again, to whom it now belongs. */
  end(): void {
    this.over.abort();
    this.waiting.clear();
  }

  private async pass(): Promise<void> {
    // Never before `passing` is set.
    await Promise.resolve();
    while (this.waiting.size > 0 && !this.over.signal.aborted) {
      const offsets = [...this.waiting];
      this.waiting.clear();
      try {
        await this.commit(offsets.map(([, offset]) => offset));
      } catch (error) {
        if (this.over.signal.aborted) break;
        this.failed(error);
        for (const [key, offset] of offsets) if (!this.waiting.has(key)) this.waiting.set(key, offset);
        await delay(PAUSE_MS, undefined, { signal: this.over.signal }).catch(() => undefined);
      }
    }
    // In the same turn as the look at what waits: whatever is done from now on begins a pass of its own.
    this.passing = undefined;
  }
}
