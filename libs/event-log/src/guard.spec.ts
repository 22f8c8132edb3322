/** Every way around "append-only" that we could think of, by the service's role and by the owner. */
import { createTestDatabase, type TestDatabase } from '@understudy/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppendRequest, type Store, openStore } from './index.js';

const noted = (stream: string, expectedVersion: number, ...bodies: unknown[]): AppendRequest => ({
  streams: [{ stream, expectedVersion, events: bodies.map((body) => ({ type: 'Noted', schemaVersion: 1, body })) }],
  metadata: {
    commandId: `${stream}-${expectedVersion}`,
    actor: { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' },
  },
});

/** The append function, called by hand: one stream, one event. */
const CALL = `append($1, $2, '{0}', '{1}', '{Forged}', '{1}', '{1}', '{2}', '{3}', '{2}', '{}{}'::bytea)`;

let database: TestDatabase;
let store: Store;
const clients: pg.Client[] = [];

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}

let service: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase(['orchestrator', 'drift']);
  store = await openStore({ connectionString: database.serviceConnection('orchestrator'), schema: 'orchestrator' });
  await store.log.append(noted('a', 0, 1, 2, 3));
  service = await connect(database.serviceConnection('orchestrator'));
  owner = await connect(database.ownerConnection);
  await owner.query('set search_path = orchestrator');
});

afterAll(async () => {
  for (const client of clients) await client.end();
  await store.close();
});

async function untouched(): Promise<void> {
  expect(await store.log.verify()).toMatchObject({ intact: true });
  expect((await store.log.readStream('a')).map((event) => event.body)).toEqual([1, 2, 3]);
}

describe('the role of a service', () => {
  it.each([
    ['update', `update event set body = '9'`],
    ['update of nothing', `update event set body = body where false`],
    ['delete', `delete from event`],
    ['truncate', `truncate event`],
    ['direct insert', `insert into event values (4, 'a', 4, 'x', 1, '2020', '{}', '{}', '\\x00')`],
    ['upsert', `insert into event select * from event on conflict (position) do update set body = '9'`],
    ['merge', `merge into event using (select 1) one on true when matched then delete`],
    ['copy in', `copy event from stdin`],
    ['row lock', `select * from event for update`],
    ['disable trigger', `alter table event disable trigger all`],
    ['drop trigger', `drop trigger event_row_unchanging on event`],
    ['replace the function', `create or replace function append(text[]) returns void language sql as 'select'`],
    ['alter the function', `alter function append reset search_path`],
    ['create table', `create table mine (id integer)`],
    ['create temporary table', `create temporary table event (id integer)`],
    ['create schema', `create schema mine`],
    ['create in public', `create table public.mine (id integer)`],
    ['replica mode', `set session_replication_role = replica`],
    ['become the owner', `set role understudy_owner`],
    ['become a superuser', `alter role current_user superuser`],
    ['a checkpoint changed', `update signed_checkpoint set statement = ''`],
    ['a checkpoint removed', `delete from signed_checkpoint`],
    ['checkpoints truncated', `truncate signed_checkpoint`],
    ['a checkpoint inserted', `insert into signed_checkpoint values (1, 0, '', '', '\\x00')`],
    ['identity of the log', `update log_identity set id = gen_random_uuid()`],
    ['migration record', `delete from migration`],
    ['link of the chain', `select chain_link(null, '\\x00', '\\x00')`],
    ['a rule', `create rule silent as on insert to event do instead nothing`],
    ['a foreign schema', `select * from drift.event`],
    ["a foreign log's append", `select drift.${CALL.replace('$1', `'{a}'`).replace('$2', `'{0}'`)}`],
    ['server files', `copy (select 1) to '/tmp/understudy-forged'`],
    ['server programs', `copy (select 1) to program 'true'`],
    ['code in the server', `do language plpgsql $$ begin update orchestrator.event set body = '9'; end $$`],
  ])('is refused: %s', async (_, sql) => {
    await expect(service.query(sql)).rejects.toMatchObject({ code: '42501' });
    await service.query('rollback');
    await untouched();
  });

  it('has no sequence, trigger or right on the log besides reading and appending', async () => {
    const rights = await service.query<{ relname: string; rights: string[] }>(
      `select c.relname, array(select p from unnest(array['INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER','MAINTAIN']) p
        where has_table_privilege(c.oid, p)) as rights
       from pg_class c where c.relnamespace = 'orchestrator'::regnamespace and c.relname in ('event', 'log_identity', 'migration', 'signed_checkpoint') order by 1`,
    );
    expect(rights.rows).toEqual([
      { relname: 'event', rights: [] },
      { relname: 'log_identity', rights: [] },
      { relname: 'migration', rights: [] },
      { relname: 'signed_checkpoint', rights: [] },
    ]);
    const callable = await service.query<{ proname: string }>(
      `select proname from pg_proc where pronamespace = 'orchestrator'::regnamespace and has_function_privilege(oid, 'EXECUTE') order by 1`,
    );
    expect(callable.rows).toEqual([{ proname: 'append' }, { proname: 'append_signed_checkpoint' }]);
    const sequences = await service.query(
      `select relname from pg_class where relkind = 'S' and relnamespace = 'orchestrator'::regnamespace and relname like '%event%'`,
    );
    expect(sequences.rows).toEqual([]);
  });

  it('cannot forge a version, a position, a time or a hash through the function', async () => {
    const lost = await service.query<{ lost: unknown; hashes: string | null }>(`select lost, hashes from ${CALL}`, [['a'], [7]]);
    expect(lost.rows).toEqual([{ lost: [{ a: 0, s: 'a', x: 7, version: 3 }], hashes: null }]);
    // An append number of null hides the conflict; the version is the stream's next all the same.
    const hidden = CALL.replace(`'{0}'`, `'{null}'`);
    await service.query(`select base from ${hidden}`, [['forged'], [40]]);
    expect((await store.log.readStream('forged')).map((event) => event.version)).toEqual([1]);
    // The same stream twice in one batch meets the unique constraint, and nothing of it stays.
    const twice = `append('{a,a}', '{3,3}', '{0,1}', '{1,2}', '{F,F}', '{1,1}', '{1,1}', '{2,2}', '{3,3}', '{2,2}', '{}{}'::bytea)`;
    await expect(service.query(`select base from ${twice}`)).rejects.toMatchObject({ code: '23505' });
    await expect(service.query(`select base from ${CALL.replace(`'{1}'`, `'{5}'`)}`, [['a'], [3]])).rejects.toMatchObject({
      code: '23502',
    });
    await expect(service.query(`select base from ${CALL.replace(`'{}{}'`, `'not{}'`)}`, [['a'], [3]])).rejects.toMatchObject({
      code: '22P02',
    });
    await untouched();
  });

  it('cannot slip a table or a function of its own under the function by search_path', async () => {
    await service.query('begin');
    await service.query(`set local search_path = pg_temp, drift, public`);
    const { rows } = await service.query<{ base: string }>(`select base from orchestrator.${CALL}`, [['path'], [0]]);
    await service.query('commit');
    expect(Number(rows[0]?.base)).toBe((await store.log.headPosition()) - 1);
    const config = await service.query<{ proconfig: string[] }>(
      `select proconfig from pg_proc where proname = 'append' and pronamespace = 'orchestrator'::regnamespace`,
    );
    expect(config.rows[0]?.proconfig[0]).toBe('search_path=orchestrator, pg_temp');
    await untouched();
  });

  it('is cut off when it waits too long', async () => {
    const settings = await service.query<{ name: string; setting: string }>(
      `select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout') order by 1`,
    );
    expect(settings.rows).toEqual([
      { name: 'idle_in_transaction_session_timeout', setting: '10000' },
      { name: 'lock_timeout', setting: '10000' },
      { name: 'statement_timeout', setting: '30000' },
      { name: 'transaction_timeout', setting: '60000' },
    ]);
  });
});

describe('the owner', () => {
  it.each([
    ['update', `update event set body = '9'`],
    ['update of nothing', `update event set body = body where false`],
    ['delete', `delete from event`],
    ['truncate', `truncate event`],
    ['a checkpoint changed', `update signed_checkpoint set statement = ''`],
    ['checkpoints truncated', `truncate signed_checkpoint`],
    ['truncate cascade', `truncate event cascade`],
    ['upsert', `insert into event select * from event on conflict (position) do update set body = '9'`],
    ['merge', `merge into event using (select 1) one on true when matched then delete`],
    [
      'a cursor',
      `do $$ declare c cursor for select * from orchestrator.event for update; begin for r in c loop delete from orchestrator.event where current of c; end loop; end $$`,
    ],
  ])('is refused by the triggers: %s', async (_, sql) => {
    await expect(owner.query(sql)).rejects.toMatchObject({ code: '23001' });
    await untouched();
  });

  it('cannot switch the triggers off by replica mode, which only a superuser may set', async () => {
    await expect(owner.query('set session_replication_role = replica')).rejects.toMatchObject({ code: '42501' });
    const admin = await connect(database.adminConnection);
    await admin.query('set session_replication_role = replica');
    await expect(admin.query('update orchestrator.event set body = $1', ['9'])).rejects.toMatchObject({ code: '23001' });
    await expect(admin.query('truncate orchestrator.event')).rejects.toMatchObject({ code: '23001' });
    await untouched();
  });
});

describe('nobody else', () => {
  it('gets in: the roles are no superusers, and another service sees nothing', async () => {
    const roles = await owner.query<{ n: string }>(
      `select count(*) as n from pg_roles where rolname like 'understudy_%' and (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)`,
    );
    expect(roles.rows[0]?.n).toBe('0');
    const drift = await connect(database.serviceConnection('drift'));
    await expect(drift.query('select * from orchestrator.event')).rejects.toMatchObject({ code: '42501' });
    await expect(connect(database.serviceConnection('drift').replace(/:[^:@]+@/, ':guessed@'))).rejects.toMatchObject({
      code: '28P01',
    });
  });
});
