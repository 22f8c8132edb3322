/** 16 writers in four processes, connections killed and commits delayed, while readers poll by position. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type TestDatabase, createTestStore } from '@understudy/testing';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import type { Store } from './index.js';

const PROCESSES = 4;
const WRITERS_PER_PROCESS = 4;
const APPENDS_PER_WRITER = 30;
const KILLS = 12;
const KILL_EVERY_MS = 100;
const DEADLINE_MS = 120_000;
const POLL_MS = 10;

const BUILT = fileURLToPath(new URL('../dist/index.js', import.meta.url));

/** Runs compiled code; prints each acknowledged append, one per line: command id and positions. */
const WRITER = `
const { openStore } = await import(process.argv[1]);
const [, , connectionString, process_, writers, appends] = process.argv;
const store = await openStore({ connectionString, schema: 'orchestrator', poolSize: 3 });
const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
const event = (n) => ({ type: 'Noted', schemaVersion: 1, body: { n } });
async function write(writer) {
  const own = 'own/' + process_ + '/' + writer;
  for (let n = 0; n < appends; n += 1) {
    const commandId = own + '/' + n;
    for (;;) {
      // Its own stream, two events, and every fifth time one that all writers fight for.
      const streams = [{ stream: own, expectedVersion: n * 2, events: [event(n), event(n)] }];
      if (n % 5 === 0) streams.push({ stream: 'contended', expectedVersion: (await store.log.readStream('contended').catch(() => [])).length, events: [event(n)] });
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

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

async function writerProcess(database: TestDatabase, number: number): Promise<Acknowledged[]> {
  const args = [
    database.serviceConnection('orchestrator'),
    String(number),
    String(WRITERS_PER_PROCESS),
    String(APPENDS_PER_WRITER),
  ];
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, BUILT, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const seen: Acknowledged[] = [];
  let complaints = '';
  child.stderr?.on('data', (bytes: Buffer) => (complaints += bytes.toString()));
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) =>
    seen.push(JSON.parse(line) as Acknowledged),
  );
  const code = await new Promise((done) => child.once('close', done));
  if (code !== 0) throw new Error(`writer ${number} ended with ${String(code)}: ${complaints}`);
  return seen;
}

/** Polls by position as a relay does, until told to stop and at the end. */
async function poller(store: Store, over: () => boolean): Promise<string[]> {
  const seen: string[] = [];
  for (let after = 0; ;) {
    const last = over();
    const events = await store.log.readAll(after, 50);
    seen.push(...events.map((event) => `${event.position} ${event.stream}/${event.version} ${event.metadata.commandId}`));
    after = events.at(-1)?.position ?? after;
    if (last && events.length === 0) return seen;
    if (events.length === 0) await delay(POLL_MS);
  }
}

/** Ends backends of the writers in the middle of whatever they do, commits included. */
async function killBackends(admin: pg.Client, over: () => boolean): Promise<number> {
  let killed = 0;
  while (!over() && killed < KILLS) {
    const { rows } = await admin.query<{ pid: number }>(
      `select pid, pg_terminate_backend(pid) from pg_stat_activity
       where usename = 'understudy_orchestrator' and state = 'active' and query like '%append(%' order by random() limit 1`,
    );
    killed += rows.length;
    await delay(KILL_EVERY_MS);
  }
  return killed;
}

describe('many writers', () => {
  it(
    'lose nothing, double nothing, and every reader sees one order',
    async () => {
      expect(existsSync(BUILT), 'npm run build comes before this spec').toBe(true);
      const { store, database } = await createTestStore('orchestrator');
      const admin = new pg.Client({ connectionString: database.adminConnection });
      admin.on('error', () => undefined);
      await admin.connect();
      // A slow commit for some: the deferred trigger runs at COMMIT, when positions are drawn and the lock is still held.
      await admin.query(`
        create function orchestrator.slow_commit() returns trigger language plpgsql as $$
        begin if random() < 0.1 then perform pg_sleep(random() * 0.015); end if; return null; end $$;
        create constraint trigger slow_commit after insert on orchestrator.event deferrable initially deferred
          for each row execute function orchestrator.slow_commit();`);
      let over = false;
      const pollers = [1, 2].map(() => poller(store, () => over));
      const kills = killBackends(admin, () => over);
      const acknowledged = (
        await Promise.all(Array.from({ length: PROCESSES }, (_, number) => writerProcess(database, number)))
      ).flat();
      over = true;
      const killed = await kills;
      const [first, second] = await Promise.all(pollers);
      await admin.end();

      expect(killed).toBeGreaterThan(0);
      expect(acknowledged).toHaveLength(PROCESSES * WRITERS_PER_PROCESS * APPENDS_PER_WRITER);
      expect(second).toEqual(first);
      const positions = (first ?? []).map((line) => Number(line.split(' ')[0]));
      expect(positions).toEqual(positions.map((_, index) => index + 1));
      // Every acknowledged event was seen at the position that its writer was told, and there is nothing else.
      const told = new Map(
        acknowledged.flatMap(({ commandId, positions: mine }) => mine.map((position) => [position, commandId] as const)),
      );
      expect(told.size).toBe(positions.length);
      for (const line of first ?? []) {
        const [position, , commandId] = line.split(' ');
        expect(told.get(Number(position))).toBe(commandId);
      }
      expect(await store.log.verify()).toEqual({ intact: true, events: positions.length, headPosition: positions.length });
    },
    DEADLINE_MS,
  );
});
