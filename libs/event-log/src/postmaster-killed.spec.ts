/**
 * 16 writers in four processes for 20 s, on a real PostgreSQL with fsync on, whose postmaster is killed with -9 five times and
 * whose backends are terminated fifty times meanwhile.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTestDatabase, startTestPostgres, type TestDatabase, type TestPostgres } from '@understudy/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore, type Store } from './index.js';

const PROCESSES = 4;
const WRITERS_PER_PROCESS = 4;
const WRITE_FOR_MS = 20_000;
const POSTMASTER_KILLS = 5;
const BACKEND_KILLS = 50;
const DEADLINE_MS = 240_000;
const POLL_MS = 20;

const BUILT = fileURLToPath(new URL('../dist/index.js', import.meta.url));

/** Runs compiled code until its time is over; prints each acknowledged append, one per line: command id and positions. */
const WRITER = `
const { openStore } = await import(process.argv[1]);
const [, , connectionString, process_, writers, forMs] = process.argv;
const store = await openStore({ connectionString, schema: 'orchestrator', poolSize: 3, appendDeadlineMs: 120000 });
const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
const event = (n) => ({ type: 'Noted', schemaVersion: 1, body: { n } });
const until = performance.now() + Number(forMs);
process.stdout.write('"begun"\\n');
async function write(writer) {
  const own = 'own/' + process_ + '/' + writer;
  for (let n = 0; performance.now() < until; n += 1) {
    const commandId = own + '/' + n;
    for (;;) {
      // Its own stream, two events, and every fifth time one that all writers fight for.
      const streams = [{ stream: own, expectedVersion: n * 2, events: [event(n), event(n)] }];
      if (n % 5 === 0) streams.push({ stream: 'contended/' + writer, expectedVersion: (await store.log.readStream('contended/' + writer).catch(() => [])).length, events: [event(n)] });
      const result = await store.log.append({ streams, metadata: { commandId, actor } });
      if (result.appended) {
        process.stdout.write(JSON.stringify({ commandId, positions: result.events.map((e) => e.position) }) + '\\n');
        break;
      }
      if (result.conflicts.some((conflict) => conflict.stream === own)) throw new Error('lost on its own stream: ' + JSON.stringify(result));
    }
  }
}
await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer)));
await store.close();
`;

interface Acknowledged {
  readonly commandId: string;
  readonly positions: readonly number[];
}

let server: TestPostgres;
let database: TestDatabase;
const children: ChildProcess[] = [];
const stores: Store[] = [];

beforeAll(async () => {
  expect(existsSync(BUILT), 'npm run build comes before this spec').toBe(true);
  server = await startTestPostgres({ fsync: true });
  database = await createTestDatabase(['orchestrator'], server);
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const store of stores) await store.close();
  await server.stop();
});

interface Writing {
  readonly begun: Promise<void>;
  readonly acknowledged: Promise<readonly Acknowledged[]>;
}

function writerProcess(number: number): Writing {
  const args = [database.serviceConnection('orchestrator'), String(number), String(WRITERS_PER_PROCESS), String(WRITE_FOR_MS)];
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, BUILT, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const seen: Acknowledged[] = [];
  let complaints = '';
  child.stderr?.on('data', (bytes: Buffer) => (complaints += bytes.toString()));
  const closed = new Promise<number | null>((done) => child.once('close', done));
  const begun = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line === '"begun"') resolve();
      else seen.push(JSON.parse(line) as Acknowledged);
    });
    void closed.then(() => resolve());
  });
  const acknowledged = closed.then((code) => {
    if (code !== 0) throw new Error(`writer ${number} ended with ${String(code)}: ${complaints}`);
    return seen;
  });
  return { begun, acknowledged };
}

/** Polls by position as a relay does, through every outage, until told to stop and at the end. */
async function reader(over: () => boolean): Promise<readonly string[]> {
  const store = await openStore({
    connectionString: database.serviceConnection('orchestrator'),
    schema: 'orchestrator',
    poolSize: 2,
  });
  stores.push(store);
  const seen: string[] = [];
  for (let after = 0; ;) {
    const last = over();
    const events = await store.log.readAll(after, 500).catch(() => undefined);
    for (const event of events ?? []) seen.push(`${event.position} ${event.stream}/${event.version} ${event.metadata.commandId}`);
    after = events?.at(-1)?.position ?? after;
    if (last && events?.length === 0) return seen;
    if (!events?.length) await delay(POLL_MS);
  }
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
