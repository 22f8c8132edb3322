/** One PostgreSQL per spec file, started at the first need and stopped with the file; nothing of it stays. */
import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type EmbeddedPostgres, postgresBinaries, serverUser, startEmbeddedPostgres } from '@understudy/runtime';
import { afterAll } from 'vitest';

/** Of one start after a kill: recovery, and backends that still hold the shared memory. */
const RESTART_LIMIT_MS = 60_000;
const RESTART_POLL_MS = 20;

const CACHE = fileURLToPath(new URL('../../../.cache/postgres', import.meta.url));

export interface TestPostgres extends EmbeddedPostgres {
  /** Runs when the spec file ends, before the server stops. */
  beforeStop(work: () => Promise<void>): void;
  /** Kills the postmaster with -9 and starts another on the same folder and port; its backends notice by themselves. */
  killAndRestart(): Promise<void>;
}

export interface TestPostgresOptions {
  /** Default false: only what is tried about durability needs it. */
  readonly fsync?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
}

function giveTo(folder: string): void {
  const user = serverUser();
  chmodSync(folder, 0o700);
  if (!user) return;
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(folder, entry), user.uid, user.gid);
}

/** A cluster fresh from initdb, made once per release and copied from then on (0.2 s instead of 0.8 s). */
async function cachedCluster(): Promise<string> {
  const binaries = postgresBinaries('newer');
  const key = createHash('sha256').update(`${binaries.version}:${process.arch}`).digest('hex').slice(0, 12);
  const cached = join(CACHE, `${binaries.version}-${key}`);
  if (existsSync(join(cached, 'secret'))) return cached;
  const fresh = mkdtempSync(join(tmpdir(), 'understudy-test-initdb-'));
  const server = await startEmbeddedPostgres({ dataFolder: fresh, fsync: false });
  await server.stop();
  mkdirSync(CACHE, { recursive: true });
  const beside = join(CACHE, randomUUID());
  cpSync(fresh, beside, { recursive: true });
  rmSync(fresh, { recursive: true });
  try {
    renameSync(beside, cached);
  } catch {
    // Another spec file was faster.
    rmSync(beside, { recursive: true });
  }
  return cached;
}

/** A server of its own. The caller stops it; `removeAfter` is done by `stop`. */
export async function startTestPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'understudy-test-postgres-'));
  cpSync(await cachedCluster(), dataFolder, { recursive: true });
  giveTo(dataFolder);
  const settings = { max_connections: '200', shared_buffers: '64MB', ...options.settings };
  const start = (port?: number): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({ dataFolder, fsync: options.fsync ?? false, settings, ...(port === undefined ? {} : { port }) });
  const first = await start();
  let server = first;
  const before: (() => Promise<void>)[] = [];
  const last = (): void => {
    // The spec's process ends without having stopped it: nothing must stay.
    try {
      process.kill(server.pid, 'SIGQUIT');
    } catch {
      // It has ended.
    }
  };
  process.once('exit', last);
  return {
    ...first,
    beforeStop: (work) => before.push(work),
    killAndRestart: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
      await server.stop();
      server = await restarted(() => start(first.port));
    },
    stop: async (limitMs) => {
      for (const work of before.reverse()) await work().catch(() => undefined);
      await server.stop(limitMs);
      process.off('exit', last);
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}

async function restarted(start: () => Promise<EmbeddedPostgres>): Promise<EmbeddedPostgres> {
  for (const end = performance.now() + RESTART_LIMIT_MS; ; await delay(RESTART_POLL_MS)) {
    try {
      return await start();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

let shared: Promise<TestPostgres> | undefined;

/** The spec file's own server. */
export function testPostgres(): Promise<TestPostgres> {
  return (shared ??= startTestPostgres());
}

afterAll(async () => {
  const server = await shared;
  await server?.stop();
});

/** What the server said, for a failing spec. */
export function serverLog(server: EmbeddedPostgres): string {
  return readFileSync(join(server.dataFolder, 'server.log'), 'utf8');
}
