/**
 * Numbered SQL, applied once, in order, by the owner: first the log's own migrations, then the service's, all in the service's
 * schema. What was applied is kept by name and SHA-256; a file that changed or vanished afterwards is refused by name.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { SchemaMismatch } from './errors.js';
import { OWNER_ROLE, schemaName } from './identifiers.js';

const OWN_MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));
const SERVICES = fileURLToPath(new URL('../../../services', import.meta.url));
const LOCK_CLASS = 1970238580;
const LOCK_LIMIT = '60s';
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;

export interface MigrateOptions {
  /** URL of `understudy_owner`, or of an administrator who may become it. */
  readonly ownerConnection: string;
  /** The service; also its schema. */
  readonly service: string;
  /** Default: `services/<service>/migrations`, where it exists. */
  readonly migrationsFolder?: string;
}

interface Migration {
  /** e.g. `event-log/0001_log.sql`. */
  readonly name: string;
  readonly sha256: string;
  readonly sql: string;
}

function migrationsIn(folder: string, owner: string): Migration[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  const numbers = new Set<string>();
  return files.map((file) => {
    if (!FILE_NAME.test(file) || numbers.has(file.slice(0, 4))) {
      throw new SchemaMismatch(`${join(folder, file)} has no number of its own: name it NNNN_what_it_does.sql.`, [
        `${owner}/${file}`,
      ]);
    }
    numbers.add(file.slice(0, 4));
    const bytes = readFileSync(join(folder, file));
    return { name: `${owner}/${file}`, sha256: createHash('sha256').update(bytes).digest('hex'), sql: bytes.toString('utf8') };
  });
}

function migrationsOf(service: string, folder?: string): Migration[] {
  return [
    ...migrationsIn(OWN_MIGRATIONS, 'event-log'),
    ...migrationsIn(folder ?? join(SERVICES, service, 'migrations'), service),
  ];
}

interface Applied {
  readonly name: string;
  readonly sha256: string;
}

interface Differences {
  readonly refused: readonly string[];
  readonly pending: readonly Migration[];
}

function compare(known: readonly Migration[], applied: readonly Applied[]): Differences {
  const files = new Map(known.map((migration) => [migration.name, migration]));
  const done = new Map(applied.map((row) => [row.name, row.sha256]));
  const refused: string[] = [];
  for (const { name, sha256 } of applied) {
    const file = files.get(name);
    if (!file) refused.push(`${name}: applied, but not in this version of the program`);
    else if (file.sha256 !== sha256) refused.push(`${name}: changed after it was applied`);
  }
  const pending = known.filter((migration) => !done.has(migration.name));
  for (const { name } of pending) {
    const set = name.slice(0, name.indexOf('/') + 1);
    if (applied.some((row) => row.name.startsWith(set) && row.name > name))
      refused.push(`${name}: numbered before one that is applied already`);
  }
  return { refused, pending };
}

async function appliedIn(client: pg.ClientBase | pg.Pool, schema: string): Promise<Applied[]> {
  const exists = await client.query<{ found: boolean }>('select to_regclass($1) is not null as found', [`${schema}.migration`]);
  if (!exists.rows[0]?.found) return [];
  return (await client.query<Applied>(`select name, sha256 from ${schema}.migration order by name`)).rows;
}

async function apply(client: pg.Client, schema: string, migration: Migration): Promise<void> {
  await client.query('begin');
  try {
    // pg_temp last: nobody's temporary table may stand before the real one where a function pins this path.
    await client.query(`set local search_path = ${schema}, pg_temp`);
    await client.query(migration.sql);
    await client.query(`insert into ${schema}.migration (name, sha256) values ($1, $2)`, [migration.name, migration.sha256]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The migration ${migration.name} failed and left nothing behind: ${reason}`, { cause: error });
  }
}

const MIGRATION_TABLE = `(
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default clock_timestamp(),
  constraint migration_pkey primary key (name)
)`;

/**
 * Brings a service's schema up to date; answers the names of what was applied now. Several at once wait for each other.
 * Throws `SchemaMismatch` if an applied file changed, vanished or was numbered in between.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const schema = schemaName(options.service);
  const known = migrationsOf(options.service, options.migrationsFolder);
  const client = new pg.Client({ connectionString: options.ownerConnection, application_name: `understudy-migrate-${schema}` });
  await client.connect();
  try {
    await client.query(`set role ${OWNER_ROLE}`);
    await client.query(`set lock_timeout = '${LOCK_LIMIT}'`);
    await client.query('select pg_advisory_lock($1, hashtext($2))', [LOCK_CLASS, schema]);
    await client.query(`create table if not exists ${schema}.migration ${MIGRATION_TABLE}`);
    const { refused, pending } = compare(known, await appliedIn(client, schema));
    if (refused.length > 0) throw mismatch(schema, refused);
    for (const migration of pending) await apply(client, schema, migration);
    return pending.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}

function mismatch(schema: string, differences: readonly string[]): SchemaMismatch {
  return new SchemaMismatch(
    `The schema ${schema} does not fit this version of the program: ${differences.join('; ')}. Run the version that fits, or add a new migration instead of changing an old one.`,
    differences,
  );
}

/** What a service does at its start: throws `SchemaMismatch` naming each migration that is missing, changed or unknown. */
export async function checkMigrated(
  connection: pg.ClientBase | pg.Pool,
  service: string,
  migrationsFolder?: string,
): Promise<void> {
  const schema = schemaName(service);
  const { refused, pending } = compare(migrationsOf(service, migrationsFolder), await appliedIn(connection, schema));
  const missing = pending.map((migration) => `${migration.name}: not applied yet`);
  if (refused.length > 0) throw mismatch(schema, [...refused, ...missing]);
  if (missing.length > 0) {
    throw new SchemaMismatch(
      `The schema ${schema} is older than this program: ${missing.join('; ')}. Run the migrations first.`,
      missing,
    );
  }
}

/** Gives the log a new identity, as must be done after a restore: consumers then know that history may have been cut. */
export async function renewLogId(ownerConnection: string, service: string): Promise<string> {
  const schema = schemaName(service);
  const client = new pg.Client({ connectionString: ownerConnection });
  await client.connect();
  try {
    await client.query(`set role ${OWNER_ROLE}`);
    const { rows } = await client.query<{ id: string }>(
      `update ${schema}.log_identity set id = gen_random_uuid(), since = clock_timestamp() returning id`,
    );
    return rows[0]?.id ?? '';
  } finally {
    await client.end();
  }
}
