import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICE_NAMES } from '@understudy/event-log';
import pg from 'pg';
import { ArchiveWriter, FORMAT, FORMAT_VERSION } from './archive.js';

const ROWS_AT_ONCE = 1_000;

/** Who was alive when the backup was taken says nothing about who is alive after a restore. */
export const NOT_KEPT: readonly string[] = ['lease'];
/** Made anew by the restore itself: the migrations that it runs, and the log's identity, which must change. */
export const MADE_ANEW: readonly string[] = ['migration', 'log_identity'];

export interface ExportedTable {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

export interface BackupCounts {
  readonly tables: number;
  readonly rows: number;
}

/**
 * Writes every table of the services as it was at one moment (one repeatable-read transaction over all schemas, so the
 * product may go on working), and the named small files of the data folder.
 */
export async function exportStore(
  adminConnection: string,
  dataFolder: string,
  files: readonly string[],
  path: string,
): Promise<BackupCounts> {
  const client = new pg.Client({ connectionString: adminConnection, application_name: 'understudy-backup' });
  client.on('error', () => undefined);
  await client.connect();
  const archive = new ArchiveWriter(path);
  try {
    await client.query('begin transaction isolation level repeatable read read only');
    await archive.write({
      kind: 'head',
      format: FORMAT,
      formatVersion: FORMAT_VERSION,
      takenAt: new Date().toISOString(),
      migrations: await migrationsOf(client),
    });
    const tables = await tablesOf(client);
    let rows = 0;
    for (const table of tables) rows += await exportTable(client, table, archive);
    for (const file of files.filter((name) => existsSync(join(dataFolder, name)))) {
      await archive.write({ kind: 'file', path: file, content: readFileSync(join(dataFolder, file)).toString('base64') });
    }
    await client.query('commit');
    await archive.finish();
    return { tables: tables.length, rows };
  } catch (error) {
    archive.abandon();
    throw error;
  } finally {
    await client.end();
  }
}

/** What was applied to each schema, as `name sha256`. */
export async function migrationsOf(client: pg.ClientBase): Promise<Record<string, readonly string[]>> {
  const found: Record<string, readonly string[]> = {};
  for (const service of SERVICE_NAMES) {
    const { rows } = await client.query<{ name: string; sha256: string }>(
      `select name, sha256 from ${service}.migration order by name`,
    );
    found[service] = rows.map((row) => `${row.name} ${row.sha256}`);
  }
  return found;
}

/** The services' tables with the columns that can be written, in an order in which no row refers to a later table's. */
async function tablesOf(client: pg.ClientBase): Promise<readonly ExportedTable[]> {
  const { rows } = await client.query<{ schema: string; table: string; columns: { name: string; type: string }[] }>(
    `select n.nspname as schema, c.relname as table,
       (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition and not c.relname = any($2)
     order by n.nspname, c.relname`,
    [[...SERVICE_NAMES], [...NOT_KEPT, ...MADE_ANEW]],
  );
  return rows;
}

async function exportTable(client: pg.Client, table: ExportedTable, archive: ArchiveWriter): Promise<number> {
  await archive.write({ kind: 'table', ...table });
  const columns = table.columns.map((column) => `${client.escapeIdentifier(column.name)}::text`).join(', ');
  await client.query(`declare rows no scroll cursor for select ${columns} from ${qualified(client, table)}`);
  for (let count = 0; ;) {
    const { rows } = await client.query<(string | null)[]>({ text: `fetch ${ROWS_AT_ONCE} from rows`, rowMode: 'array' });
    for (const values of rows) await archive.write({ kind: 'row', values });
    count += rows.length;
    if (rows.length < ROWS_AT_ONCE) {
      await client.query('close rows');
      return count;
    }
  }
}

export function qualified(client: pg.Client, table: { readonly schema: string; readonly table: string }): string {
  return `${client.escapeIdentifier(table.schema)}.${client.escapeIdentifier(table.table)}`;
}
