/**
 * Appends through the log that ships (one writer that coalesces, the function with lock, head check, positions and chain)
 * against what one would write without it: a prepared insert per event through a pool of 16.
 */
import { randomUUID } from 'node:crypto';
import { type EventMetadata, type Store, openStore } from '@understudy/event-log';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { type Benchmark, type Report, median, medianRatio, quantile } from './benchmark.js';
import { startBenchDatabase } from './database.js';

const CALLERS = 128;
const EVENTS_PER_STREAM = 14;
const POOL_SIZE = 16;
const ROUNDS = 7;
const STREAMS_PER_CALLER = 6;
/** The function called one append at a time is slow: fewer events, same callers. */
const SINGLE_STREAMS_PER_CALLER = 1;
const BODY_BYTES = 500;

const actor = { subject: 'bench', role: 'operator', authentication: 'internal', from: 'bench' };
const body = { step: '04-patch-b', text: 'x'.repeat(BODY_BYTES - 40) };

/** Appends one event to a stream, in a given version. */
type AppendOne = (stream: string, version: number) => Promise<void>;

interface Round {
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** Every caller fills its streams one event after the other, all callers at once. */
async function round(append: AppendOne, streamsPerCaller: number): Promise<Round> {
  const latencies: number[] = [];
  const caller = async (): Promise<void> => {
    for (let count = 0; count < streamsPerCaller; count += 1) {
      const stream = `rollout/${uuidv7()}`;
      for (let version = 1; version <= EVENTS_PER_STREAM; version += 1) {
        const before = performance.now();
        await append(stream, version);
        latencies.push(performance.now() - before);
      }
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const seconds = (performance.now() - start) / 1_000;
  return { perSecond: latencies.length / seconds, p99Ms: quantile(latencies, 0.99) };
}

const metadata = (): EventMetadata => ({ commandId: randomUUID(), actor });

function throughTheLog(store: Store): AppendOne {
  return async (stream, version) => {
    const events = [{ type: 'StepRequested', schemaVersion: 1, body }];
    const result = await store.log.append({ streams: [{ stream, expectedVersion: version - 1, events }], metadata: metadata() });
    if (!result.appended) throw new Error(`${stream} conflicted at version ${version}: the benchmark is broken`);
  };
}

/** The same function without the writer: each append its own call and commit, through the pool. */
function oneAtATime(pool: pg.Pool): AppendOne {
  return async (stream, version) => {
    const given = Buffer.from(JSON.stringify(metadata()));
    const bytes = Buffer.from(JSON.stringify(body));
    const sizes = [[1], [given.length], [given.length + 1], [bytes.length]];
    const values = [[stream], [version - 1], [0], [1], ['StepRequested'], [1], ...sizes, Buffer.concat([given, bytes])];
    const text = 'select base, lost from orchestrator.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)';
    const { rows } = await pool.query<{ lost: unknown }>({ name: 'one', text, values });
    if (rows[0]?.lost) throw new Error(`${stream} conflicted at version ${version}: the benchmark is broken`);
  };
}

const PARTNER_TABLE = `
  create schema bench;
  create table bench.event (
    position bigint generated always as identity primary key, stream text not null, version integer not null, type text not null,
    schema_version integer not null, time timestamptz not null default clock_timestamp(), metadata json not null, body json not null,
    unique (stream, version));`;

function preparedInserts(pool: pg.Pool): AppendOne {
  const text = 'insert into bench.event (stream, version, type, schema_version, metadata, body) values ($1, $2, $3, $4, $5, $6)';
  return async (stream, version) => {
    const values = [stream, version, 'StepRequested', 1, JSON.stringify(metadata()), JSON.stringify(body)];
    await pool.query({ name: 'insert', text, values });
  };
}

interface Contestant {
  readonly name: string;
  readonly append: AppendOne;
  readonly streamsPerCaller: number;
  readonly rounds: Round[];
}

function report(contestants: readonly [Contestant, Contestant, Contestant]): Report {
  const speeds = (one: Contestant): number[] => one.rounds.map((each) => each.perSecond);
  const tails = (one: Contestant): number[] => one.rounds.map((each) => each.p99Ms);
  const [log, partner, single] = contestants;
  return {
    title: 'Append',
    method: `${CALLERS} callers, streams of ${EVENTS_PER_STREAM} events of ${BODY_BYTES} bytes, one event per append, fsync on; median of ${ROUNDS} interleaved rounds, ratios within a round.`,
    columns: ['what', 'appends per second', 'p99 ms', 'slowest to fastest round'],
    rows: contestants.map((one) => {
      const all = speeds(one);
      return [
        one.name,
        median(all).toFixed(0),
        median(tails(one)).toFixed(1),
        `${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)}`,
      ];
    }),
    targets: [
      {
        what: 'appends per second against prepared inserts',
        measured: medianRatio(speeds(log), speeds(partner)),
        required: 2,
        sense: 'at-least',
      },
      {
        what: 'p99 against prepared inserts',
        measured: medianRatio(tails(log), tails(partner)),
        required: 0.6,
        sense: 'at-most',
      },
      {
        what: 'appends per second against one at a time',
        measured: medianRatio(speeds(log), speeds(single)),
        required: 8,
        sense: 'at-least',
      },
    ],
  };
}

async function compete(
  store: Store,
  pools: { readonly partner: pg.Pool; readonly single: pg.Pool },
  progress: (line: string) => void,
): Promise<Report> {
  const log: Contestant = { name: 'the log', append: throughTheLog(store), streamsPerCaller: STREAMS_PER_CALLER, rounds: [] };
  const partner: Contestant = {
    name: `prepared inserts, pool of ${POOL_SIZE}`,
    append: preparedInserts(pools.partner),
    streamsPerCaller: STREAMS_PER_CALLER,
    rounds: [],
  };
  const single: Contestant = {
    name: 'the same function, one append at a time',
    append: oneAtATime(pools.single),
    streamsPerCaller: SINGLE_STREAMS_PER_CALLER,
    rounds: [],
  };
  for (const one of [log, partner, single]) await round(one.append, 1);
  for (let number = 0; number < ROUNDS; number += 1) {
    // Whoever comes first meets another machine than whoever comes last: take turns.
    const order = number % 2 === 0 ? [log, partner, single] : [single, partner, log];
    for (const one of order) one.rounds.push(await round(one.append, one.streamsPerCaller));
    const speeds = [log, partner, single].map(
      (one) => `${one.name} ${one.rounds.at(-1)?.perSecond.toFixed(0)}/s p99 ${one.rounds.at(-1)?.p99Ms.toFixed(1)} ms`,
    );
    progress(`round ${number + 1} of ${ROUNDS}: ${speeds.join(', ')}`);
  }
  return report([log, partner, single]);
}

export const append: Benchmark = {
  name: 'append',
  purpose: 'appends of one event, 128 callers, against prepared inserts and against the function called one at a time',
  run: async (progress) => {
    const database = await startBenchDatabase();
    const partner = new pg.Pool({ connectionString: database.adminConnection, max: POOL_SIZE });
    const single = new pg.Pool({ connectionString: database.serviceConnection, max: POOL_SIZE });
    const store = await openStore({ connectionString: database.serviceConnection, schema: 'orchestrator' });
    try {
      for (const pool of [partner, single]) pool.on('error', () => undefined);
      await partner.query(PARTNER_TABLE);
      return await compete(store, { partner, single }, progress);
    } finally {
      await store.close();
      await partner.end();
      await single.end();
      await database.stop();
    }
  },
};
