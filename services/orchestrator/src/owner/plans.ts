import { setTimeout as delay } from 'node:timers/promises';

/** So many clusters are looked at at once to be planned, over all windows. */
export const PLANS_AT_ONCE = 8;
/** When the process stops, plans under way are waited for so long. One that is not recorded by then is made again by the next. */
const STOP_LIMIT_MS = 2_000;

/** How a rollout that has no plan yet gets one. */
export interface PlanWork<T> {
  /** Looks at the cluster; null = it could not be looked at now. Never throws; ends by a deadline of its own. */
  readonly look: () => Promise<T | null>;
  /** Records what was planned. Not called when nobody wants it any more. Never throws. False = it was not recorded. */
  readonly record: (made: T) => Promise<boolean>;
  /** Called at the end, also where it was not wanted any more. */
  readonly ended: (recorded: boolean) => void;
}

interface Job {
  readonly windowId: string;
  readonly rolloutId: string;
  readonly run: () => Promise<void>;
}

/**
 * Plans rollouts beside whoever asks: a look at a cluster that cannot be reached takes its whole deadline, and nothing else
 * may wait for it. First come, first served, a bounded number at once.
 */
export class Plans {
  private readonly queue: Job[] = [];
  /** Ids of the rollouts that wait here or are under way. */
  private readonly known = new Set<string>();
  private readonly underWay = new Map<Job, Promise<void>>();
  /** Window id -> its rollouts that are to be planned. */
  private readonly wanted = new Map<string, ReadonlySet<string>>();
  private readonly recording = new Set<Job>();
  private stopping = false;

  /** Only these rollouts of the window are to be planned from now on: others that wait or are looked at are let go. */
  want(windowId: string, rolloutIds: readonly string[]): void {
    if (rolloutIds.length === 0) this.wanted.delete(windowId);
    else this.wanted.set(windowId, new Set(rolloutIds));
  }

  /** Plans a rollout that is wanted, when it is its turn. Asked for again before it has ended, it changes nothing. */
  make<T>(windowId: string, rolloutId: string, work: PlanWork<T>): void {
    if (this.stopping || this.known.has(rolloutId)) return;
    const job: Job = { windowId, rolloutId, run: () => this.plan(job, work) };
    this.known.add(rolloutId);
    this.queue.push(job);
    this.next();
  }

  /** Is a plan of this window being recorded at this moment? What is only looked at does not count: it can still be let go. */
  records(windowId: string): boolean {
    return [...this.recording].some((job) => job.windowId === windowId);
  }

  /** Resolves when nothing more is recorded. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.queue.length = 0;
    await Promise.race([Promise.all(this.underWay.values()), delay(STOP_LIMIT_MS, undefined, { ref: false })]);
    await Promise.all([...this.recording].map((job) => this.underWay.get(job) ?? Promise.resolve()));
  }

  private next(): void {
    while (this.underWay.size < PLANS_AT_ONCE) {
      const job = this.queue.shift();
      if (job === undefined) return;
      this.underWay.set(job, job.run());
    }
  }

  private async plan<T>(job: Job, { look, record, ended }: PlanWork<T>): Promise<void> {
    let recorded = false;
    // Not before it is noted as under way.
    await Promise.resolve();
    const made = this.isWanted(job) ? await look() : null;
    if (made !== null && this.isWanted(job)) {
      this.recording.add(job);
      recorded = await record(made);
      this.recording.delete(job);
    }
    this.underWay.delete(job);
    this.known.delete(job.rolloutId);
    ended(recorded);
    this.next();
  }

  private isWanted({ windowId, rolloutId }: Job): boolean {
    return !this.stopping && this.wanted.get(windowId)?.has(rolloutId) === true;
  }
}
