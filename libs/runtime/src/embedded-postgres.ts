/**
 * A real PostgreSQL from npm, started by us in a private data folder: the store of `practice` and `standalone`.
 * There is one way in: 127.0.0.1 with SCRAM and a generated secret. Deliberately absent: a Unix socket, `trust`, `pg_ctl`
 * (called with pipes it reports a running server as failed).
 *
 * DATA_FOLDER/data         the cluster
 * DATA_FOLDER/secret       password of the superuser `postgres`, mode 0600
 * DATA_FOLDER/owner.json   which process of ours runs it; a leftover of a dead process is taken over
 * DATA_FOLDER/server.log   what the server says
 * DATA_FOLDER/release      a copy of the binaries, only if the server's user cannot reach the originals
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { EmbeddedPostgresError, isReachable, postgresBinaries, reachableRelease, serverUser } from './postgres-release.js';
import type { PostgresBinaries, ServerUser } from './postgres-release.js';

export * from './postgres-release.js';

const INITDB_LIMIT_MS = 60_000;
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;
const QUIT_LIMIT_MS = 5_000;
const POLL_MS = 15;
const ADOPTED_POLL_MS = 1_000;
const TAKE_ATTEMPTS = 3;
const PORT_ATTEMPTS = 3;
const LOG_KEPT_BYTES = 10 * 1024 * 1024;
const LOG_TAIL_BYTES = 2_000;

export interface EmbeddedPostgresOptions {
  /** Created if absent; kept between starts. Its parents must be searchable by the server's user. */
  readonly dataFolder: string;
  /** Default: `postgresBinaries('newer')`. */
  readonly binaries?: PostgresBinaries;
  /** Default: a free port from the OS. */
  readonly port?: number;
  /** False only for tests: data is lost when the machine stops. Default true. */
  readonly fsync?: boolean;
  /** Further server settings, e.g. `{max_connections: '50'}`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly startLimitMs?: number;
}

export interface EmbeddedPostgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** The postmaster. */
  readonly pid: number;
  readonly version: string;
  readonly dataFolder: string;
  /** URL of the cluster's superuser. Holds the secret: never log it. */
  adminConnectionString(database?: string): string;
  /** Fast shutdown (SIGINT), after `limitMs` immediate (SIGQUIT), then SIGKILL. Harmless when it has stopped already. */
  stop(limitMs?: number): Promise<void>;
  /** Settles when the server has ended, by us or by itself; says how, where it was started here and not taken over. */
  readonly ended: Promise<ServerEnd | undefined>;
}

/** How a process ended: one of the two is null. */
export interface ServerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  return await new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address && typeof address === 'object' ? done(address.port) : fail(new Error('no port'))));
    });
  });
}

function ownerStamp(pid: number): string {
  try {
    // Field 22 of /proc/PID/stat is the start time: a recycled pid has another one (proc(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Takes the data folder for this process, or says who has it. Postmaster's own lock file stands behind this one. */
function takeFolder(dataFolder: string): () => void {
  const file = join(dataFolder, 'owner.json');
  const mine = `${file}.${randomUUID()}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, stamp: ownerStamp(process.pid) }), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < TAKE_ATTEMPTS; attempt += 1) {
      try {
        linkSync(mine, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; stamp: string };
      if (isAlive(owner.pid) && ownerStamp(owner.pid) === owner.stamp) {
        throw new EmbeddedPostgresError(
          'DATA_FOLDER_IN_USE',
          `The data folder ${dataFolder} is in use by process ${owner.pid}. Stop that process, or choose another data folder.`,
        );
      }
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
  throw new EmbeddedPostgresError(
    'DATA_FOLDER_IN_USE',
    `The data folder ${dataFolder} is being taken by several processes at once. Try again.`,
  );
}

function own(path: string, user: ServerUser | undefined): void {
  if (user) chownSync(path, user.uid, user.gid);
}

interface Server {
  readonly folder: string;
  readonly release: string;
  readonly user: ServerUser | undefined;
  readonly secret: string;
  readonly options: EmbeddedPostgresOptions;
  readonly version: string;
}

const CLEAN_ENVIRONMENT = { PATH: '/usr/bin:/bin', LANG: 'C', LC_ALL: 'C', TZ: 'UTC' };

function identity(user: ServerUser | undefined): { uid?: number; gid?: number } {
  return user ? { uid: user.uid, gid: user.gid } : {};
}

/** initdb beside the final place, then one rename: a crash in between leaves nothing half made. */
async function initialise(server: Server): Promise<void> {
  const data = join(server.folder, 'data');
  if (existsSync(join(data, 'PG_VERSION'))) return;
  const fresh = join(server.folder, 'data.new');
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  own(fresh, server.user);
  const how = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--username=postgres'];
  const who = ['--auth-local=scram-sha-256', '--auth-host=scram-sha-256', `--pwfile=${join(server.folder, 'secret')}`];
  const sync = server.options.fsync === false ? ['--no-sync'] : [];
  await promisify(execFile)(join(server.release, 'bin', 'initdb'), ['-D', fresh, ...how, ...who, ...sync], {
    ...identity(server.user),
    cwd: server.folder,
    env: CLEAN_ENVIRONMENT,
    timeout: INITDB_LIMIT_MS,
  });
  renameSync(fresh, data);
}

function settingsOf(server: Server, port: number): string[] {
  const fixed = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: server.options.fsync === false ? 'off' : 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    jit: 'off',
    ...server.options.settings,
  };
  return Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

function logTail(folder: string): string {
  const log = readFileSync(join(folder, 'server.log'), 'utf8');
  return log.slice(-LOG_TAIL_BYTES).trim();
}

function spawnServer(server: Server, port: number): ChildProcess {
  const logFile = join(server.folder, 'server.log');
  if (existsSync(logFile) && statSync(logFile).size > LOG_KEPT_BYTES) renameSync(logFile, `${logFile}.1`);
  const log = openSync(logFile, 'a', 0o600);
  // Its own session: a Ctrl-C at the terminal reaches us first, and we stop the server when nothing needs it any more.
  const child = spawn(join(server.release, 'bin', 'postgres'), ['-D', join(server.folder, 'data'), ...settingsOf(server, port)], {
    ...identity(server.user),
    cwd: server.folder,
    env: CLEAN_ENVIRONMENT,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  return child;
}

function urlOf(server: Server, port: number, database: string): string {
  return `postgresql://postgres:${encodeURIComponent(server.secret)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

async function answers(connectionString: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('show data_directory');
    return rows[0]?.data_directory;
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The postmaster that a killed process of ours left running on this folder, if it is one. */
function orphan(folder: string): { pid: number; port: number } | undefined {
  const file = join(folder, 'data', 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  try {
    // The postmaster works in its data folder; whoever else has this pid now does not.
    if (readlinkSync(`/proc/${pid}/cwd`) === realpathSync(join(folder, 'data'))) return { pid, port: Number(lines[3]) };
    rmSync(file);
    return undefined;
  } catch {
    return process.platform === 'linux' ? undefined : { pid, port: Number(lines[3]) };
  }
}

async function endOf(pid: number, limitMs: number): Promise<boolean> {
  for (const end = performance.now() + limitMs; isAlive(pid);) {
    if (performance.now() > end) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** Watches a server that is not our child, without keeping this process alive. */
async function endOfAdopted(pid: number): Promise<undefined> {
  while (isAlive(pid)) await delay(ADOPTED_POLL_MS, undefined, { ref: false });
  return undefined;
}

async function stopServer(pid: number, limitMs: number): Promise<void> {
  const ways = [
    ['SIGINT', limitMs],
    ['SIGQUIT', QUIT_LIMIT_MS],
    ['SIGKILL', QUIT_LIMIT_MS],
  ] as const;
  for (const [signal, wait] of ways) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    if (await endOf(pid, wait)) return;
  }
  throw new EmbeddedPostgresError(
    'STOP_FAILED',
    `PostgreSQL (pid ${pid}) did not end, not even when killed. Look at the machine's disks.`,
  );
}

type Running = Pick<EmbeddedPostgres, 'pid' | 'port' | 'ended'>;

async function startOnce(server: Server, port: number): Promise<Omit<Running, 'port'> | undefined> {
  const child = spawnServer(server, port);
  const ended = new Promise<ServerEnd | undefined>((done) => {
    child.once('exit', (code, signal) => done({ code, signal }));
    child.once('error', () => done(undefined));
  });
  child.unref();
  const limitMs = server.options.startLimitMs ?? START_LIMIT_MS;
  for (const end = performance.now() + limitMs; performance.now() < end; await delay(POLL_MS)) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return undefined;
    if ((await answers(urlOf(server, port, 'postgres'))) !== undefined) return { pid: child.pid, ended };
  }
  await stopServer(child.pid ?? 0, QUIT_LIMIT_MS);
  return undefined;
}

async function adopt(server: Server): Promise<Running | undefined> {
  const left = orphan(server.folder);
  if (!left) return undefined;
  const samePort = server.options.port === undefined || server.options.port === left.port;
  if (samePort && (await answers(urlOf(server, left.port, 'postgres'))) !== undefined) {
    return { ...left, ended: endOfAdopted(left.pid) };
  }
  await stopServer(left.pid, STOP_LIMIT_MS);
  return undefined;
}

async function startFresh(server: Server): Promise<Running> {
  await initialise(server);
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const port = server.options.port ?? (await freePort());
    const started = await startOnce(server, port);
    if (started) return { ...started, port };
    if (server.options.port !== undefined) break;
  }
  throw new EmbeddedPostgresError(
    'START_FAILED',
    `PostgreSQL did not start in ${server.folder}. Its log ends with:\n${logTail(server.folder)}`,
  );
}

function prepare(options: EmbeddedPostgresOptions): Server {
  const user = serverUser();
  const folder = realpathSync(options.dataFolder);
  own(folder, user);
  chmodSync(folder, 0o700);
  if (!isReachable(folder, user)) {
    throw new EmbeddedPostgresError(
      'DATA_FOLDER_UNREACHABLE',
      `PostgreSQL must run as ${user?.name ?? 'this user'}, and that account cannot reach ${folder}: a folder above it is closed. Choose a data folder elsewhere, e.g. /var/lib/understudy.`,
    );
  }
  const secretFile = join(folder, 'secret');
  if (!existsSync(secretFile)) {
    const fresh = `${secretFile}.${randomUUID()}`;
    writeFileSync(fresh, randomBytes(32).toString('base64url'), { mode: 0o600 });
    own(fresh, user);
    renameSync(fresh, secretFile);
  }
  const binaries = options.binaries ?? postgresBinaries('newer');
  const release = reachableRelease(binaries, user, join(folder, 'release'));
  return { folder, release, user, secret: readFileSync(secretFile, 'utf8').trim(), options, version: binaries.version };
}

/**
 * Starts PostgreSQL on a data folder, making the cluster the first time. A server that a killed process of ours left behind is
 * taken over. Throws `EmbeddedPostgresError`.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  mkdirSync(dirname(resolve(options.dataFolder)), { recursive: true });
  if (!existsSync(options.dataFolder)) mkdirSync(options.dataFolder, { mode: 0o700 });
  const giveBack = takeFolder(realpathSync(options.dataFolder));
  try {
    const server = prepare(options);
    const { pid, port, ended } = (await adopt(server)) ?? (await startFresh(server));
    let over = false;
    void ended.then(() => (over = true));
    return {
      host: '127.0.0.1',
      port,
      pid,
      ended,
      version: server.version,
      dataFolder: server.folder,
      adminConnectionString: (database = 'postgres') => urlOf(server, port, database),
      stop: async (limitMs = STOP_LIMIT_MS) => {
        // Once it has ended, its pid may belong to somebody else.
        if (!over) await stopServer(pid, limitMs);
        giveBack();
      },
    };
  } catch (error) {
    giveBack();
    throw error;
  }
}
