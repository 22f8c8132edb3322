import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addCheckpointKey, openStore, readTrustedKeys, renewLogId, SERVICE_NAMES, type ServiceName } from '@understudy/event-log';
import { EmbeddedPostgresError, startEmbeddedPostgres } from '@understudy/runtime';
import { BACKED_UP_FILES, takeDataFolder, type DataFolder } from '../folder.js';
import { hasEmbeddedStore, prepareDatabase } from '../store.js';
import { BackupError, checkArchive } from './archive.js';
import { exportStore, type BackupCounts } from './export.js';
import { importStore } from './import.js';

/**
 * Takes a backup of an embedded store. The product may go on working meanwhile; a store that does not run is started for it.
 * @throws `BackupError`.
 */
export async function backup(folder: DataFolder, file: string): Promise<BackupCounts> {
  if (existsSync(file)) throw new BackupError('BACKUP_EXISTS', `${file} exists and is not overwritten. Name another file.`);
  if (!hasEmbeddedStore(folder)) {
    throw new BackupError(
      'STORE_ABSENT',
      `There is no embedded store in ${folder.path}. Name the data folder with --data; a PostgreSQL of your own is backed up by its own tools.`,
    );
  }
  const store = await reach(folder);
  try {
    return await exportStore(store.adminConnection, folder.path, BACKED_UP_FILES, file);
  } finally {
    await store.release();
  }
}

/** The store as it runs, or started for this. */
export async function reach(folder: DataFolder): Promise<{ adminConnection: string; release: () => Promise<void> }> {
  try {
    const server = await startEmbeddedPostgres({ dataFolder: folder.store });
    return { adminConnection: server.adminConnectionString(), release: () => server.stop() };
  } catch (error) {
    if (!(error instanceof EmbeddedPostgresError) || error.code !== 'DATA_FOLDER_IN_USE') throw error;
    return { adminConnection: runningConnection(folder), release: async () => undefined };
  }
}

/** Line 4 of PostgreSQL's own postmaster.pid is its port. */
function runningConnection(folder: DataFolder): string {
  const port =
    readFileSync(join(folder.store, 'data', 'postmaster.pid'), 'utf8')
      .split('\n')[3]
      ?.trim() ?? '';
  const secret = readFileSync(join(folder.store, 'secret'), 'utf8').trim();
  return `postgresql://postgres:${encodeURIComponent(secret)}@127.0.0.1:${port}/postgres`;
}

export interface Restored extends BackupCounts {
  readonly takenAt: string;
  /** By service: events of the log, all of them verified again after the restore. */
  readonly events: Readonly<Record<string, number>>;
}

/**
 * Restores into a data folder that holds no store yet, gives each log a new identity and verifies every chain. A restore
 * that fails leaves the folder as it was.
 * @throws `BackupError`.
 */
export async function restore(folder: DataFolder, file: string): Promise<Restored> {
  const giveBack = takeDataFolder(folder);
  try {
    refuseOverwriting(folder);
    const head = await checkArchive(file);
    try {
      return { takenAt: head.takenAt, ...(await fillFolder(folder, file, head)) };
    } catch (error) {
      rmSync(folder.store, { recursive: true, force: true });
      for (const name of BACKED_UP_FILES) rmSync(join(folder.path, name), { force: true });
      throw error;
    }
  } finally {
    giveBack();
  }
}

function refuseOverwriting(folder: DataFolder): void {
  const found = [folder.store, ...BACKED_UP_FILES.map((name) => join(folder.path, name))].filter((path) => existsSync(path));
  if (found.length > 0) {
    throw new BackupError(
      'STORE_PRESENT',
      `${found[0]} exists, and a restore overwrites nothing. Name an empty folder with --data, or move this one away.`,
    );
  }
}

async function fillFolder(
  folder: DataFolder,
  file: string,
  head: Awaited<ReturnType<typeof checkArchive>>,
): Promise<BackupCounts & { events: Record<string, number> }> {
  const server = await startEmbeddedPostgres({ dataFolder: folder.store });
  try {
    const adminConnection = server.adminConnectionString();
    const connections = await prepareDatabase(adminConnection);
    const counts = await importStore(adminConnection, folder.path, head, file);
    const events: Record<string, number> = {};
    // The identity of a signed log changes with the key alone: so whoever restores vouches for it.
    if (existsSync(folder.checkpointKey)) addCheckpointKey(folder.checkpointKey);
    for (const service of SERVICE_NAMES) {
      await renewLogId(adminConnection, service);
      events[service] = await verified(service, connections[service], folder.checkpointKey);
    }
    return { ...counts, events };
  } finally {
    await server.stop();
  }
}

async function verified(service: ServiceName, connectionString: string, keyFile: string): Promise<number> {
  const store = await openStore({ connectionString, schema: service });
  try {
    const keys = existsSync(keyFile) ? readTrustedKeys(readFileSync(keyFile, 'utf8'), keyFile) : undefined;
    const found = await store.log.verify(undefined, keys && { trusted: keys, exportedFiles: [] });
    if (found.intact) return found.events;
    throw new BackupError(
      'BACKUP_DAMAGED',
      `The restored log of ${service} does not verify at position ${found.position}: ${found.reason}. Nothing was kept; use another backup.`,
    );
  } finally {
    await store.close();
  }
}
