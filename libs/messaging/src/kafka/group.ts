/**
 * One consumer group of one process, over all its topics (the members of a group must have the same subscriptions). Supervised: whatever
 * ends a session, a refused connection, a crash of the library, a broker that is gone for hours, the next one begins after a pause.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer as KafkaConsumer, EachBatchPayload } from 'kafkajs';
import type { Consumer } from '../api.js';
import { type Client, openClient } from './client.js';
import { Commits } from './commits.js';
import { Guard } from './guard.js';
import { Lane } from './lane.js';
import { settled } from './limits.js';
import type { KafkaOptions } from './options.js';
import { explained } from './publisher.js';

export interface GroupOptions {
  readonly kafka: KafkaOptions;
  readonly group: string;
  readonly consumers: readonly Consumer[];
  /** How long a member may be silent before its partitions go to others. */
  readonly sessionTimeoutMs: number;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** The longest wait of a fetch without data, and so of a stop. */
const FETCH_WAIT_MS = 250;
const HEARTBEATS_PER_SESSION = 10;
const FINISH_LIMIT_MS = 1_500;
const COMMIT_LIMIT_MS = 800;
/** Of the whole stop: what lanes and commits left of it is for leaving, so that nobody waits for this member. */
const STOP_LIMIT_MS = 4_000;
const LEAST_LEAVE_MS = 1_000;
/** A lane waits for the handlers of the one before it; a handler that never returns does not hold it longer than this. */
const HANDLER_END_LIMIT_MS = 10_000;

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;

export class ConsumerGroup {
  private readonly lanes = new Map<string, Lane>();
  private readonly guards = new Map<string, Guard>();
  private readonly ends = new Map<string, Promise<void>>();
  private readonly over = new AbortController();
  private commits: Commits | undefined;
  private running: Promise<void> | undefined;
  private session: { readonly client: Client; readonly consumer: KafkaConsumer } | undefined;
  private leaveLimitMs = STOP_LIMIT_MS;
  private trouble: string | undefined = 'not connected yet';

  constructor(private readonly options: GroupOptions) {}

  /** Begins in the background. */
  start(): void {
    this.running ??= this.supervise();
  }

  /** Ends within 5 s: lets the batches in hand end if they are quick, commits, leaves the group. */
  async stop(): Promise<void> {
    const began = performance.now();
    const lanes = [...this.lanes.values()];
    await settled(Promise.all(lanes.map((lane) => lane.close())), FINISH_LIMIT_MS);
    for (const lane of lanes) void lane.abort();
    await settled(this.commits?.flushed() ?? Promise.resolve(), COMMIT_LIMIT_MS);
    this.leaveLimitMs = Math.max(LEAST_LEAVE_MS, STOP_LIMIT_MS - (performance.now() - began));
    this.over.abort();
    await this.running;
  }

  /** Why this topic does not move, for people. */
  problem(topic: string): string | undefined {
    if (this.trouble !== undefined) return this.trouble;
    for (const [key, lane] of this.lanes) if (key.startsWith(`${topic}/`) && lane.problem !== undefined) return lane.problem;
    return undefined;
  }

  private async supervise(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.over.signal.aborted) {
      const began = performance.now();
      try {
        await this.consume();
      } catch (error) {
        this.trouble = explained(error, `The group ${this.options.group}`).message;
        this.options.kafka.log?.warn({ group: this.options.group }, this.trouble);
      }
      if (performance.now() - began > LONGEST_PAUSE_MS * 2) pauseMs = FIRST_PAUSE_MS;
      await delay(pauseMs, undefined, { signal: this.over.signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** One session: returns when it is to stop, rejects when it broke. */
  private async consume(): Promise<void> {
    const { kafka, group, sessionTimeoutMs } = this.options;
    const client = openClient(kafka);
    const consumer = client.kafka.consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.floor(sessionTimeoutMs / HEARTBEATS_PER_SESSION),
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: () => Promise.resolve(false) },
    });
    const broken = new Promise<never>((_resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    });
    broken.catch(() => undefined);
    // Sessions come and go for as long as a broker is away: none leaves its listener behind.
    const left = new AbortController();
    const stopped = new Promise<void>((resolve) =>
      this.over.signal.addEventListener('abort', () => resolve(), { once: true, signal: left.signal }),
    );
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.assigned(payload.memberAssignment));
    this.session = { client, consumer };
    const begun = this.begin(consumer);
    begun.catch(() => undefined);
    try {
      await Promise.race([begun, broken, stopped]);
      await Promise.race([broken, stopped]);
    } finally {
      left.abort();
      this.session = undefined;
      this.assigned({});
      // Whoever is cut off while joining stays a member until its session ends, and the others wait for it.
      const leave = async (): Promise<void> => {
        await begun.catch(() => undefined);
        await consumer.disconnect();
      };
      await settled(leave(), this.leaveLimitMs);
      client.cut();
    }
  }

  private async begin(consumer: KafkaConsumer): Promise<void> {
    const topics = this.options.consumers.map(({ subscription }) => subscription.topic);
    await consumer.connect();
    await consumer.subscribe({ topics, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: (payload) => this.take(payload) });
  }

  /** A new generation of the group: everything that was in hand comes again from the committed offset, to whom it now belongs. */
  private assigned(assignment: Readonly<Record<string, readonly number[]>>): void {
    this.trouble = undefined;
    this.commits?.end();
    this.commits = undefined;
    for (const [key, lane] of this.lanes) this.ends.set(key, settled(lane.abort(), HANDLER_END_LIMIT_MS));
    this.lanes.clear();
    const consumer = this.session?.consumer;
    if (consumer === undefined) return;
    const commits = this.commitsBy(consumer);
    this.commits = commits;
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) {
        const lane = this.openLane(topic, partition, commits);
        if (lane !== undefined) this.lanes.set(keyOf(topic, partition), lane);
      }
    }
    const paused = consumer.paused();
    if (paused.length > 0) consumer.resume(paused);
  }

  private commitsBy(consumer: KafkaConsumer): Commits {
    const { kafka, group } = this.options;
    return new Commits(
      (offsets) => consumer.commitOffsets(offsets),
      (error) => kafka.log?.warn({ group, reason: String(error) }, 'offsets were not committed yet'),
    );
  }

  private openLane(topic: string, partition: number, commits: Commits): Lane | undefined {
    const consumer = this.options.consumers.find(({ subscription }) => subscription.topic === topic);
    if (consumer === undefined) return undefined;
    const key = keyOf(topic, partition);
    const guard = this.guards.get(key) ?? new Guard();
    this.guards.set(key, guard);
    const own = [{ topic, partitions: [partition] }];
    return new Lane(
      { consumer, partition, guard, after: this.ends.get(key) ?? Promise.resolve() },
      {
        done: (offset) => commits.done({ topic, partition, offset }),
        pause: () => this.session?.consumer.pause(own),
        resume: () => this.session?.consumer.resume(own),
      },
    );
  }

  private async take({ batch, heartbeat }: EachBatchPayload): Promise<void> {
    this.lanes.get(keyOf(batch.topic, batch.partition))?.push(batch.messages);
    await heartbeat();
  }
}
