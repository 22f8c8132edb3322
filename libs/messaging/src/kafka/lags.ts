/** How far groups are behind their topics, as the broker knows it: the end of each partition against the committed offset. */
import type { Admin } from 'kafkajs';
import { type Client, openClient } from './client.js';
import { settled, within } from './limits.js';
import type { KafkaOptions } from './options.js';

export interface GroupTopic {
  readonly group: string;
  readonly topic: string;
}

/** Readiness is asked for often and must not hang. */
const ASK_LIMIT_MS = 1_500;
const CLOSE_LIMIT_MS = 500;
const NOTHING_COMMITTED = '-1';

interface Line {
  readonly client: Client;
  readonly admin: Admin;
  readonly connected: Promise<void>;
}

export class LagReader {
  private line: Line | undefined;
  private asking: Promise<readonly number[]> | undefined;
  private closed = false;

  constructor(
    private readonly options: KafkaOptions,
    private readonly places: readonly GroupTopic[],
  ) {}

  /** Events not yet committed, in the order of the places. Rejects if the broker does not answer within 1.5 s. */
  read(): Promise<readonly number[]> {
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    return this.asking;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.drop();
  }

  private async ask(): Promise<readonly number[]> {
    if (this.places.length === 0 || this.closed) return this.places.map(() => 0);
    try {
      const line = (this.line ??= this.connect());
      return await within(ASK_LIMIT_MS, 'The question how far the groups are', this.measure(line));
    } catch (error) {
      await this.drop();
      throw error;
    }
  }

  private async measure({ admin, connected }: Line): Promise<readonly number[]> {
    await connected;
    const topics = [...new Set(this.places.map(({ topic }) => topic))];
    // Offsets first: what is published between the two questions counts as not consumed, never the other way round.
    const committed = await Promise.all(
      this.places.map(
        async ({ group, topic }) => (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0]?.partitions ?? [],
      ),
    );
    const ends = new Map(await Promise.all(topics.map(async (topic) => [topic, await admin.fetchTopicOffsets(topic)] as const)));
    return this.places.map(({ topic }, index) =>
      (ends.get(topic) ?? []).reduce((sum, { partition, high, low }) => {
        const offset = committed[index]?.find((one) => one.partition === partition)?.offset ?? NOTHING_COMMITTED;
        return sum + Math.max(0, Number(high) - Number(offset === NOTHING_COMMITTED ? low : offset));
      }, 0),
    );
  }

  private connect(): Line {
    const client = openClient(this.options);
    const admin = client.kafka.admin();
    const connected = admin.connect();
    connected.catch(() => undefined);
    return { client, admin, connected };
  }

  private async drop(): Promise<void> {
    const { line } = this;
    this.line = undefined;
    if (line === undefined) return;
    line.client.cut();
    await settled(line.admin.disconnect(), CLOSE_LIMIT_MS);
  }
}
