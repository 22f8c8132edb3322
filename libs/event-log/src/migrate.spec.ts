import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestDatabase, printedSchema, type TestDatabase } from '@understudy/testing';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SchemaMismatch, applyRoles, checkMigrated, migrate, openStore } from './index.js';

let folder: string;
let database: TestDatabase;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-test-migrations-'));
  database = await createTestDatabase();
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string, sql: string): void => writeFileSync(join(folder, name), sql);
const run = (): Promise<readonly string[]> =>
  migrate({ ownerConnection: database.ownerConnection, service: 'drift', migrationsFolder: folder });

async function ask<T extends pg.QueryResultRow>(sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: database.serviceConnection('drift') });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('migrations', () => {
  it("apply the log's own first, then the service's, once, into the service's schema", async () => {
    file('0001_first.sql', 'create table finding (id integer primary key);');
    file('0002_second.sql', `insert into finding values (7);`);
    const log = ['event-log/0001_log.sql', 'event-log/0002_work.sql', 'event-log/0003_signed_checkpoint.sql'];
    expect(await run()).toEqual([...log, 'drift/0001_first.sql', 'drift/0002_second.sql']);
    expect(await run()).toEqual([]);
    expect(await ask('select id from finding')).toEqual([{ id: 7 }]);
    // The service writes its own tables without a grant of their own.
    await ask('insert into finding values (8)');
  });

  it('applied by two at once are applied once', async () => {
    file('0001_first.sql', 'create table finding (id integer primary key); select pg_sleep(0.05);');
    const [one, two] = await Promise.all([run(), run()]);
    expect([one.length, two.length].sort()).toEqual([0, 4]);
  });

  it('refuse by name a file that was changed, removed, or numbered before an applied one', async () => {
    file('0002_second.sql', 'create table finding (id integer primary key);');
    await run();
    file('0001_late.sql', 'select 1;');
    await expect(run()).rejects.toThrow('drift/0001_late.sql: numbered before one that is applied already');
    rmSync(join(folder, '0001_late.sql'));
    file('0002_second.sql', 'create table finding (id bigint primary key);');
    await expect(run()).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      differences: ['drift/0002_second.sql: changed after it was applied'],
    });
    rmSync(join(folder, '0002_second.sql'));
    await expect(run()).rejects.toThrow('drift/0002_second.sql: applied, but not in this version of the program');
  });

  it('refuse a file without a number of its own', async () => {
    file('first.sql', 'select 1;');
    await expect(run()).rejects.toThrow('name it NNNN_what_it_does.sql');
  });

  it('leave nothing of one that fails, and say which', async () => {
    file('0001_first.sql', 'create table finding (id integer); select 1 / 0;');
    await expect(run()).rejects.toThrow('The migration drift/0001_first.sql failed and left nothing behind: division by zero');
    expect(await ask(`select to_regclass('drift.finding') as found`)).toEqual([{ found: null }]);
  });

  it('are only checked by a service, which names the difference', async () => {
    const open = () =>
      openStore({ connectionString: database.serviceConnection('drift'), schema: 'drift', migrationsFolder: folder });
    await expect(open()).rejects.toThrow('event-log/0001_log.sql: not applied yet');
    await run();
    const pool = new pg.Pool({ connectionString: database.serviceConnection('drift') });
    await checkMigrated(pool, 'drift', folder);
    file('0001_new.sql', 'select 1;');
    await expect(checkMigrated(pool, 'drift', folder)).rejects.toBeInstanceOf(SchemaMismatch);
    await expect(open()).rejects.toThrow(
      'The schema drift is older than this program: drift/0001_new.sql: not applied yet. Run the migrations first.',
    );
    await pool.end();
  });
});

describe('roles.sql', () => {
  it('may be run again and again, also by several at once', async () => {
    await Promise.all([1, 2, 3].map(() => applyRoles(database.adminConnection, {})));
    expect(await ask('select current_user as me')).toEqual([{ me: 'understudy_drift' }]);
  });
});

describe('the printed schema', () => {
  it('of the log is the one in schema.txt; `node tools/print-schema.mjs` renews it', async () => {
    await migrate({ ownerConnection: database.ownerConnection, service: 'orchestrator', migrationsFolder: folder });
    const printed = await printedSchema('orchestrator', database);
    expect(printed).toBe(readFileSync(new URL('../schema.txt', import.meta.url), 'utf8'));
  });
});
