/** The comparison of the topics for a service that started without its broker: made when the broker is there. */
import { setTimeout as delay } from 'node:timers/promises';
import { MessagingError } from '../../errors.js';
import type { KafkaOptions } from '../options.js';
import type { TopicPlan } from './document.js';
import { topicDifferences } from './topics.js';

const TRY_LIMIT_MS = 5_000;
const PAUSE_MS = 5_000;

export class LateCheck {
  private readonly over = new AbortController();
  private differences: ReadonlyMap<string, string> = new Map();

  constructor(
    private readonly options: KafkaOptions,
    private readonly plan: readonly TopicPlan[],
  ) {}

  /** Goes on in the background until the topics are as the document says: a person may be creating them at this moment. */
  start(): void {
    void this.supervise();
  }

  /** A comparison that is being made ends by itself within 6 s. */
  stop(): void {
    this.over.abort();
  }

  /** How this topic differs, for people; undefined = it does not, or the broker has not answered yet. */
  problem(topic: string): string | undefined {
    return this.differences.get(topic);
  }

  private async supervise(): Promise<void> {
    const { signal } = this.over;
    for (;;) {
      await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || (await this.once())) return;
    }
  }

  /** True if nothing differs. */
  private async once(): Promise<boolean> {
    try {
      this.differences = await topicDifferences(this.options, this.plan, TRY_LIMIT_MS);
      return this.differences.size === 0;
    } catch (error) {
      if (!(error instanceof MessagingError)) throw error;
      // A broker that is away is told by whoever waits for it; what it said when it was there may not be true any more.
      const told = error.code === 'BROKER_AWAY' ? [] : this.plan.map(({ name }) => [name, error.message] as const);
      this.differences = new Map(told);
      return false;
    }
  }
}
