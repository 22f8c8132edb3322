import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { writePrivateFile } from '@understudy/runtime';
import pg from 'pg';
import { BackupError, readArchive, type ArchiveHead } from './archive.js';
import { migrationsOf, qualified, type BackupCounts, type ExportedTable } from './export.js';

const ROWS_AT_ONCE = 1_000;

/**
 * Fills a freshly migrated, empty store from a checked archive, all in one transaction. Foreign keys and triggers other
 * than the log's own are not fired meanwhile: the rows were consistent when they were taken.
 * @throws `BackupError` BACKUP_FOREIGN when the archive's migrations are not this program's.
 */
export async function importStore(
  adminConnection: string,
  dataFolder: string,
  head: ArchiveHead,
  path: string,
): Promise<BackupCounts> {
  const client = new pg.Client({ connectionString: adminConnection, application_name: 'understudy-restore' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const here = await migrationsOf(client);
    if (JSON.stringify(here) !== JSON.stringify(head.migrations)) {
      throw new BackupError(
        'BACKUP_FOREIGN',
        `${path} was taken by another version of Understudy (${head.takenAt}). Restore it with that version, then start this one.`,
      );
    }
    await client.query('begin');
    await client.query('set local session_replication_role = replica');
    const counts = await fill(client, dataFolder, path);
    await resetSequences(client);
    await client.query('commit');
    return counts;
  } finally {
    await client.end();
  }
}

async function fill(client: pg.Client, dataFolder: string, path: string): Promise<BackupCounts> {
  let table: ExportedTable | undefined;
  let waiting: (readonly (string | null)[])[] = [];
  const counts = { tables: 0, rows: 0 };
  const flush = async (): Promise<void> => {
    if (table !== undefined && waiting.length > 0) await insert(client, table, waiting);
    counts.rows += waiting.length;
    waiting = [];
  };
  for await (const line of readArchive(path)) {
    switch (line.kind) {
      case 'table':
        await flush();
        table = line;
        counts.tables += 1;
        break;
      case 'row':
        waiting.push(line.values);
        if (waiting.length === ROWS_AT_ONCE) await flush();
        break;
      case 'file':
        writeBack(dataFolder, line.path, Buffer.from(line.content, 'base64'));
        break;
      case 'head':
      case 'foot':
        await flush();
        break;
      default:
        line satisfies never;
    }
  }
  return counts;
}

async function insert(client: pg.Client, table: ExportedTable, rows: readonly (readonly (string | null)[])[]): Promise<void> {
  const names = table.columns.map((column) => client.escapeIdentifier(column.name));
  const casts = table.columns.map((column, index) => `v.c${index}::${column.type}`);
  const arrays = table.columns.map((_, index) => `$${index + 1}::text[]`);
  const aliases = table.columns.map((_, index) => `c${index}`);
  await client.query(
    `insert into ${qualified(client, table)} (${names.join(', ')}) overriding system value
     select ${casts.join(', ')} from unnest(${arrays.join(', ')}) as v(${aliases.join(', ')})`,
    table.columns.map((_, index) => rows.map((row) => row[index] ?? null)),
  );
}

/** Columns that draw from a sequence go on after the highest value that was restored. */
async function resetSequences(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ schema: string; table: string; column: string; sequence: string }>(
    `select n.nspname as schema, c.relname as table, a.attname as column, s.oid::regclass::text as sequence
     from pg_class s join pg_depend d on d.objid = s.oid and d.deptype in ('a', 'i')
     join pg_class c on c.oid = d.refobjid join pg_namespace n on n.oid = c.relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid
     where s.relkind = 'S' and n.nspname not like 'pg\\_%'`,
  );
  for (const row of rows) {
    await client.query(
      `select setval($1, coalesce((select max(${client.escapeIdentifier(row.column)}) from ${qualified(client, row)}), 0) + 1, false)`,
      [row.sequence],
    );
  }
}

/** Small files come back private. A path that leads out of the data folder is not written. */
function writeBack(dataFolder: string, path: string, content: Buffer): void {
  const target = normalize(join(dataFolder, path));
  if (!target.startsWith(`${normalize(dataFolder)}/`) || existsSync(target)) {
    throw new BackupError('BACKUP_DAMAGED', `The backup holds a file ${path} that may not be written into ${dataFolder}.`);
  }
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  writePrivateFile(target, content.toString('utf8'));
}
