import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@understudy/runtime';

/** Where everything of one installation lies. Private files in it have mode 0600; the folder can be searched, for the store's account. */
export interface DataFolder {
  readonly path: string;
  /** The embedded PostgreSQL's own folder. */
  readonly store: string;
  readonly tokens: string;
  readonly adminToken: string;
  readonly credentials: string;
  /** Host keys of machines that are reached by SSH, written by an admin; need not exist. */
  readonly knownHosts: string;
  /** The key under which inventory compares secret values. */
  readonly factsKey: string;
  /** Keys that sign checkpoints of the logs; nobody who reaches the database needs them. */
  readonly checkpointKey: string;
  /** Where every signed checkpoint is exported to, a file per log. */
  readonly checkpoints: string;
  /** Address of the running process and where the first token lies; written when it serves, removed when it ends. */
  readonly address: string;
}

/** What comes back with a restore besides the store: hashes of tokens, definitions of credentials (never the secrets themselves), known host keys, the keys. */
export const BACKED_UP_FILES: readonly string[] = [
  'tokens.json',
  'credentials.json',
  'known_hosts',
  'facts-key',
  'checkpoint-key.pem',
];

/** Makes the folder where it does not exist. */
export function openDataFolder(wanted: string): DataFolder {
  mkdirSync(wanted, { recursive: true, mode: 0o711 });
  const path = realpathSync(wanted);
  return {
    path,
    store: join(path, 'store'),
    tokens: join(path, 'tokens.json'),
    adminToken: join(path, 'admin-token'),
    credentials: join(path, 'credentials.json'),
    knownHosts: join(path, 'known_hosts'),
    factsKey: join(path, 'facts-key'),
    checkpointKey: join(path, 'checkpoint-key.pem'),
    checkpoints: join(path, 'checkpoints'),
    address: join(path, 'address.json'),
  };
}

/** Another process works in this folder. `code` DATA_FOLDER_IN_USE. */
export class DataFolderInUse extends Error {
  override readonly name = 'DataFolderInUse';
  readonly code = 'DATA_FOLDER_IN_USE';
}

interface Owner {
  readonly pid: number;
  /** When that process began, by `ps`: a later process with the same id has another one. */
  readonly began: string;
}

const ATTEMPTS = 3;

/** Takes the folder for this process until the answer is called. @throws `DataFolderInUse`. */
export function takeDataFolder(folder: DataFolder): () => void {
  const file = join(folder.path, 'running.json');
  const mine = `${file}.${newId()}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, began: beginOf(process.pid) } satisfies Owner), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (linked(mine, file)) {
        // One that was killed has left its own.
        rmSync(folder.address, { force: true });
        return () => rmSync(file, { force: true });
      }
      const owner = JSON.parse(readFileSync(file, 'utf8')) as Owner;
      if (beginOf(owner.pid) === owner.began) {
        throw new DataFolderInUse(
          `The data folder ${folder.path} is in use by process ${owner.pid}. Its address is in ${folder.address}. Stop that process, or choose another folder with --data.`,
        );
      }
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
  throw new DataFolderInUse(`The data folder ${folder.path} is being taken by several processes at once. Try again.`);
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function beginOf(pid: number): string {
  try {
    const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}
