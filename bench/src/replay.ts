/** A full replay through the log's read path, against the least that any reader must do: COPY out and JSON.parse. */
import { randomUUID } from 'node:crypto';
import { type EventLog, type NewEvent, type Store, openStore } from '@understudy/event-log';
import pg from 'pg';
import { type Benchmark, type Report, median, medianRatio } from './benchmark.js';
import { startBenchDatabase } from './database.js';
import { copyLines } from './partner-copy.js';

const EVENTS = 1_000_000;
const EVENTS_PER_STREAM = 14;
const ROUNDS = 7;
const WRITERS = 64;
const BODY_BYTES = 500;
const MIB = 1024 * 1024;

const actor = { subject: 'bench', role: 'operator', authentication: 'internal', from: 'bench' };

async function fill(log: EventLog, progress: (line: string) => void): Promise<number> {
  let started = 0;
  const writer = async (): Promise<void> => {
    while (started < EVENTS) {
      const count = Math.min(EVENTS_PER_STREAM, EVENTS - started);
      const first = started;
      started += count;
      const events: NewEvent[] = Array.from({ length: count }, (_, index) => ({
        type: 'StepRequested',
        schemaVersion: 1,
        body: { number: first + index, step: '04-patch-b', text: 'x'.repeat(BODY_BYTES - 60) },
      }));
      await log.append({
        streams: [{ stream: `rollout/${randomUUID()}`, expectedVersion: 0, events }],
        metadata: { commandId: randomUUID(), actor },
      });
    }
  };
  progress(`filling the log with ${EVENTS} events`);
  await Promise.all(Array.from({ length: WRITERS }, writer));
  return await log.headPosition();
}

interface Pass {
  readonly seconds: number;
  readonly peakMiB: number;
}

/** Runs one full read that reports each event's number to `see`, and checks that every event was seen. */
async function pass(read: (see: (body: { readonly number: number }) => void) => Promise<void>): Promise<Pass> {
  let count = 0;
  let sum = 0;
  let peak = 0;
  const start = performance.now();
  await read((body) => {
    count += 1;
    sum += body.number;
    if (count % 10_000 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  });
  const seconds = (performance.now() - start) / 1_000;
  if (count !== EVENTS || sum !== (EVENTS * (EVENTS - 1)) / 2)
    throw new Error(`a reader saw ${count} events: the benchmark is broken`);
  return { seconds, peakMiB: peak / MIB };
}

function report(log: readonly Pass[], rows: readonly Pass[], bodies: readonly Pass[]): Report {
  const seconds = (passes: readonly Pass[]): number => median(passes.map((one) => one.seconds));
  const row = (name: string, passes: readonly Pass[]): string[] => [
    name,
    seconds(passes).toFixed(2),
    (EVENTS / seconds(passes)).toFixed(0),
    Math.max(...passes.map((one) => one.peakMiB)).toFixed(0),
  ];
  return {
    title: 'Replay',
    method: `${EVENTS} events with bodies of ${BODY_BYTES} bytes, ${EVENTS_PER_STREAM} to an append; median of ${ROUNDS} interleaved rounds, the ratio within a round, each reader in the same process.`,
    columns: ['what', 'seconds', 'events per second', 'peak memory of the process, MiB'],
    rows: [
      row('the log: whole events', log),
      row('COPY of whole rows, JSON.parse of the body', rows),
      row('COPY of the bodies alone, JSON.parse (no stream, no position, nothing to fold by)', bodies),
    ],
    targets: [
      {
        what: 'time against COPY of whole rows and JSON.parse of the body',
        measured: medianRatio(
          log.map((one) => one.seconds),
          rows.map((one) => one.seconds),
        ),
        required: 1.3,
        sense: 'at-most',
      },
      {
        what: 'peak memory of the process, MiB',
        measured: Math.max(...log.map((one) => one.peakMiB)),
        required: 512,
        sense: 'at-most',
      },
    ],
  };
}

async function measure(store: Store, client: pg.Client, progress: (line: string) => void): Promise<Report> {
  const bodies = 'copy (select body from orchestrator.event order by position) to stdout';
  const rows =
    'copy (select body, metadata, position, stream, version, type, schema_version, time, hash from orchestrator.event order by position) to stdout';
  const readers = {
    log: (see: (body: { readonly number: number }) => void) =>
      store.log.replay(0, (event) => see(event.body as { number: number })),
    bodies: (see: (body: { readonly number: number }) => void) =>
      copyLines(client, bodies, ([body]) => see(JSON.parse(body ?? '') as { number: number })),
    rows: (see: (body: { readonly number: number }) => void) =>
      copyLines(client, rows, ([body]) => see(JSON.parse(body ?? '') as { number: number })),
  };
  const passes: Record<keyof typeof readers, Pass[]> = { log: [], rows: [], bodies: [] };
  await pass(readers.log);
  for (let number = 0; number < ROUNDS; number += 1) {
    const order = number % 2 === 0 ? (['log', 'rows', 'bodies'] as const) : (['bodies', 'rows', 'log'] as const);
    for (const name of order) passes[name].push(await pass(readers[name]));
    progress(
      `round ${number + 1} of ${ROUNDS}: ${order.map((name) => `${name} ${passes[name].at(-1)?.seconds.toFixed(2)} s`).join(', ')}`,
    );
  }
  return report(passes.log, passes.rows, passes.bodies);
}

export const replay: Benchmark = {
  name: 'replay',
  purpose: 'a full replay of a million events against COPY TO STDOUT and JSON.parse',
  run: async (progress) => {
    const database = await startBenchDatabase();
    const store = await openStore({ connectionString: database.serviceConnection, schema: 'orchestrator' });
    const client = new pg.Client({ connectionString: database.adminConnection });
    try {
      await client.connect();
      await fill(store.log, progress);
      await client.query('vacuum analyze orchestrator.event');
      return await measure(store, client, progress);
    } finally {
      await client.end();
      await store.close();
      await database.stop();
    }
  },
};
