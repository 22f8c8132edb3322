/**
 * From a service's log to another service's projection over a real Kafka: append, relay, broker, consumer group, guarded upsert. The
 * partner is a bare kafkajs producer and consumer with the same payload, once doing nothing with it, once with the same upsert.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Store, openStore } from '@understudy/event-log';
import {
  KAFKA_RELAY,
  KafkaTransport,
  type MessageHandler,
  type TopicPlan,
  applyTopics,
  sourcePosition,
} from '@understudy/messaging';
import { type Broker, startBroker } from '@understudy/practice/broker';
// The partner is the bare library.
import kafkajs, { type Consumer, type Producer } from 'kafkajs';
import { type Benchmark, type Report, median, medianRatio, quantile } from './benchmark.js';
import { startBenchDatabase } from './database.js';

const EVENTS = 10_000;
const KEYS = 500;
const BATCH_EVENTS = 500;
const BODY_BYTES = 300;
const ROUNDS = 5;
const PACED_PER_SECOND = 500;
const PACED_SECONDS = 10;
const PACE_MS = 10;
const WAIT_LIMIT_MS = 120_000;
const TYPE = 'understudy.orchestrator.noted.v1';

const actor = { subject: 'bench', role: 'operator', authentication: 'internal', from: 'bench' };
const body = (key: string) => ({ key, text: 'x'.repeat(BODY_BYTES - 40) });
const keyOf = (index: number): string => `cluster-${index % KEYS}`;

const TABLE = `
  create schema projection;
  create table projection.latest (key text primary key, position bigint not null, body json not null);
  grant usage on schema projection to understudy_orchestrator;
  grant select, insert, update on projection.latest to understudy_orchestrator;`;
const UPSERT = `
  insert into projection.latest as l (key, position, body) select * from unnest($1::text[], $2::bigint[], $3::json[])
  on conflict (key) do update set position = excluded.position, body = excluded.body where l.position < excluded.position`;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not reached within ${WAIT_LIMIT_MS} ms: ${condition.toString()}`);
    await delay(2);
  }
}

interface Stage {
  readonly broker: Broker;
  readonly from: Store;
  readonly to: Store;
}

interface Row {
  readonly key: string;
  readonly position: number;
  readonly text: string;
}

/**
 * The projection: a guarded upsert, committed before its handler returns. Rows that are written at the same time go in one statement,
 * one statement at a time; a key is never in it twice, because a consumer hears a key's events one after the other.
 */
class Latest {
  private waiting: { readonly row: Row; readonly resolve: () => void; readonly reject: (reason: unknown) => void }[] = [];
  private writing = false;

  constructor(private readonly store: Store) {}

  put(row: Row): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ row, resolve, reject });
      if (!this.writing) void this.write();
    });
  }

  private async write(): Promise<void> {
    this.writing = true;
    while (this.waiting.length > 0) {
      // Whoever is about to write in this turn of the loop goes along.
      await new Promise<void>((done) => setImmediate(done));
      const flush = this.waiting;
      this.waiting = [];
      const rows = flush.map(({ row }) => row);
      const values = [rows.map(({ key }) => key), rows.map(({ position }) => position), rows.map(({ text }) => text)];
      try {
        await this.store.pool.query({ name: 'latest', text: UPSERT, values });
        for (const { resolve } of flush) resolve();
      } catch (error) {
        for (const { reject } of flush) reject(error);
      }
    }
    this.writing = false;
  }
}

/** What ships, between two stores: how many were projected, and when. */
class Ours {
  projected = 0;
  readonly doneAt = new Map<string, number>();
  private versions = 0;
  private readonly transport: KafkaTransport;

  constructor(
    private readonly stage: Stage,
    topic: string,
  ) {
    const latest = new Latest(stage.to);
    const handler: MessageHandler = async (event) => {
      await latest.put({ key: event.partitionkey, position: sourcePosition(event), text: JSON.stringify(event.data) });
      this.projected += 1;
      this.doneAt.set(event.id, performance.now());
    };
    this.transport = new KafkaTransport({ ...stage.broker.client('bench'), checkTopics: false });
    this.transport.produce({
      service: 'orchestrator',
      topic,
      store: stage.from,
      publish: (stored) => {
        const { key } = stored.body as { readonly key: string };
        return { type: TYPE, key, subject: key, data: stored.body };
      },
    });
    this.transport.consume({ store: stage.to, subscription: { group: 'bench', topic, handlers: { [TYPE]: handler } } });
  }

  async start(): Promise<void> {
    await this.transport.start();
    await until(async () => (await this.transport.lag()).every(({ events, problem }) => events === 0 && problem === undefined));
  }

  stop(): Promise<void> {
    return this.transport.stop();
  }

  /** Appends events to one stream, and answers their ids. */
  async append(count: number): Promise<readonly string[]> {
    const expectedVersion = this.versions;
    const events = Array.from({ length: count }, (_, index) => ({
      type: 'Noted',
      schemaVersion: 1,
      body: body(keyOf(expectedVersion + index)),
    }));
    this.versions += count;
    const streams = [{ stream: 'bench/kafka', expectedVersion, events }];
    const result = await this.stage.from.log.append({ streams, metadata: { commandId: randomUUID(), actor } });
    if (!result.appended) throw new Error('the append conflicted: the benchmark is broken');
    return events.map((_, index) => `bench/kafka/${expectedVersion + index + 1}`);
  }

  async round(): Promise<number> {
    const goal = this.projected + EVENTS;
    await this.append(EVENTS);
    const start = performance.now();
    await until(() => this.projected >= goal);
    return (EVENTS / (performance.now() - start)) * 1_000;
  }

  /** Milliseconds from the call of an append to the commit of the projection, at a steady pace. */
  async paced(): Promise<readonly number[]> {
    const begun = new Map<string, number>();
    const perTick = (PACED_PER_SECOND * PACE_MS) / 1_000;
    const appends: Promise<unknown>[] = [];
    const start = performance.now();
    for (let tick = 0; tick < (PACED_SECONDS * 1_000) / PACE_MS; tick += 1) {
      const now = performance.now();
      appends.push(this.append(perTick).then((ids) => ids.forEach((id) => begun.set(id, now))));
      await delay(Math.max(0, start + (tick + 1) * PACE_MS - performance.now()));
    }
    await Promise.all(appends);
    await until(() => [...begun.keys()].every((id) => this.doneAt.has(id)));
    return [...begun].map(([id, at]) => (this.doneAt.get(id) ?? Number.NaN) - at);
  }
}

/** The same records as ours: a CloudEvent in binary mode. */
const headersOf = (key: string, position: number): Readonly<Record<string, string>> => ({
  'content-type': 'application/json',
  ce_specversion: '1.0',
  ce_id: `bench/kafka/${position}`,
  ce_source: '/understudy/orchestrator/01981a5c-7d2e-7c7b-a3c4-0a1b2c3d4e5f',
  ce_type: TYPE,
  ce_subject: key,
  ce_time: '2026-01-01T00:00:00.000Z',
  ce_partitionkey: key,
  ce_sequence: String(position).padStart(20, '0'),
});

/** kafkajs as its documentation shows it: batches of 500 in, `eachMessage` out. */
class Bare {
  received = 0;
  private sent = 0;
  private readonly producer: Producer;
  private readonly consumer: Consumer;

  constructor(
    { broker }: Stage,
    private readonly topic: string,
    private readonly latest: Latest | undefined,
  ) {
    const kafka = new kafkajs.Kafka({ brokers: [broker.address], clientId: 'bare', logLevel: kafkajs.logLevel.NOTHING });
    this.producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    this.consumer = kafka.consumer({ groupId: `bare-${topic}`, maxWaitTimeInMs: 250 });
  }

  async start(): Promise<void> {
    await this.producer.connect();
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: [this.topic], fromBeginning: true });
    const joined = new Promise<void>((resolve) => this.consumer.on(this.consumer.events.GROUP_JOIN, () => resolve()));
    await this.consumer.run({
      partitionsConsumedConcurrently: PARTITIONS,
      eachMessage: async ({ message }) => {
        const event = JSON.parse(String(message.value)) as { readonly key: string };
        const position = Number(message.headers?.['ce_sequence']?.toString());
        await this.latest?.put({ key: event.key, position, text: String(message.value) });
        this.received += 1;
      },
    });
    await joined;
  }

  async stop(): Promise<void> {
    await this.consumer.disconnect();
    await this.producer.disconnect();
  }

  async round(): Promise<number> {
    const goal = this.received + EVENTS;
    const messages = Array.from({ length: EVENTS }, (_, index) => {
      this.sent += 1;
      const key = keyOf(index);
      return { key, value: JSON.stringify(body(key)), headers: headersOf(key, this.sent) };
    });
    const start = performance.now();
    for (let at = 0; at < EVENTS; at += BATCH_EVENTS) {
      await this.producer.send({ topic: this.topic, acks: -1, messages: messages.slice(at, at + BATCH_EVENTS) });
    }
    await until(() => this.received >= goal);
    return (EVENTS / (performance.now() - start)) * 1_000;
  }
}

const PARTITIONS = 6;
const topicOf = (name: string): TopicPlan => ({
  name,
  partitions: PARTITIONS,
  retentionMs: -1,
  maxMessageBytes: 1_048_576,
  producer: 'orchestrator',
  consumers: ['bench'],
});

interface Figures {
  readonly ours: number[];
  readonly bare: number[];
  readonly writing: number[];
  readonly latenciesMs: readonly number[];
}

async function measure(stage: Stage, progress: (line: string) => void): Promise<Figures> {
  const topics = ['bench.ours', 'bench.bare', 'bench.writing'] as const;
  await applyTopics(stage.broker.client('topics'), topics.map(topicOf));
  const ours = new Ours(stage, topics[0]);
  const bare = new Bare(stage, topics[1], undefined);
  const writing = new Bare(stage, topics[2], new Latest(stage.to));
  const contestants = [ours, bare, writing] as const;
  try {
    for (const one of contestants) await one.start();
    for (const one of contestants) await one.round();
    const speeds: readonly [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      const order = round % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
      for (const index of order) speeds[index]?.push((await contestants[index]?.round()) ?? Number.NaN);
      progress(
        `round ${round + 1} of ${ROUNDS}: ${speeds.map((all) => `${all.at(-1)?.toFixed(0)}/s`).join(', ')} (ours, bare, bare with the upsert)`,
      );
    }
    const latenciesMs = await ours.paced();
    return { ours: speeds[0], bare: speeds[1], writing: speeds[2], latenciesMs };
  } finally {
    for (const one of contestants) await one.stop();
  }
}

function report({ ours, bare, writing, latenciesMs }: Figures): Report {
  const row = (name: string, speeds: readonly number[]): readonly string[] => [
    name,
    median(speeds).toFixed(0),
    `${Math.min(...speeds).toFixed(0)} to ${Math.max(...speeds).toFixed(0)}`,
  ];
  const latency = (fraction: number): string => quantile(latenciesMs, fraction).toFixed(1);
  return {
    title: 'Log to projection over Kafka',
    method: `${EVENTS} events of ${BODY_BYTES} bytes over ${KEYS} keys and ${PARTITIONS} partitions, from the commit in the log (${KAFKA_RELAY}) to the commit of a guarded upsert per event (what is written at the same time goes in one statement); partner: bare kafkajs, batches of ${BATCH_EVENTS}, \`acks -1\`, the same records (key, value and headers). One broker, on the same machine. At ${PACED_PER_SECOND} events per second, from the call of the append to the commit in the projection: median ${latency(0.5)} ms, p99 ${latency(0.99)} ms. Median of ${ROUNDS} interleaved rounds, ratios within a round.`,
    columns: ['what', 'events per second', 'slowest to fastest round'],
    rows: [
      row('log to projection', ours),
      row('bare kafkajs, nothing done', bare),
      row('bare kafkajs, the same upsert', writing),
    ],
    targets: [
      {
        what: 'throughput against bare kafkajs that does nothing',
        measured: medianRatio(ours, bare),
        required: 0.5,
        sense: 'at-least',
      },
      {
        what: 'throughput against bare kafkajs with the same upsert',
        measured: medianRatio(ours, writing),
        required: 0.5,
        sense: 'at-least',
      },
    ],
  };
}

export const kafka: Benchmark = {
  name: 'kafka',
  purpose: 'from one service’s log to another’s projection over a real Kafka, against bare kafkajs',
  run: async (progress) => {
    const database = await startBenchDatabase();
    const broker = await startBroker();
    const admin = await openStore({ connectionString: database.adminConnection, schema: 'orchestrator' });
    await admin.pool.query(TABLE);
    await admin.close();
    const from = await openStore({ connectionString: database.serviceConnection, schema: 'orchestrator' });
    const to = await openStore({ connectionString: database.serviceConnection, schema: 'orchestrator' });
    try {
      return report(await measure({ broker, from, to }, progress));
    } finally {
      await from.close();
      await to.close();
      await broker.stop();
      await database.stop();
    }
  },
};
