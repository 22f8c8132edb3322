import type { Store } from '@understudy/event-log';
import type { Log } from '@understudy/runtime';
import type { Ledgers } from '../use-cases/ledgers.js';

const DUTY = 'clock';

/** Judges every ledger again from time to time, so that waivers lapse and baselines count. One process at a time does it (a duty). */
export class Clock {
  private loop: Promise<void> | undefined;
  private stopping = false;
  private wakeUp: (() => void) | undefined;
  private pending = false;

  constructor(
    private readonly store: Store,
    private readonly ledgers: Ledgers,
    private readonly log: Log,
    private readonly intervalMs: number,
  ) {}

  start(): void {
    this.stopping = false;
    this.loop ??= this.run();
  }

  /** Lets a round under way end. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.loop;
    this.loop = undefined;
  }

  /** Judge now, e.g. because a baseline changed. */
  wake(): void {
    this.pending = true;
    this.wakeUp?.();
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      await this.sleep();
      if (this.stopping) return;
      this.pending = false;
      try {
        if (await this.store.takeDuty(DUTY)) await this.ledgers.reassessAll();
      } catch (error) {
        this.log.warn({ err: error }, 'the ledgers could not be judged again; the next round comes');
      }
    }
  }

  private async sleep(): Promise<void> {
    if (this.pending) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.intervalMs);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }
}
