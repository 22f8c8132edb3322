/** Whoever owns the database changes history on real PostgreSQL, triggers disabled and chains recomputed. Signatures tell. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@understudy/testing';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addCheckpointKey,
  type AppendRequest,
  ensureCheckpointKey,
  openStore,
  readTrustedKeys,
  type SignedEvidence,
  type Store,
} from '../index.js';
import { CHAIN_START, chainHash } from '../row.js';
import { EVENT_COPY, copyOut, rawEvent } from '../copy.js';
import { keyId } from './keys.js';
import { exportedLine, FIRST_LINK, linkOf, signHeads, signKey, type SignedStatement } from './statement.js';

let folder: string;
let keyFile: string;
let database: TestDatabase;
let store: Store;

function appendOf(stream: string, expectedVersion: number, ...bodies: readonly number[]): AppendRequest {
  const events = bodies.map((n) => ({ type: 'Noted', schemaVersion: 1, body: { n } }));
  const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
  return { streams: [{ stream, expectedVersion, events }], metadata: { commandId: `${stream}-${expectedVersion}`, actor } };
}

function opened(exportTo?: string): Promise<Store> {
  const connectionString = database.serviceConnection('inventory');
  const checkpoints = { keyFile, everyMs: 3_600_000, ...(exportTo === undefined ? {} : { folder: exportTo }) };
  return openStore({ connectionString, schema: 'inventory', instance: 'spec', checkpoints });
}

const signed = async (): Promise<void> => {
  await store.checkpoints?.sign();
  expect(store.checkpoints?.status()).toMatchObject({ state: 'signing', position: await store.log.headPosition() });
};

/** As the administrator, with every trigger of the log's tables out of the way. */
async function forge(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client({ connectionString: database.adminConnection });
  await admin.connect();
  try {
    await admin.query(
      'set search_path = inventory; alter table event disable trigger all; alter table signed_checkpoint disable trigger all',
    );
    await work(admin);
  } finally {
    await admin.end();
  }
}

/** Gives every event of a stream the hash that belongs to its content now: the forger knows how the chain is made. */
async function recompute(admin: pg.Client, stream: string): Promise<void> {
  const events: ReturnType<typeof rawEvent>[] = [];
  await copyOut(admin, `select ${EVENT_COPY} from event where stream = '${stream}' order by version`, (row) => {
    events.push(rawEvent(row));
  });
  let link = CHAIN_START;
  for (const event of events) {
    link = chainHash(link, event);
    await admin.query('update event set hash = $2 where position = $1', [event.position, Buffer.from(link, 'hex')]);
  }
}

const exportOf = (): string => join(folder, 'out', `inventory-${store.log.logId}.jsonl`);

/** What an auditor has: the public key and a file that was handed out before. */
function auditor(...exportedFiles: readonly string[]): SignedEvidence {
  return { trusted: readTrustedKeys(readFileSync(keyFile, 'utf8'), keyFile), exportedFiles };
}

/** Streams a, b, c with four events each, then two more of b; signed after each part: positions 1-4, 5-8, 9-12, 13-14. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-test-checkpoints-'));
  keyFile = join(folder, 'key.pem');
  ensureCheckpointKey(keyFile);
  database = await createTestDatabase(['inventory']);
  store = await opened(join(folder, 'out'));
  for (const stream of ['a', 'b', 'c']) {
    await store.log.append(appendOf(stream, 0, 1, 2, 3, 4));
    await signed();
  }
  await store.log.append(appendOf('b', 4, 5, 6));
  await signed();
  expect(await store.log.verify()).toMatchObject({
    intact: true,
    events: 14,
    signed: { checkpoints: 5, position: 14, says: expect.stringContaining('That is everything there is') },
  });
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const FORGERIES: readonly [
  string,
  (admin: pg.Client) => Promise<unknown>,
  { position: number; stream: string; reason: RegExp },
][] = [
  [
    'a changed row',
    (admin) => admin.query(`update event set body = '{"n":9}' where position = 6`),
    { position: 6, stream: 'b', reason: /hash is not that of its content/ },
  ],
  [
    'a changed row with its chain recomputed',
    async (admin) => {
      await admin.query(`update event set body = '{"n":9}' where position = 6`);
      await recompute(admin, 'b');
    },
    { position: 8, stream: 'b', reason: /version 4 .* not the one that checkpoint 3 .* chain recomputed/ },
  ],
  [
    'a removed last event',
    (admin) => admin.query('delete from event where position = 14'),
    { position: 14, stream: 'b', reason: /version 6 .* is gone; the stream has version 5 at most: its end was removed/ },
  ],
  [
    'a removed whole stream',
    (admin) => admin.query(`delete from event where stream = 'c'`),
    { position: 9, stream: 'c', reason: /no event has this position.*c at position 12: version 4 .* removed whole/ },
  ],
];

describe('what a superuser forges is found, with position and stream', () => {
  it.each(FORGERIES)('%s', async (_, forgery, { position, stream, reason }) => {
    await forge(forgery);
    const found = { intact: false, position, stream, reason: expect.stringMatching(reason) };
    expect(await store.log.verify()).toEqual(found);
    // The stream alone tells as well, where anything of it is left to ask for.
    expect(await store.log.verify(stream)).toMatchObject({ intact: false, stream });
    expect(await store.log.verify('a')).toMatchObject({ intact: true, signed: { position: 4 } });
  });

  it.each(FORGERIES)('%s, when the checkpoints went with it and an exported copy is at hand', async (_, forgery, expected) => {
    const copy = join(folder, 'handed-out.jsonl');
    writeFileSync(copy, readFileSync(exportOf()));
    await forge(async (admin) => {
      await forgery(admin);
      await admin.query('truncate signed_checkpoint');
    });
    const found = await store.log.verify(undefined, auditor(copy));
    expect(found).toMatchObject({ intact: false, stream: expected.stream, position: expected.position });
    expect(await store.log.verify(expected.stream, auditor(copy))).toMatchObject({ intact: false, stream: expected.stream });
  });

  it('checkpoints that were removed are missed, though the log itself is whole', async () => {
    await forge((admin) => admin.query('delete from signed_checkpoint where number = 3'));
    expect(await store.log.verify(undefined, auditor())).toMatchObject({
      intact: false,
      reason: expect.stringContaining('checkpoint 3 is missing'),
    });
    await forge((admin) => admin.query('delete from signed_checkpoint where number >= 3'));
    expect(await store.log.verify(undefined, auditor())).toMatchObject({ intact: true, signed: { checkpoints: 2, position: 4 } });
    expect(await store.log.verify(undefined, auditor(exportOf()))).toMatchObject({
      intact: false,
      position: 8,
      reason: expect.stringContaining('is not in the table any more'),
    });
    await store.checkpoints?.sign();
    expect(store.checkpoints?.status()).toMatchObject({ state: 'restored', problem: expect.stringContaining('Checkpoint 5') });
  });

  it('history forged whole, checkpoints with a key of the forger’s own, is not believed', async () => {
    const forger = generateKeyPairSync('ed25519');
    const id = keyId(forger.publicKey);
    await forge(async (admin) => {
      await admin.query(`update event set body = '{"n":9}' where position = 6`);
      await recompute(admin, 'b');
      const place = { service: 'inventory', logId: store.log.logId, time: new Date(0).toISOString() };
      const by = { id, key: forger.privateKey };
      const first = signKey({ ...place, number: 1, position: 0, previous: FIRST_LINK }, forger.publicKey, by);
      const { rows } = await admin.query<{ hash: Buffer }>('select hash from event where position = 14');
      const heads = [['b', 6, 14, rows[0]?.hash.toString('hex') ?? '']] as const;
      const second = signHeads({ ...place, number: 2, position: 14, previous: linkOf(first.statement) }, heads, by);
      await admin.query('delete from signed_checkpoint');
      for (const row of [first, second]) await insert(admin, row);
    });
    expect(await store.log.verify(undefined, auditor())).toMatchObject({
      intact: false,
      reason: expect.stringContaining(`signed by the key ${id}, which nobody who is trusted vouches for`),
    });
    expect(await store.log.verify()).toMatchObject({ intact: false, stream: 'b', position: 8 });
  });

  it('a statement changed in the table is not what was signed', async () => {
    await forge((admin) =>
      admin.query(`update signed_checkpoint set statement = replace(statement, '"b",4', '"b",3') where number = 3`),
    );
    expect(await store.log.verify(undefined, auditor())).toMatchObject({
      intact: false,
      position: 8,
      reason: expect.stringContaining('the signature of checkpoint 3 is not one of the key'),
    });
  });
});

describe('a log that was cut with its checkpoints, and given another identity', () => {
  /** Without the last two events, without the checkpoint over them, and as if restored. */
  const cutAndRenamed = async (more = ''): Promise<void> => {
    await store.close();
    await forge((admin) =>
      admin.query(`alter table log_identity disable trigger all; delete from event where position > 12;
        delete from signed_checkpoint where number > 4; update log_identity set id = gen_random_uuid(); ${more}`),
    );
  };

  it('is signed no more, and does not verify with what the installation itself has exported', async () => {
    await cutAndRenamed();
    store = await opened(join(folder, 'out'));
    expect(await store.checkpoints?.checked()).toMatchObject({
      state: 'restored',
      problem: expect.stringContaining('Checkpoint 5, exported to'),
    });
    await store.log.append(appendOf('b', 4, 7));
    await store.checkpoints?.sign();
    expect(await store.checkpoints?.list(4, 10)).toEqual([]);
    expect(await store.log.verify()).toMatchObject({
      intact: false,
      position: 14,
      reason: expect.stringMatching(/version 6 .* is gone; the stream has version 5 at most/),
    });
  });

  it('is signed no more where nothing was exported, or nothing of what was signed is left', async () => {
    await cutAndRenamed();
    store = await opened();
    expect(await store.checkpoints?.checked()).toMatchObject({
      state: 'restored',
      problem: expect.stringMatching(/was restored, or exchanged/),
    });
    await store.close();
    await forge((admin) => admin.query('delete from signed_checkpoint'));
    store = await opened(join(folder, 'out'));
    expect(await store.checkpoints?.checked()).toMatchObject({
      state: 'restored',
      problem: expect.stringMatching(/is not in the table/),
    });
  });

  it('goes on where whoever holds the key says so, and tells of it', async () => {
    const before = store.log.logId;
    await cutAndRenamed();
    addCheckpointKey(keyFile);
    store = await opened(join(folder, 'out'));
    await store.log.append(appendOf('d', 0, 1));
    await signed();
    expect(existsSync(join(folder, 'out', `inventory-${before}.jsonl`))).toBe(true);
    expect(await store.log.verify()).toMatchObject({
      intact: true,
      events: 13,
      signed: {
        checkpoints: 6,
        says: expect.stringMatching(/At checkpoint 5 .* went on under a new identity.*is not part of it/),
      },
    });
    await store.close();
    store = await opened(join(folder, 'out'));
    await signed();
  });
});

async function insert(admin: pg.Client, row: SignedStatement): Promise<void> {
  await admin.query('insert into signed_checkpoint values ($1, $2, $3, $4, $5)', [
    row.number,
    row.position,
    row.statement,
    row.keyId,
    Buffer.from(row.signature, 'base64'),
  ]);
}

describe('what signatures cannot show', () => {
  it('is said: events after the last checkpoint may have been cut off', async () => {
    await store.log.append(appendOf('d', 0, 1));
    expect(await store.log.verify()).toMatchObject({
      intact: true,
      events: 15,
      signed: { position: 14, says: expect.stringMatching(/The 1 event after that are not signed yet.*cut their end off/) },
    });
    await forge((admin) => admin.query(`delete from event where stream = 'd'`));
    expect(await store.log.verify()).toMatchObject({ intact: true, events: 14 });
  });
});

describe('an export', () => {
  it('is the table, line by line', async () => {
    const lines = readFileSync(exportOf(), 'utf8');
    const all = await store.checkpoints?.list(0, 100);
    expect(all?.map(exportedLine).join('')).toBe(lines);
    expect(await store.checkpoints?.covering(9)).toMatchObject({ number: 4, position: 12 });
    expect(await store.checkpoints?.covering(15)).toBeUndefined();
  });
});
