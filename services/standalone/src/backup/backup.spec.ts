import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ensureCheckpointKey, exportedStatements, type CheckpointOptions, type StoredEvent } from '@understudy/event-log';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataFolder, takeDataFolder, type DataFolder } from '../folder.js';
import { closeStores, openDatabase, openStores, prepareDatabase, type Database, type Stores } from '../store.js';
import { backup, restore } from './run.js';

const base = mkdtempSync(join(tmpdir(), 'understudy-backup-'));
chmodSync(base, 0o711);
const file = join(base, 'understudy.backup');
let folder: DataFolder;
let database: Database;
let stores: Stores;

const odd = { text: 'a"b\\c\u2028 ü\n', number: 1e21, nested: { b: 1, a: [null, true, ''] } };

/** Nothing is signed unless a test says so. */
function signing(where: DataFolder): CheckpointOptions {
  ensureCheckpointKey(where.checkpointKey);
  return { keyFile: where.checkpointKey, folder: where.checkpoints, everyMs: 3_600_000 };
}

async function open(where: DataFolder): Promise<{ database: Database; stores: Stores }> {
  const opened = await openDatabase(where, undefined);
  return {
    database: opened,
    stores: await openStores(await prepareDatabase(opened.adminConnection), where.path, signing(where)),
  };
}

async function append(to: Stores, stream: string, count: number): Promise<void> {
  const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
  const events = Array.from({ length: count }, (_, index) => ({ type: 'Happened', schemaVersion: 1, body: { index, ...odd } }));
  const metadata = { commandId: `${stream}-${count}`, actor };
  const result = await to.orchestrator.log.append({ streams: [{ stream, expectedVersion: 0, events }], metadata });
  expect(result.appended).toBe(true);
}

beforeAll(async () => {
  folder = openDataFolder(join(base, 'first'));
  ({ database, stores } = await open(folder));
  await append(stores, 'rollout/one', 3);
  await append(stores, 'rollout/many', 2_500);
  writeFileSync(folder.tokens, '{"version":1,"tokens":[]}\n', { mode: 0o600 });
});

afterAll(async () => {
  await closeStores(stores);
  await database.stop();
  rmSync(base, { recursive: true, force: true });
});

describe('backup and restore of the embedded store', () => {
  it('a backup taken while the product works, restored elsewhere, has the same chain under a new log identity', async () => {
    await stores.orchestrator.checkpoints?.sign();
    const { rows } = await backup(folder, file);
    expect(rows).toBeGreaterThanOrEqual(2_503);
    expect(statSync(file).mode & 0o077).toBe(0);

    const second = openDataFolder(join(base, 'second'));
    const restored = await restore(second, file);
    expect(restored.events).toEqual({ inventory: 0, drift: 0, orchestrator: 2_503, notification: 0 });
    expect(readFileSync(second.tokens, 'utf8')).toBe(readFileSync(folder.tokens, 'utf8'));

    const again = await open(second);
    try {
      const before: StoredEvent[] = [];
      const after: StoredEvent[] = [];
      await stores.orchestrator.log.replay(0, (event) => before.push(event));
      await again.stores.orchestrator.log.replay(0, (event) => after.push(event));
      expect(after).toEqual(before);
      const { log, checkpoints } = again.stores.orchestrator;
      expect(await log.verify()).toMatchObject({ intact: true, events: 2_503, signed: { position: 2_503 } });
      expect(again.stores.orchestrator.log.logId).not.toBe(stores.orchestrator.log.logId);
      await append(again.stores, 'rollout/after', 1);
      expect(await log.headPosition()).toBe(2_504);
      // Signed on under the new identity, which a new key vouches for, into a file of its own that holds what was signed before as well.
      await checkpoints?.sign();
      expect(checkpoints?.status()).toMatchObject({ state: 'signing', position: 2_504 });
      expect(await log.verify()).toMatchObject({ intact: true, signed: { position: 2_504 } });
      const exported: string[] = [];
      const exportFile = join(second.checkpoints, `orchestrator-${log.logId}.jsonl`);
      for await (const { statement } of exportedStatements(exportFile)) exported.push(statement);
      expect(exported.map((statement) => statement.includes(log.logId))).toEqual([false, false, true, true]);
      expect(exported[2]).toContain('"kind":"key"');
    } finally {
      await closeStores(again.stores);
      await again.database.stop();
    }
  });

  it('neither overwrites anything', async () => {
    await expect(backup(folder, file)).rejects.toMatchObject({ code: 'BACKUP_EXISTS' });
    await expect(restore(openDataFolder(join(base, 'second')), file)).rejects.toMatchObject({ code: 'STORE_PRESENT' });
    await expect(restore(folder, file)).rejects.toMatchObject({ code: 'STORE_PRESENT' });
  });

  it('a damaged, cut or foreign file is refused and leaves the folder empty', async () => {
    const text = gunzipSync(readFileSync(file)).toString('utf8');
    const files: Readonly<Record<string, Buffer>> = {
      changed: gzipSync(text.replace('"Happened"', '"Harmless"')),
      cut: readFileSync(file).subarray(0, 4_000),
      footless: gzipSync(text.slice(0, text.lastIndexOf('{"kind":"foot"'))),
      foreign: gzipSync('{"kind":"head","format":"other"}\n'),
    };
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(base, name), content);
      const target = openDataFolder(join(base, `of-${name}`));
      const code = name === 'foreign' ? 'BACKUP_FOREIGN' : 'BACKUP_DAMAGED';
      await expect(restore(target, join(base, name)), name).rejects.toMatchObject({ code });
      expect(existsSync(target.store)).toBe(false);
    }
  });

  it('a backup of a folder without a store says so', async () => {
    await expect(backup(openDataFolder(join(base, 'nothing')), join(base, 'x'))).rejects.toMatchObject({ code: 'STORE_ABSENT' });
    expect(existsSync(join(base, 'x'))).toBe(false);
  });
});

describe('the data folder', () => {
  it('belongs to one process at a time, and a dead one leaves it free', () => {
    const taken = openDataFolder(join(base, 'taken'));
    const giveBack = takeDataFolder(taken);
    expect(() => takeDataFolder(taken)).toThrow(/in use by process \d+.*--data/);
    giveBack();
    writeFileSync(join(taken.path, 'running.json'), JSON.stringify({ pid: process.pid, began: 'another time' }));
    takeDataFolder(taken)();
  });
});
