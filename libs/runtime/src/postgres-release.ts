/** Where PostgreSQL's binaries lie, which account may run them, and whether it can reach them. */
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** A PostgreSQL release as an npm package brings it: `folder` holds `bin`, `lib` and `share`. */
export interface PostgresBinaries {
  /** e.g. `17.10`. */
  readonly version: string;
  readonly folder: string;
}

/** The unprivileged account that runs a server for us. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Why the embedded PostgreSQL could not start; `message` says what to do next. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
  constructor(
    readonly code: 'BINARIES_MISSING' | 'DATA_FOLDER_IN_USE' | 'DATA_FOLDER_UNREACHABLE' | 'START_FAILED' | 'STOP_FAILED',
    message: string,
  ) {
    super(message);
  }
}

/** Finds one of the two PostgreSQL releases that npm installed for this platform. */
export function postgresBinaries(which: 'newer' | 'older'): PostgresBinaries {
  const name = `postgres-${which}-${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch {
    throw new EmbeddedPostgresError(
      'BINARIES_MISSING',
      `No PostgreSQL for this platform: the npm package ${name} is not installed. Run npm ci without --omit=optional, or give the URL of a PostgreSQL of your own.`,
    );
  }
  const root = dirname(dirname(realpathSync(entry)));
  const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
  return { version: version.split('-')[0]?.split('.').slice(0, 2).join('.') ?? version, folder: join(root, 'native') };
}

/** The account that must run a server: `postgres` or else `nobody` when we are root, none (ourselves) when we are not. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find((fields) => fields[0] === name);
    if (account) return { name, uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new EmbeddedPostgresError(
    'START_FAILED',
    'PostgreSQL refuses to run as root, and this machine has neither an account postgres nor nobody. Start Understudy as an unprivileged user.',
  );
}

/** True if the user may search every folder on the way to `path` and read there. Supplementary groups are not considered. */
export function isReachable(path: string, user: ServerUser | undefined): boolean {
  if (!user) return true;
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const { uid, gid, mode } = statSync(folder);
    const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** The release's own folder if the user can reach it, else a copy of it in `copyFolder` (made once). */
export function reachableRelease(binaries: PostgresBinaries, user: ServerUser | undefined, copyFolder: string): string {
  if (isReachable(join(binaries.folder, 'bin'), user)) return binaries.folder;
  const target = join(copyFolder, binaries.version);
  if (!existsSync(target)) {
    const fresh = `${target}.${randomUUID()}`;
    mkdirSync(copyFolder, { recursive: true, mode: 0o755 });
    cpSync(binaries.folder, fresh, { recursive: true, verbatimSymlinks: true });
    renameSync(fresh, target);
  }
  return target;
}
