import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

/**
 * A PostgreSQL pair as somebody would have it who never heard of Understudy: built by hand from release folders, initdb
 * and configuration files, then prepared by the documented `prepare.sql`. It shares no code with the practice pair, so
 * that what works here does not work by agreement.
 */
export interface OwnPair {
  readonly folder: string;
  readonly nodes: readonly [OwnNode, OwnNode];
  /** What `prepare.sql` made, with passwords of this pair's own. */
  readonly logins: Readonly<Record<'driver' | 'replication' | 'probe', Login>>;
  /** A folder with the files `<role>.user` and `<role>.password`. */
  readonly secrets: string;
  /** By `select version()`. */
  versions(): Promise<readonly string[]>;
  /** The node that accepts writes; throws unless there is exactly one. */
  serving(): Promise<OwnNode>;
  /** The first column of the first row, as text; empty when there is none. */
  ask(node: OwnNode, text: string): Promise<string>;
  /** Ends both by their process ids, whoever started them; files stay. */
  stop(): Promise<void>;
}

export interface Login {
  readonly user: string;
  readonly password: string;
}

export interface OwnNode {
  readonly slug: string;
  readonly root: string;
  readonly port: number;
}

const START_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 25;
const DATABASE = 'app';
/** The owner of the cluster, before anybody prepared anything. */
const OWNER: Login = { user: 'dba', password: randomBytes(18).toString('base64url') };
const PREPARE = fileURLToPath(new URL('../../docs/first-steps/prepare.sql', import.meta.url));

interface Release {
  readonly version: string;
  readonly folder: string;
}

/** The release that npm brought under one of the two names. */
export function release(which: 'older' | 'newer'): Release {
  const entry = createRequire(import.meta.url).resolve(`postgres-${which}-${process.platform}-${process.arch}`);
  const root = dirname(dirname(entry));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return { version: version.replace(/^(\d+\.\d+).*$/, '$1'), folder: join(root, 'native') };
}

/** PostgreSQL refuses root. */
function account(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = lines.find((text) => text.startsWith('postgres:')) ?? lines.find((text) => text.startsWith('nobody:')) ?? '';
  const fields = line.split(':');
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

function give(path: string): void {
  const { uid, gid } = account();
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

async function ports(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()] as const;
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))));
  const [first, second] = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [first ?? 0, second ?? 0];
}

/** Builds and starts the pair below a folder that every account may search. The newer release lies ready on both hosts. */
export async function buildOwnPair(folder: string): Promise<OwnPair> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const [first, second] = await ports();
  const nodes: OwnPair['nodes'] = [
    { slug: 'db-a', root: join(folder, 'db-a'), port: first },
    { slug: 'db-b', root: join(folder, 'db-b'), port: second },
  ];
  for (const node of nodes) layOut(node);
  const login = (user: string): Login => ({ user, password: randomBytes(18).toString('base64url') });
  const logins = { driver: login('orders_driver'), replication: login('orders_replication'), probe: login('orders_probe') };
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map(end)));
  try {
    await fill(nodes, logins);
  } catch (error) {
    await stop();
    throw error;
  }
  return { folder, nodes, logins, secrets: writeSecrets(join(folder, 'secrets'), logins), stop, ...views(nodes) };
}

function views(nodes: OwnPair['nodes']): Pick<OwnPair, 'ask' | 'versions' | 'serving'> {
  const ask = async (node: OwnNode, text: string): Promise<string> =>
    String(Object.values((await query(node, text))[0] ?? { none: '' })[0]);
  return {
    ask,
    versions: () =>
      Promise.all(nodes.map(async (node) => /^PostgreSQL (\S+)/.exec(await ask(node, 'select version()'))?.[1] ?? '')),
    serving: async () => {
      const standby = await Promise.all(nodes.map((node) => ask(node, 'select pg_is_in_recovery()')));
      const writable = nodes.filter((_, index) => standby[index] === 'false');
      if (writable.length !== 1 || writable[0] === undefined) throw new Error(`${writable.length} nodes accept writes.`);
      return writable[0];
    },
  };
}

function writeSecrets(folder: string, logins: OwnPair['logins']): string {
  mkdirSync(folder, { mode: 0o700 });
  for (const [role, { user, password }] of Object.entries(logins)) {
    writeFileSync(join(folder, `${role}.user`), user, { mode: 0o600 });
    writeFileSync(join(folder, `${role}.password`), password, { mode: 0o600 });
  }
  return folder;
}

function layOut(node: OwnNode): void {
  mkdirSync(join(node.root, 'releases'), { recursive: true, mode: 0o755 });
  for (const each of [release('older'), release('newer')]) {
    cpSync(each.folder, join(node.root, 'releases', `postgresql-${each.version}`), { recursive: true, verbatimSymlinks: true });
  }
  symlinkSync(`releases/postgresql-${release('older').version}`, join(node.root, 'current'));
  for (const name of ['data', 'log', 'wal-archive']) {
    mkdirSync(join(node.root, name), { mode: 0o700 });
    give(join(node.root, name));
  }
}

function own(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  give(path);
}

async function fill([active, standby]: OwnPair['nodes'], logins: OwnPair['logins']): Promise<void> {
  const data = join(active.root, 'data');
  const passwordFile = join(active.root, 'log', 'first-password');
  own(passwordFile, OWNER.password);
  const flags = ['-U', OWNER.user, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '--no-sync', '--wal-segsize=1'];
  execFileSync(join(active.root, 'current/bin/initdb'), ['-D', data, ...flags], { ...account(), cwd: '/', stdio: 'pipe' });
  rmSync(passwordFile);
  own(join(data, 'postgresql.conf'), configuration(active));
  const { driver, replication, probe } = logins;
  const rules = [`all ${OWNER.user}`, `all ${driver.user}`, `replication ${replication.user}`, `${DATABASE} ${probe.user}`];
  own(join(data, 'pg_hba.conf'), rules.map((rule) => `host ${rule} 127.0.0.1/32 scram-sha-256\n`).join(''));
  await start(active);
  await query(active, `create database ${DATABASE}`, 'postgres');
  await query(active, prepared(logins));
  await query(active, `select pg_create_physical_replication_slot('understudy_db_b', true)`);
  await end(active);
  execFileSync('cp', ['-R', '-p', `${data}/.`, join(standby.root, 'data')], account());
  execFileSync('sh', ['-c', 'rm -rf "$0"/pg_replslot/*', join(standby.root, 'data')], account());
  own(join(standby.root, 'data', 'postgresql.conf'), configuration(standby));
  const source = `host=127.0.0.1 port=${active.port} user=${replication.user} password=${replication.password} application_name=${standby.slug}`;
  const follow = [
    `primary_conninfo = '${source}'`,
    `primary_slot_name = 'understudy_db_b'`,
    `recovery_target_timeline = 'latest'`,
  ];
  own(join(standby.root, 'data', 'postgresql.auto.conf'), `${follow.join('\n')}\n`);
  own(join(standby.root, 'data', 'standby.signal'), '');
  await start(active);
  await start(standby);
  const streaming = `select 1 from pg_stat_replication where state = 'streaming'`;
  await until(async () => (await query(active, streaming)).length === 1, 'the standby streams');
}

/** The documented preparation with this pair's passwords in place of the ones that it asks to change. */
function prepared(logins: OwnPair['logins']): string {
  const text = readFileSync(PREPARE, 'utf8');
  return Object.entries(logins).reduce((sql, [role, { password }]) => sql.replace(`change-me-${role}`, password), text);
}

function configuration(node: OwnNode): string {
  return `listen_addresses = '127.0.0.1'
port = ${node.port}
cluster_name = '${node.slug}'
unix_socket_directories = ''
shared_buffers = 32MB
max_wal_senders = 10
max_replication_slots = 10
wal_retrieve_retry_interval = 200ms
wal_receiver_status_interval = 1s
restart_after_crash = off
archive_mode = on
archive_command = 'test -f "${node.root}/wal-archive/%f" || cp "%p" "${node.root}/wal-archive/%f"'
timezone = 'UTC'
`;
}

async function query(node: OwnNode, text: string, database = DATABASE): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { user, password } = OWNER;
  const client = new pg.Client({ host: '127.0.0.1', port: node.port, user, password, database, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows as readonly Readonly<Record<string, unknown>>[];
  } finally {
    await client.end();
  }
}

async function start(node: OwnNode): Promise<void> {
  const log = openSync(join(node.root, 'log', 'postgresql.log'), 'a', 0o600);
  give(join(node.root, 'log', 'postgresql.log'));
  const child = spawn(join(node.root, 'current/bin/postgres'), ['-D', join(node.root, 'data')], {
    ...account(),
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  });
  child.unref();
  closeSync(log);
  await until(async () => (await query(node, 'select 1', 'postgres')).length === 1, `${node.slug} answers`);
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + START_WITHIN_MS;
  let last = '';
  while (Date.now() < deadline) {
    const met = await condition().catch((error: unknown) => {
      last = String(error);
      return false;
    });
    if (met) return;
    await pause(LOOK_EVERY_MS);
  }
  throw new Error(`Waited ${START_WITHIN_MS} ms for: ${what}. ${last}`);
}

/** Whoever started it last: the process id is in the data folder. */
function postmaster(node: OwnNode): number | undefined {
  try {
    const pid = Number(readFileSync(join(node.root, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
}

async function end(node: OwnNode): Promise<void> {
  const deadline = Date.now() + STOP_WITHIN_MS;
  for (let pid = postmaster(node), signal: NodeJS.Signals = 'SIGINT'; pid !== undefined; pid = postmaster(node)) {
    process.kill(pid, signal);
    signal = Date.now() > deadline ? 'SIGKILL' : 'SIGINT';
    await pause(LOOK_EVERY_MS);
  }
}
