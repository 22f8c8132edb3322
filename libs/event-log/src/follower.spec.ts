import { createTestStore, createTestDatabase } from '@understudy/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EventMetadata, Store, StoredEvent } from './api.js';
import { type Projection, ProjectionRunner, Relay, openStore, poolTransactions } from './index.js';

const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
const metadata = (): EventMetadata => ({ commandId: randomUUID(), actor });
const DEADLINE_MS = 10_000;

async function appendMany(store: Store, stream: string, count: number, from = 0): Promise<void> {
  for (let n = from; n < from + count; n += 1) {
    const events = [{ type: n % 2 === 0 ? 'Even' : 'Odd', schemaVersion: 1, body: { n } }];
    await store.log.append({ streams: [{ stream, expectedVersion: n, events }], metadata: metadata() });
  }
}

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
});

async function withTable(service: 'inventory' | 'drift') {
  const made = await createTestStore(service);
  const owner = new pg.Client({ connectionString: made.database.ownerConnection });
  await owner.connect();
  await owner.query(`create table ${service}.tally (stream text primary key, total integer not null, last bigint not null)`);
  await owner.end();
  return made;
}

const tally = (schema: string): Projection<pg.ClientBase> => ({
  name: 'projection/tally',
  apply: async (event, tx) => {
    await tx.query(
      `insert into ${schema}.tally values ($1, 1, $2) on conflict (stream) do update set total = tally.total + 1, last = excluded.last`,
      [event.stream, event.position],
    );
  },
  clear: async (tx) => {
    await tx.query(`delete from ${schema}.tally`);
  },
});

describe('a projection', () => {
  it('moves its checkpoint with its rows, and a rebuild makes the same rows', async () => {
    const { store } = await withTable('inventory');
    const runner = new ProjectionRunner({
      store,
      projection: tally('inventory'),
      transactions: poolTransactions(store.pool),
      batchSize: 7,
    });
    running.push(runner);
    await appendMany(store, 'a', 20);
    runner.start();
    await runner.caughtUp(DEADLINE_MS);
    await appendMany(store, 'b', 15);
    await runner.caughtUp(DEADLINE_MS);
    const rows = async (): Promise<unknown[]> => (await store.pool.query('select * from tally order by stream')).rows;
    const incremental = await rows();
    expect(incremental).toEqual([
      { stream: 'a', total: 20, last: '20' },
      { stream: 'b', total: 15, last: '35' },
    ]);

    await store.pool.query(`update tally set total = 99 where stream = 'a'`);
    await runner.rebuild();
    await runner.caughtUp(DEADLINE_MS);
    expect(await rows()).toEqual(incremental);
    expect(await runner.status()).toMatchObject({ state: 'following', checkpoint: 35, lagEvents: 0 });
  });

  it('leaves nothing of a batch that fails, and goes on when the reason is gone', async () => {
    const { store } = await withTable('drift');
    let broken = true;
    const good = tally('drift');
    const projection: Projection<pg.ClientBase> = {
      ...good,
      apply: async (event, tx) => {
        await good.apply(event, tx);
        if (broken && event.position === 3) throw new Error('cannot read event 3');
      },
    };
    const runner = new ProjectionRunner({ store, projection, transactions: poolTransactions(store.pool) });
    running.push(runner);
    await appendMany(store, 'a', 5);
    runner.start();
    await vi.waitFor(
      async () => expect(await runner.status()).toMatchObject({ state: 'failing', checkpoint: 0, lagEvents: 5 }),
      DEADLINE_MS,
    );
    expect((await runner.status()).problem).toBe('cannot read event 3');
    expect((await store.pool.query('select * from tally')).rows).toEqual([]);
    broken = false;
    await runner.caughtUp(DEADLINE_MS);
    expect((await store.pool.query('select total from tally')).rows).toEqual([{ total: 5 }]);
  });
});

describe('a relay', () => {
  it('delivers what is published, once and in commit order, from its checkpoint', async () => {
    const { store } = await createTestStore('inventory');
    const seen: number[] = [];
    const options = {
      store,
      name: 'relay/spec',
      publish: (event: StoredEvent) => (event.type === 'Even' ? event.position : undefined),
      deliver: (batch: readonly number[]) => Promise.resolve(void seen.push(...batch)),
      batchSize: 4,
    };
    const first = new Relay(options);
    first.start();
    await appendMany(store, 'a', 10);
    await vi.waitFor(() => expect(seen).toEqual([1, 3, 5, 7, 9]), DEADLINE_MS);
    await vi.waitFor(async () => expect((await first.status()).lagEvents).toBe(0), DEADLINE_MS);
    await first.stop();
    await appendMany(store, 'a', 4, 10);
    expect(seen).toHaveLength(5);
    const second = new Relay(options);
    running.push(second);
    second.start();
    await vi.waitFor(() => expect(seen).toEqual([1, 3, 5, 7, 9, 11, 13]), DEADLINE_MS);
  });

  it('tries a delivery again until it succeeds, and keeps its place meanwhile', async () => {
    const { store } = await createTestStore('inventory');
    let failures = 2;
    const batches: number[][] = [];
    const relay = new Relay({
      store,
      name: 'relay/spec',
      publish: (event: StoredEvent) => event.position,
      deliver: async (batch: readonly number[]) => {
        batches.push([...batch]);
        failures -= 1;
        if (failures >= 0) throw new Error('the broker is away');
      },
    });
    running.push(relay);
    await appendMany(store, 'a', 3);
    relay.start();
    await vi.waitFor(
      () =>
        expect(batches).toEqual([
          [1, 2, 3],
          [1, 2, 3],
          [1, 2, 3],
        ]),
      DEADLINE_MS,
    );
    await vi.waitFor(async () => expect(await relay.status()).toMatchObject({ state: 'following', checkpoint: 3 }), DEADLINE_MS);
  });

  it('is done by one process at a time; another takes over when the lease ends', async () => {
    const database = await createTestDatabase(['drift']);
    const connectionString = database.serviceConnection('drift');
    const one = await openStore({ connectionString, schema: 'drift', instance: 'one' });
    const two = await openStore({ connectionString, schema: 'drift', instance: 'two' });
    const by: string[] = [];
    const relayOf = (store: Store): Relay<number> => {
      const deliver = async (batch: readonly number[]): Promise<void> =>
        void by.push(...batch.map((n) => `${store.instance}:${n}`));
      const relay = new Relay<number>({ store, name: 'relay/spec', publish: (event) => event.position, deliver });
      running.push(relay);
      relay.start();
      return relay;
    };
    try {
      const first = relayOf(one);
      await vi.waitFor(async () => expect((await first.status()).state).toBe('following'), DEADLINE_MS);
      const second = relayOf(two);
      await vi.waitFor(async () => expect((await second.status()).state).toBe('standby'), DEADLINE_MS);
      await appendMany(two, 'a', 1);
      await vi.waitFor(() => expect(by).toEqual(['one:1']), DEADLINE_MS);
      // The first one's lease runs out in the database while it still believes to hold the duty.
      await two.pool.query(`update drift.lease set ends_at = clock_timestamp() where incarnation = $1`, [one.incarnation]);
      await vi.waitFor(async () => expect((await second.status()).state).toBe('following'), DEADLINE_MS);
      await appendMany(two, 'a', 1, 1);
      await vi.waitFor(() => expect(by).toContain('two:2'), DEADLINE_MS);
      await vi.waitFor(async () => expect((await first.status()).state).toBe('standby'), DEADLINE_MS);
    } finally {
      await Promise.all(running.splice(0).map((relay) => relay.stop()));
      await one.close();
      await two.close();
    }
  });

  it('stops and says so when the log ends before its checkpoint', async () => {
    const { store } = await createTestStore('inventory');
    const relay = new Relay({
      store,
      name: 'relay/spec',
      publish: (event: StoredEvent) => event.position,
      deliver: () => Promise.resolve(),
    });
    running.push(relay);
    await appendMany(store, 'a', 3);
    await store.takeDuty('relay/spec');
    await store.pool.query(`update duty set checkpoint = 40 where name = 'relay/spec'`);
    relay.start();
    await vi.waitFor(async () => expect((await relay.status()).state).toBe('restored'), DEADLINE_MS);
    expect((await relay.status()).problem).toContain('got to position 40, but the log of inventory ends at 3');
    await appendMany(store, 'a', 1, 3);
    expect((await relay.status()).checkpoint).toBe(40);
  });
});
