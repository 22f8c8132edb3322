/**
 * 16 writers in four processes for 20 s, on a real PostgreSQL with fsync on, whose postmaster is killed with -9 five times and
 * whose backends are terminated fifty times meanwhile.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { createTestDatabase, startTestPostgres, type TestDatabase, type TestPostgres } from '@understudy/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readToTheEnd, startWriters, type Writing } from './fixtures/contract.js';
import { openStore, type Store } from './index.js';

const PROCESSES = 4;
const WRITERS_PER_PROCESS = 4;
const WRITE_FOR_MS = 20_000;
const POSTMASTER_KILLS = 5;
const BACKEND_KILLS = 50;
const DEADLINE_MS = 240_000;

let server: TestPostgres;
let database: TestDatabase;
const children: ChildProcess[] = [];
const stores: Store[] = [];

beforeAll(async () => {
  server = await startTestPostgres({ fsync: true });
  database = await createTestDatabase(['orchestrator'], server);
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const store of stores) await store.close();
  await server.stop();
});

function writerProcess(number: number): Writing {
  const connectionString = database.serviceConnection('orchestrator');
  const contendedStreams = WRITERS_PER_PROCESS;
  const writing = startWriters({
    connectionString,
    number,
    writers: WRITERS_PER_PROCESS,
    contendedStreams,
    forMs: WRITE_FOR_MS,
  });
  children.push(writing.child);
  return writing;
}

async function reader(over: () => boolean): Promise<readonly string[]> {
  const store = await openStore({
    connectionString: database.serviceConnection('orchestrator'),
    schema: 'orchestrator',
    poolSize: 2,
  });
  stores.push(store);
  return readToTheEnd(store, over);
}

/** Ends one backend of the writers or readers, in the middle of an append if there is one. Answers how many it was. */
async function terminateBackend(): Promise<number> {
  const admin = new pg.Client({ connectionString: database.adminConnection, connectionTimeoutMillis: 2_000 });
  admin.on('error', () => undefined);
  try {
    await admin.connect();
    const { rows } = await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'understudy_orchestrator'
       order by (state = 'active' and query like '%append(%') desc, random() limit 1`,
    );
    return rows.length;
  } finally {
    await admin.end().catch(() => undefined);
  }
}

/** Spreads all kills over the writers' time. Answers how often each was done. */
async function kills(): Promise<{ readonly postmasters: number; readonly backends: number }> {
  let postmasters = 0;
  let backends = 0;
  const sinceMs = performance.now();
  const rounds = POSTMASTER_KILLS + BACKEND_KILLS;
  for (let round = 1; round <= rounds; round += 1) {
    await delay(Math.max(0, sinceMs + (round / (rounds + 1)) * WRITE_FOR_MS - performance.now()));
    if (round % Math.floor(rounds / POSTMASTER_KILLS) === 0) {
      await server.killAndRestart();
      postmasters += 1;
    } else backends += await terminateBackend();
  }
  return { postmasters, backends };
}

describe('a store whose server is killed again and again', () => {
  it(
    'loses no acknowledged event, doubles none, and shows every reader one order',
    async () => {
      let over = false;
      const readers = [1, 2].map(() => reader(() => over));
      const writers = Array.from({ length: PROCESSES }, (_, number) => writerProcess(number));
      await Promise.all(writers.map(({ begun }) => begun));
      const killed = await kills();
      const acknowledged = (await Promise.all(writers.map((writer) => writer.acknowledged))).flat();
      over = true;
      const [one, two] = await Promise.all(readers);

      expect(killed).toEqual({ postmasters: POSTMASTER_KILLS, backends: BACKEND_KILLS });
      expect(acknowledged.length).toBeGreaterThan(PROCESSES * WRITERS_PER_PROCESS * POSTMASTER_KILLS);
      expect(two).toEqual(one);
      const positions = (one ?? []).map((line) => Number(line.split(' ')[0]));
      expect(positions).toEqual(positions.map((_, index) => index + 1));
      // Every acknowledged event is at the position that its writer was told, and nothing else is there.
      const told = acknowledged.flatMap(({ commandId, positions: mine }) => mine.map((position) => `${position} ${commandId}`));
      const found = (one ?? []).map((line) => line.replace(/ \S+ /, ' '));
      expect(told.length).toBe(new Set(told).size);
      expect(new Set(found)).toEqual(new Set(told));
      expect(found.length).toBe(told.length);
      expect(await stores[0]?.log.verify()).toEqual({ intact: true, events: found.length, headPosition: found.length });
      process.stdout.write(
        `${acknowledged.length} acknowledged appends, ${found.length} events, ${killed.postmasters} postmasters and ${killed.backends} backends killed\n`,
      );
    },
    DEADLINE_MS,
  );
});
