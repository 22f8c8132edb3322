/** 16 writers in four processes, connections killed and commits delayed, while readers poll by position. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { type TestDatabase, createTestStore } from '@understudy/testing';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { readToTheEnd, startWriters, type Acknowledged } from './fixtures/contract.js';

const PROCESSES = 4;
const WRITERS_PER_PROCESS = 4;
const APPENDS_PER_WRITER = 30;
const KILLS = 12;
const KILL_EVERY_MS = 100;
const DEADLINE_MS = 120_000;

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

function writerProcess(database: TestDatabase, number: number): Promise<readonly Acknowledged[]> {
  const connectionString = database.serviceConnection('orchestrator');
  const writers = WRITERS_PER_PROCESS;
  const { child, acknowledged } = startWriters({
    connectionString,
    number,
    writers,
    contendedStreams: 1,
    appends: APPENDS_PER_WRITER,
  });
  children.push(child);
  return acknowledged;
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
      const pollers = [1, 2].map(() => readToTheEnd(store, () => over));
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
