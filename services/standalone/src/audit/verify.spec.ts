/** The command that an administrator or an auditor runs, on a real installation and on files that were taken away from it. */
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCheckpointKey } from '@understudy/event-log';
import { checkpointKeyCommand } from '@understudy/runtime';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataFolder, type DataFolder } from '../folder.js';
import { closeStores, openDatabase, openStores, prepareDatabase, type Database } from '../store.js';
import { runVerify } from './command.js';

const base = mkdtempSync(join(tmpdir(), 'understudy-verify-'));
chmodSync(base, 0o711);
const at = (name: string): string => join(base, name);
let folder: DataFolder;
let database: Database;

async function run(...argv: readonly string[]): Promise<{ code: number; said: string }> {
  let said = '';
  const code = await runVerify(argv, {}, (text) => (said += text));
  return { code, said };
}

/** An installation with one rollout of three events, signed; the public key, the export and the events are taken away. */
beforeAll(async () => {
  folder = openDataFolder(at('data'));
  ensureCheckpointKey(folder.checkpointKey);
  database = await openDatabase(folder, undefined);
  const signing = { keyFile: folder.checkpointKey, folder: folder.checkpoints, everyMs: 3_600_000 };
  const stores = await openStores(await prepareDatabase(database.adminConnection), folder.path, signing);
  const { log, checkpoints } = stores.orchestrator;
  const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
  const events = [1, 2, 3].map((n) => ({ type: 'Happened', schemaVersion: 1, body: { n, 'ü\n"': 1e21, b: [null, 0.1] } }));
  await log.append({
    streams: [{ stream: 'rollout/one', expectedVersion: 0, events }],
    metadata: { commandId: 'one', actor },
  });
  await checkpoints?.sign();
  writeFileSync(at('events.json'), JSON.stringify({ items: await log.readStream('rollout/one') }));
  copyFileSync(join(folder.checkpoints, `orchestrator-${log.logId}.jsonl`), at('copy.jsonl'));
  let publicKey = '';
  expect(checkpointKeyCommand(folder.checkpointKey, ['public'], (text) => (publicKey += text))).toBe(0);
  writeFileSync(at('public.pem'), publicKey);
  await closeStores(stores);
});

afterAll(async () => {
  await database.stop();
  rmSync(base, { recursive: true, force: true });
});

describe('npm run verify', () => {
  it('says how far each log of an installation is vouched for', async () => {
    const { code, said } = await run('--data', folder.path);
    expect(said).toMatch(
      /^orchestrator: intact, 3 events\. Up to position 3 nothing was changed.*That is everything there is\.$/m,
    );
    expect(said).toMatch(/^drift: intact, 0 events\./m);
    expect(code).toBe(0);
  });

  it('without any database, tells an auditor that events are those that were signed', async () => {
    const files = ['--offline', '--key', at('public.pem'), '--checkpoints', at('copy.jsonl')];
    const told = await run(...files, '--events', at('events.json'));
    expect(told.said).toContain('intact, 2 checkpoints, up to position 3');
    expect(told.said).toContain('rollout/one is what was signed, up to version 3 of 3');
    expect(told.code).toBe(0);

    writeFileSync(
      at('cut.json'),
      JSON.stringify({ items: JSON.parse(readFileSync(at('events.json'), 'utf8')).items.slice(0, 2) }),
    );
    const cut = await run(...files, '--events', at('cut.json'));
    expect(cut).toMatchObject({ code: 1, said: expect.stringContaining('version 3, which was signed, is not among the events') });
    writeFileSync(at('changed.json'), readFileSync(at('events.json'), 'utf8').replace('"n":2', '"n":7'));
    const changed = await run(...files, '--events', at('changed.json'));
    expect(changed).toMatchObject({ code: 1, said: expect.stringContaining('NOT INTACT at position 2, stream rollout/one') });
    writeFileSync(at('forged.jsonl'), readFileSync(at('copy.jsonl'), 'utf8').replace('"position":3', '"position":4'));
    const forged = await run('--offline', '--key', at('public.pem'), '--checkpoints', at('forged.jsonl'));
    expect(forged).toMatchObject({ code: 1, said: expect.stringContaining('NOT INTACT') });
  });

  it('finds what a superuser cut off together with its checkpoints, by the copy that was taken away', async () => {
    const admin = new pg.Client({ connectionString: database.adminConnection });
    await admin.connect();
    await admin.query(`set search_path = orchestrator; alter table event disable trigger all;
      alter table signed_checkpoint disable trigger all; delete from event where position = 3; truncate signed_checkpoint`);
    await admin.end();
    for (const name of readdirSync(folder.checkpoints)) rmSync(join(folder.checkpoints, name));
    const { said, code } = await run('--data', folder.path, '--checkpoints', at('copy.jsonl'));
    expect(said).toMatch(/^orchestrator: NOT INTACT at position 3, stream rollout\/one: .*its end was removed/m);
    expect(code).toBe(1);
    // Without the copy nothing tells: that is why copies are taken away.
    expect(await run('--store', database.adminConnection, '--key', at('public.pem'))).toMatchObject({
      code: 0,
      said: expect.stringContaining('orchestrator: intact, 2 events. Nothing is signed yet.'),
    });
  });

  it('says how it is used', async () => {
    expect(await run('--help')).toMatchObject({ code: 0 });
    for (const wrong of [
      ['--offline'],
      ['--store', 'postgresql://x'],
      ['--offline', '--key', 'k'],
      ['--events', 'e'],
      ['--what'],
    ]) {
      expect((await run(...wrong)).code, wrong.join(' ')).toBe(2);
    }
    expect(await run('--data', at('nowhere'))).toMatchObject({ code: 1, said: expect.stringContaining('There is no folder') });
  });
});

describe('checkpoint-key', () => {
  it('makes a key once, adds one, and prints the public one', () => {
    const file = at('key.pem');
    const said: string[] = [];
    const key = (...args: readonly string[]): number => checkpointKeyCommand(file, args, (text) => said.push(text));
    expect([key('public'), key('create'), key('create'), key('rotate'), key('public'), key('--help'), key()]).toEqual([
      1, 0, 0, 0, 0, 0, 2,
    ]);
    expect(said[0]).toContain(`There is no key file ${file}`);
    expect(said[2]).toContain('exists and is kept');
    expect(said[4]).toContain('BEGIN PUBLIC KEY');
    expect(readFileSync(file, 'utf8').match(/BEGIN PRIVATE KEY/g)).toHaveLength(2);
  });
});
