import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestDatabase, eventually, type TestDatabase } from '@understudy/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addCheckpointKey,
  ensureCheckpointKey,
  linkOf,
  MOST_EVENTS_PER_CHECKPOINT,
  openStore,
  readCheckpointKeys,
  readTrustedKeys,
  signHeads,
  signKey,
  StatementChain,
  type SignedHead,
  type SignedStatement,
  type Store,
} from '../index.js';
import { verifyLog } from '../verify.js';

let folder: string;
let keyFile: string;
let database: TestDatabase;
const stores: Store[] = [];

async function open(instance: string, everyMs = 3_600_000, comparedWithinMs = 30_000): Promise<Store> {
  const connectionString = database.serviceConnection('drift');
  const checkpoints = { keyFile, everyMs, comparedWithinMs, folder: join(folder, instance) };
  const store = await openStore({ connectionString, schema: 'drift', instance, checkpoints });
  stores.push(store);
  return store;
}

async function note(store: Store, stream: string, count = 1): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => ({ type: 'Noted', schemaVersion: 1, body: { n } }));
  const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
  await store.log.append({ streams: [{ stream, expectedVersion: 0, events }], metadata: { commandId: stream, actor } });
}

async function statementsOf(store: Store): Promise<readonly SignedStatement[]> {
  return (await store.checkpoints?.list(0, 100)) ?? [];
}

const kinds = (rows: readonly SignedStatement[]): readonly string[] =>
  rows.map(({ statement }) => (JSON.parse(statement) as { kind: string }).kind);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-test-signer-'));
  keyFile = join(folder, 'key.pem');
  ensureCheckpointKey(keyFile);
  database = await createTestDatabase(['drift']);
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
});

describe('checkpoints', () => {
  it('are made by themselves, with what is new and only then', async () => {
    const store = await open('one', 50);
    await note(store, 'a');
    await eventually('it is signed', () => store.checkpoints?.status().position === 1);
    const before = await statementsOf(store);
    await note(store, 'b');
    await eventually('it is signed too', () => store.checkpoints?.status().position === 2);
    const after = await statementsOf(store);
    expect(kinds(before)).toEqual(['key', 'heads']);
    expect(after.slice(0, 2)).toEqual(before);
    expect(after.slice(2).map(({ statement }) => (JSON.parse(statement) as { heads: unknown }).heads)).toEqual([
      [['b', 1, 2, expect.stringMatching(/^[0-9a-f]{64}$/)]],
    ]);
  });

  it('cover a long log in spans of at most so many events', async () => {
    const store = await open('one');
    for (let n = 0; n < 7; n += 1) await note(store, `long/${n}`, 1_000);
    await store.checkpoints?.sign();
    const rows = await statementsOf(store);
    const positions = rows.map(({ position }) => position);
    expect(positions.at(-1)).toBe(7_000);
    const spans = positions.slice(1).map((position, index) => position - (positions[index] ?? 0));
    expect(spans.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...spans)).toBeLessThanOrEqual(MOST_EVENTS_PER_CHECKPOINT);
    const heads = rows.flatMap(({ statement }) => (JSON.parse(statement) as { heads?: readonly SignedHead[] }).heads ?? []);
    expect(heads.map(([stream, version]) => [stream, version])).toEqual(
      Array.from({ length: 7 }, (_, n) => [`long/${n}`, 1_000]),
    );
    expect(await store.log.verify()).toMatchObject({ intact: true, signed: { position: 7_000 } });
  });

  it('are signed by one process and exported by all; when it is gone, another goes on', async () => {
    const first = await open('one');
    await first.checkpoints?.sign();
    const second = await open('two');
    await note(second, 'a');
    await second.checkpoints?.sign();
    expect(second.checkpoints?.status()).toMatchObject({ state: 'standby' });
    expect(kinds(await statementsOf(second))).toEqual(['key']);
    await first.checkpoints?.sign();
    expect(first.checkpoints?.status()).toMatchObject({ state: 'signing', position: 1 });
    await first.close();
    await note(second, 'b');
    await second.checkpoints?.sign();
    expect(second.checkpoints?.status()).toMatchObject({ state: 'signing', position: 2 });
    const file = `drift-${second.log.logId}.jsonl`;
    const [copyOne, copyTwo] = ['one', 'two'].map((instance) => readFileSync(join(folder, instance, file), 'utf8'));
    expect(copyTwo?.startsWith(copyOne ?? '-')).toBe(true);
    expect(copyTwo?.trim().split('\n')).toHaveLength(3);
  });

  it('are not signed over a log that ends before what was signed', async () => {
    const store = await open('one');
    await note(store, 'a', 3);
    await store.checkpoints?.sign();
    const admin = await openStore({ connectionString: database.adminConnection, schema: 'drift' });
    stores.push(admin);
    await admin.pool.query('alter table drift.event disable trigger all; delete from drift.event where position = 3');
    await store.checkpoints?.sign();
    expect(store.checkpoints?.status()).toMatchObject({ state: 'restored', problem: expect.stringContaining('it ends at 2') });
  });
});

describe('an exported file', () => {
  const exported = (store: Store): string => join(folder, 'one', `drift-${store.log.logId}.jsonl`);

  it('whose last line was torn by a kill is whole again after the next start, and verifies before', async () => {
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const file = exported(store);
    const whole = readFileSync(file, 'utf8');
    expect(whole.split('\n')).toHaveLength(3);
    await store.close();
    const evidence = { trusted: readTrustedKeys(readFileSync(keyFile, 'utf8'), keyFile), exportedFiles: [file] };
    for (const kept of [whole.length - 100, whole.indexOf('\n') + 1, 50, 0, whole.length - 1]) {
      writeFileSync(file, whole.slice(0, kept));
      const next = await open('one');
      expect(await next.log.verify(undefined, evidence)).toMatchObject({ intact: true, signed: { checkpoints: 2 } });
      await next.checkpoints?.sign();
      expect(next.checkpoints?.status(), `cut after ${kept}`).toMatchObject({ state: 'signing', position: 1 });
      expect(readFileSync(file, 'utf8')).toBe(whole);
      await next.close();
    }
  });

  it('that grows while a log is verified accuses nobody: only what was there before counts', async () => {
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const client = await store.pool.connect();
    try {
      let looked = 0;
      const between = {
        // After the first look at the events the transaction sees nothing newer.
        query: async (...asked: Parameters<typeof client.query>) => {
          const answer = await (client.query(...asked) as unknown as Promise<{ rows: unknown[] }>);
          if (String(asked[0]).includes('lag(position') && (looked += 1) === 1) {
            await note(store, 'b');
            await store.checkpoints?.sign();
          }
          return answer;
        },
      };
      Object.setPrototypeOf(between, client);
      const evidence = { trusted: readTrustedKeys(readFileSync(keyFile, 'utf8'), keyFile), exportedFiles: [exported(store)] };
      const verified = await verifyLog(between as unknown as typeof client, 'drift', { stream: undefined, evidence });
      expect(looked).toBe(1);
      expect(verified).toMatchObject({ intact: true, events: 1, signed: { checkpoints: 2, position: 1 } });
    } finally {
      client.release();
    }
    expect(await store.log.verify()).toMatchObject({ intact: true, events: 2, signed: { checkpoints: 3, position: 2 } });
  });

  it('that cannot be read leaves open whether the log is older than what was signed, and that is said', async () => {
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const file = exported(store);
    const whole = readFileSync(file, 'utf8');
    await store.close();
    writeFileSync(file, `no statement\n${whole}`);
    const next = await open('one', 3_600_000, 100);
    expect(await next.checkpoints?.checked()).toMatchObject({ state: 'failing', compared: false });
    writeFileSync(file, whole);
    await next.checkpoints?.sign();
    expect(await next.checkpoints?.checked()).toMatchObject({ state: 'signing', compared: true });
  });
});

describe('keys', () => {
  it('rotate: the one before signs the hand-over, and an auditor who holds either believes what came of it', async () => {
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const firstKey = readFileSync(keyFile, 'utf8');
    const secondId = addCheckpointKey(keyFile);
    await note(store, 'b');
    await store.checkpoints?.sign();
    const rows = await statementsOf(store);
    expect(kinds(rows)).toEqual(['key', 'heads', 'key', 'heads']);
    expect(rows.map(({ keyId }) => keyId === secondId)).toEqual([false, false, false, true]);
    const before = { trusted: readTrustedKeys(firstKey, 'first'), exportedFiles: [] };
    expect(await store.log.verify(undefined, before)).toMatchObject({ intact: true, signed: { position: 2, keyId: secondId } });
    // Twice more: keys that have handed over stay as public keys, and vouch for what they signed.
    addCheckpointKey(keyFile);
    await store.checkpoints?.sign();
    addCheckpointKey(keyFile);
    await store.checkpoints?.sign();
    expect([...readFileSync(keyFile, 'utf8').matchAll(/BEGIN (\w+) KEY/g)].map(([, kind]) => kind)).toEqual([
      'PUBLIC',
      'PUBLIC',
      'PRIVATE',
      'PRIVATE',
    ]);
    expect(await store.log.verify()).toMatchObject({ intact: true, signed: { checkpoints: 6, position: 2 } });
    const { id: currentId } = readCheckpointKeys(keyFile).current;
    expect((await statementsOf(store)).at(-1)?.statement).toContain('"kind":"key"');
    await note(store, 'c');
    await store.checkpoints?.sign();
    expect((await statementsOf(store)).at(-1)?.keyId).toBe(currentId);
  });

  it('that were lost begin anew by themselves, and only who trusts the new one believes it', async () => {
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const lost = readFileSync(keyFile, 'utf8');
    rmSync(keyFile);
    await note(store, 'b');
    await store.checkpoints?.sign();
    expect(store.checkpoints?.status()).toMatchObject({
      state: 'failing',
      problem: expect.stringContaining('openssl genpkey -algorithm ed25519'),
    });
    ensureCheckpointKey(keyFile);
    await store.checkpoints?.sign();
    expect(kinds(await statementsOf(store))).toEqual(['key', 'heads', 'key', 'heads']);
    const fresh = readFileSync(keyFile, 'utf8');
    const by = (pem: string) => store.log.verify(undefined, { trusted: readTrustedKeys(pem, 'spec'), exportedFiles: [] });
    expect(await by(lost)).toMatchObject({ intact: false, reason: expect.stringContaining('nobody who is trusted vouches for') });
    expect(await by(fresh)).toMatchObject({ intact: false });
    expect(await by(lost + fresh)).toMatchObject({ intact: true, signed: { position: 2 } });
  });

  it('that have handed over sign nothing more', async () => {
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const { current: stolen, trusted } = readCheckpointKeys(keyFile);
    addCheckpointKey(keyFile);
    await store.checkpoints?.sign();
    const rows = await statementsOf(store);
    const time = new Date(0).toISOString();
    const previous = linkOf(rows[2]?.statement ?? '');
    const place = { service: 'drift', logId: store.log.logId, number: 4, position: 1, time, previous };
    const publicKey = trusted.get(stolen.id) ?? stolen.key;
    for (const forged of [signHeads(place, [], stolen), signKey(place, publicKey, stolen)]) {
      const chain = new StatementChain('drift', trusted, true);
      expect(rows.map((row) => chain.see(row).good)).toEqual([true, true, true]);
      expect(chain.see(forged)).toMatchObject({ good: false, reason: expect.stringContaining('has handed over') });
    }
  });

  it('vouch for another identity of the log where they are brought in, and nothing else does', async () => {
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const rows = await statementsOf(store);
    const { current, trusted } = readCheckpointKeys(keyFile);
    const time = new Date(0).toISOString();
    const place = {
      service: 'drift',
      logId: 'another',
      number: 3,
      position: 1,
      time,
      previous: linkOf(rows[1]?.statement ?? ''),
    };
    const seen = (next: SignedStatement) => {
      const chain = new StatementChain('drift', trusted, true);
      for (const row of rows) expect(chain.see(row).good).toBe(true);
      return { ...chain.see(next), renewals: chain.renewals };
    };
    expect(seen(signHeads(place, [], current))).toMatchObject({
      good: false,
      reason: expect.stringContaining('is of a log with the identity another'),
      renewals: [],
    });
    const own = trusted.get(current.id) ?? current.key;
    expect(seen(signKey(place, own, current))).toMatchObject({
      good: true,
      renewals: [{ from: store.log.logId, number: 3, time }],
    });
  });

  it('open to others, of another kind, or absent are refused at the start', async () => {
    chmodSync(keyFile, 0o644);
    await expect(open('one')).rejects.toMatchObject({ code: 'CHECKPOINT_KEY_UNSAFE' });
    chmodSync(keyFile, 0o600);
    const written = (text: string): void => writeFileSync(keyFile, text);
    written('nothing');
    await expect(open('one')).rejects.toMatchObject({ code: 'CHECKPOINT_KEY_UNREADABLE' });
    written(execFileSync('openssl', ['genpkey', '-algorithm', 'x25519'], { encoding: 'utf8' }));
    await expect(open('one')).rejects.toMatchObject({ code: 'CHECKPOINT_KEY_UNREADABLE' });
    rmSync(keyFile);
    await expect(open('one')).rejects.toMatchObject({ code: 'CHECKPOINT_KEY_ABSENT' });
    expect(existsSync(keyFile)).toBe(false);
  });

  it('are those of openssl, which verifies a statement by itself', async () => {
    rmSync(keyFile);
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', keyFile]);
    chmodSync(keyFile, 0o600);
    const store = await open('one');
    await note(store, 'a');
    await store.checkpoints?.sign();
    const row = (await statementsOf(store))[1] as SignedStatement;
    const at = (name: string): string => join(folder, name);
    execFileSync('openssl', ['pkey', '-in', keyFile, '-pubout', '-out', at('public.pem')]);
    writeFileSync(at('statement'), row.statement);
    writeFileSync(at('signature'), Buffer.from(row.signature, 'base64'));
    const verify = (): string =>
      execFileSync(
        'openssl',
        [
          'pkeyutl',
          '-verify',
          '-pubin',
          '-inkey',
          at('public.pem'),
          '-rawin',
          '-in',
          at('statement'),
          '-sigfile',
          at('signature'),
        ],
        { encoding: 'utf8', stdio: 'pipe' },
      );
    expect(verify()).toContain('Verified Successfully');
    writeFileSync(at('statement'), row.statement.replace('"a"', '"b"'));
    expect(verify).toThrow();
  });
});
