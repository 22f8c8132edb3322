import { randomUUID } from 'node:crypto';
import { type FaultyProxy, type TestDatabase, createTestDatabase, createTestStore, startFaultyProxy } from '@understudy/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type EventMetadata, InvalidAppend, type Store, type StoredEvent, openStore } from './index.js';

const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
const metadata = (commandId: string = randomUUID()): EventMetadata => ({ commandId, actor });
const noted = (body: unknown) => ({ type: 'Noted', schemaVersion: 1, body });
const part = (stream: string, expectedVersion: number, ...bodies: unknown[]) => ({
  stream,
  expectedVersion,
  events: bodies.map(noted),
});

let store: Store;
let database: TestDatabase;
beforeAll(async () => {
  ({ store, database } = await createTestStore('orchestrator'));
});

describe('an append', () => {
  it('is given back by every way of reading, byte for byte', async () => {
    const bodies = [
      { n: 1, clé: ['\u0000', '"\\', '\ud800', '🂡'], deep: { z: 1, a: [1.5, null, true] } },
      'plain text with \\u0041 and "quotes"',
      null,
      0,
      [],
      { z: 1, a: 2, 10: 3 },
    ];
    const before = await store.log.headPosition();
    const result = await store.log.append({ streams: [part('bytes "{,}\\', 0, ...bodies)], metadata: metadata('first') });
    const stream = await store.log.readStream('bytes "{,}\\');
    expect(result).toEqual({ appended: true, events: stream });
    expect(stream.map((event) => event.version)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(stream.map((event) => event.metadata.commandId)).toEqual(Array(6).fill('first'));
    const { rows } = await store.pool.query<{ text: string }>(
      `select body::text as text from event where stream = $1 order by version`,
      ['bytes "{,}\\'],
    );
    expect(rows.map((row) => row.text)).toEqual(bodies.map((body) => JSON.stringify(body)));
    expect(await store.log.readAll(before, 10)).toEqual(stream);
    const replayed: StoredEvent[] = [];
    await store.log.replay(before, (event) => replayed.push(event));
    expect(replayed).toEqual(stream);
    expect(await store.log.readStream('bytes "{,}\\', 5)).toEqual(stream.slice(4));
    expect(await store.log.verify()).toMatchObject({ intact: true });
  });

  it('loses alone and whole, whatever else is in its batch', async () => {
    await store.log.append({ streams: [part('taken', 0, 'old')], metadata: metadata() });
    const before = await store.log.headPosition();
    const [good, loser, other] = await Promise.all([
      store.log.append({ streams: [part('good', 0, 1, 2)], metadata: metadata() }),
      store.log.append({ streams: [part('half', 0, 1, 2), part('taken', 0, 'new')], metadata: metadata() }),
      store.log.append({ streams: [part('other', 0, 1)], metadata: metadata() }),
    ]);
    expect(loser).toEqual({ appended: false, conflicts: [{ stream: 'taken', expectedVersion: 0, actualVersion: 1 }] });
    expect([good, other]).toMatchObject([{ appended: true }, { appended: true }]);
    expect(await store.log.readStream('half')).toEqual([]);
    expect((await store.log.readAll(before)).map((event) => [event.position - before, event.stream, event.version])).toEqual([
      [1, 'good', 1],
      [2, 'good', 2],
      [3, 'other', 1],
    ]);
    expect(await store.log.verify()).toMatchObject({ intact: true });
  });

  it('over several streams is all or nothing, and may only check a version', async () => {
    const both = await store.log.append({
      streams: [part('rollout', 0, 'admitted'), part('claim/a', 0, 'claimed')],
      metadata: metadata(),
    });
    expect(both).toMatchObject({
      appended: true,
      events: [
        { stream: 'rollout', version: 1 },
        { stream: 'claim/a', version: 1 },
      ],
    });
    const checked = await store.log.append({ streams: [part('rollout', 1, 'next'), part('claim/a', 1)], metadata: metadata() });
    expect(checked).toMatchObject({ appended: true, events: [{ stream: 'rollout', version: 2 }] });
    const refused = await store.log.append({ streams: [part('rollout', 2, 'next'), part('claim/a', 0)], metadata: metadata() });
    expect(refused).toMatchObject({ appended: false, conflicts: [{ stream: 'claim/a', expectedVersion: 0, actualVersion: 1 }] });
  });

  it('of many callers on one stream lands once per version', async () => {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, n) => store.log.append({ streams: [part('contended', 0, n)], metadata: metadata() })),
    );
    expect(results.filter((result) => result.appended)).toHaveLength(1);
    expect(await store.log.readStream('contended')).toHaveLength(1);
  });

  it('does not see what the caller does to its objects afterwards', async () => {
    const body = { n: 1 };
    const appended = store.log.append({ streams: [part('kept', 0, body)], metadata: metadata() });
    body.n = 2;
    await appended;
    expect((await store.log.readStream('kept'))[0]?.body).toEqual({ n: 1 });
  });

  it.each([
    ['no stream', { streams: [], metadata: metadata() }],
    ['an empty name', { streams: [part('', 0, 1)], metadata: metadata() }],
    ['a name that PostgreSQL cannot hold', { streams: [part('a\u0000b', 0, 1)], metadata: metadata() }],
    ['half a surrogate pair', { streams: [part('a\ud800', 0, 1)], metadata: metadata() }],
    ['the same stream twice', { streams: [part('a', 0, 1), part('a', 1, 2)], metadata: metadata() }],
    ['a version below 0', { streams: [part('a', -1, 1)], metadata: metadata() }],
    ['a body that is no JSON', { streams: [part('a', 0, undefined)], metadata: metadata() }],
    [
      'a schema version of 0',
      { streams: [{ stream: 'a', expectedVersion: 0, events: [{ ...noted(1), schemaVersion: 0 }] }], metadata: metadata() },
    ],
    ['too many events', { streams: [part('a', 0, ...Array<number>(10_001).fill(1))], metadata: metadata() }],
  ])('that no log could take is refused before it reaches a batch: %s', async (_, request) => {
    await expect(store.log.append(request)).rejects.toBeInstanceOf(InvalidAppend);
  });

  it('that the database refuses takes no other one with it', async () => {
    const many = await Promise.allSettled([
      store.log.append({ streams: [part('fine/1', 0, 1)], metadata: metadata() }),
      store.log.append({ streams: [part('big', 2_147_483_648, 1)], metadata: metadata() }),
      store.log.append({ streams: [part('fine/2', 0, 1)], metadata: metadata() }),
    ]);
    expect(many.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('tells listeners the new head', async () => {
    const heads: number[] = [];
    const stop = store.log.onAppend((head) => heads.push(head));
    await store.log.append({ streams: [part('heard', 0, 1, 2)], metadata: metadata() });
    stop();
    await store.log.append({ streams: [part('heard', 2, 3)], metadata: metadata() });
    expect(heads).toEqual([(await store.log.headPosition()) - 1]);
  });
});

describe('when the connection to the store fails', () => {
  let proxy: FaultyProxy;
  let remote: Store;

  async function open(appendDeadlineMs: number): Promise<void> {
    const direct = new URL(database.serviceConnection('orchestrator'));
    proxy = await startFaultyProxy(Number(direct.port));
    direct.port = String(proxy.port);
    remote = await openStore({ connectionString: direct.href, schema: 'orchestrator', appendDeadlineMs });
  }

  afterEach(async () => {
    await remote.close();
    await proxy.close();
  });

  it('at COMMIT, an append that landed is found by its command id and answered as appended, once', async () => {
    await open(30_000);
    await remote.log.append({ streams: [part('warm', 0, 1)], metadata: metadata() });
    proxy.loseNextAnswer();
    const results = await Promise.all([
      remote.log.append({ streams: [part('lost/1', 0, 'x', 'y'), part('lost/2', 0, 'z')], metadata: metadata('c1') }),
      remote.log.append({ streams: [part('lost/3', 0, 'x')], metadata: metadata('c3') }),
    ]);
    expect(proxy.lostAnswers).toBe(1);
    expect(results).toEqual([
      { appended: true, events: [...(await store.log.readStream('lost/1')), ...(await store.log.readStream('lost/2'))] },
      { appended: true, events: await store.log.readStream('lost/3') },
    ]);
    expect(results[0]?.appended && results[0].events).toHaveLength(3);
  });

  it('at COMMIT, an append that met somebody else is a conflict still', async () => {
    await open(30_000);
    await remote.log.append({ streams: [part('warm/2', 0, 1)], metadata: metadata() });
    await store.log.append({ streams: [part('theirs', 0, 'theirs')], metadata: metadata('theirs') });
    proxy.loseNextAnswer();
    const result = await remote.log.append({ streams: [part('theirs', 0, 'mine')], metadata: metadata('mine') });
    expect(proxy.lostAnswers).toBe(1);
    expect(result).toMatchObject({ appended: false, conflicts: [{ stream: 'theirs', actualVersion: 1 }] });
  });

  it('for a while, appends wait and land; nothing is lost or doubled', async () => {
    await open(30_000);
    proxy.away = true;
    proxy.cut();
    const waiting = Array.from({ length: 20 }, (_, n) =>
      remote.log.append({ streams: [part(`waits/${n}`, 0, n)], metadata: metadata() }),
    );
    await expect(remote.log.headPosition()).rejects.toThrow();
    proxy.away = false;
    expect((await Promise.all(waiting)).every((result) => result.appended)).toBe(true);
    for (let n = 0; n < 20; n += 1) expect(await store.log.readStream(`waits/${n}`)).toHaveLength(1);
  });

  it('past the deadline, an append is refused as unavailable', async () => {
    await open(300);
    proxy.away = true;
    proxy.cut();
    await expect(remote.log.append({ streams: [part('never', 0, 1)], metadata: metadata() })).rejects.toMatchObject({
      name: 'StoreUnavailable',
      code: 'STORE_UNAVAILABLE',
    });
    proxy.away = false;
    expect(await store.log.readStream('never')).toEqual([]);
    await remote.log.append({ streams: [part('after', 0, 1)], metadata: metadata() });
  });
});

describe('a process', () => {
  it('has one lease, sees who is alive, and reads the database clock', async () => {
    const mine = (await store.leases()).find((lease) => lease.incarnation === store.incarnation);
    expect(mine).toMatchObject({ instance: store.instance, alive: true });
    expect(store.leaseRemainingMs()).toBeGreaterThan(20_000);
    expect(store.leaseRemainingMs()).toBeLessThanOrEqual(30_000);
    const { rows } = await store.pool.query<{ now: Date }>('select clock_timestamp() as now');
    expect(Math.abs(store.now() - (rows[0]?.now.getTime() ?? 0))).toBeLessThan(1_000);
  });

  it('started again ends the lease of the same instance at once, and takes its duties', async () => {
    const fresh = await createTestDatabase(['orchestrator']);
    const options = { connectionString: fresh.serviceConnection('orchestrator'), schema: 'orchestrator' };
    const first = await openStore({ ...options, instance: 'pod-0' });
    expect(await first.takeDuty('reactor')).toEqual({ name: 'reactor', checkpoint: 0 });
    const other = await openStore({ ...options, instance: 'pod-1' });
    expect(await other.takeDuty('reactor')).toBeUndefined();
    const again = await openStore({ ...options, instance: 'pod-0' });
    expect(await again.takeDuty('reactor')).toEqual({ name: 'reactor', checkpoint: 0 });
    expect(await first.takeDuty('reactor')).toBeUndefined();
    for (const one of [first, other, again]) await one.close();
  });

  it('refuses what waits when it closes, and what comes later', async () => {
    const fresh = await openStore({ connectionString: database.serviceConnection('orchestrator'), schema: 'orchestrator' });
    await fresh.close();
    await fresh.close();
    await expect(fresh.log.append({ streams: [part('late', 0, 1)], metadata: metadata() })).rejects.toMatchObject({
      code: 'STORE_CLOSED',
    });
    expect((await store.leases()).map((lease) => lease.incarnation)).not.toContain(fresh.incarnation);
  });
});

describe('verify', () => {
  let damaged: Store;

  async function tamper(sql: string): Promise<void> {
    const made = await createTestStore('inventory');
    damaged = made.store;
    for (const stream of ['a', 'b', 'c'])
      await damaged.log.append({ streams: [part(stream, 0, 1, 2, 3, 4)], metadata: metadata() });
    expect(await damaged.log.verify()).toEqual({ intact: true, events: 12, headPosition: 12 });
    const admin = new pg.Client({ connectionString: made.database.adminConnection });
    await admin.connect();
    try {
      await admin.query(`set search_path = inventory; alter table event disable trigger all; ${sql}`);
    } finally {
      await admin.end();
    }
  }

  afterAll(() => damaged.close());

  it.each([
    ['a changed body', `update event set body = '9' where position = 6`, 6, 'b'],
    ['changed metadata', `update event set metadata = '{"commandId":"x"}' where position = 6`, 6, 'b'],
    ['a changed type', `update event set type = 'Other' where position = 7`, 7, 'b'],
    ['a changed time', `update event set "time" = replace("time", '2', '3') where position = 7`, 7, 'b'],
    ['a changed hash', `update event set hash = sha256(hash) where position = 5`, 5, 'b'],
    ['a removed row', `delete from event where position = 6`, 6, 'b'],
    ['a removed first row of a stream', `delete from event where position = 5`, 5, 'b'],
    ['a removed stream inside the log', `delete from event where stream = 'b'`, 5, ''],
    [
      'two rows that changed places',
      `update event set position = -1 where position = 4; update event set position = 4 where position = 5; update event set position = 5 where position = -1`,
      4,
      'b',
    ],
    ['a row moved to another stream', `update event set stream = 'd', version = 1 where position = 12`, 12, 'd'],
  ])('finds %s, with the position', async (_, sql, position, stream) => {
    await tamper(sql);
    expect(await damaged.log.verify()).toMatchObject({ intact: false, position, stream });
    expect(await damaged.log.verify('a')).toMatchObject(
      stream === 'b' && position === 4 ? { intact: false } : { intact: true, events: 4 },
    );
    if (stream === 'b') expect(await damaged.log.verify('b')).toMatchObject({ intact: false });
    await damaged.close();
  });
});
