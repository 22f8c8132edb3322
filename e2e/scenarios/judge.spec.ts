import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judge } from '../judge.mjs';
import { buildOwnPair, release, type OwnPair } from '../support/index.js';

/** The judge is judged: on a real pair with a ledger made by hand it agrees with the truth, and with no forgery. */
const base = mkdtempSync(join(tmpdir(), 'understudy-judge-'));
chmodSync(base, 0o711);
let pair: OwnPair;

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const field = (text: string): Buffer => Buffer.concat([int32(Buffer.byteLength(text)), Buffer.from(text)]);

interface Body {
  readonly type: string;
  readonly body: object;
}

function chained(bodies: readonly Body[]): readonly Record<string, unknown>[] {
  let hash = Buffer.alloc(32);
  return bodies.map(({ type, body }, index) => {
    const event = {
      position: index + 5,
      stream: 'rollout/r',
      version: index + 1,
      type,
      schemaVersion: 1,
      time: '2026-01-01T00:00:00.000Z',
    };
    const metadata = { commandId: `c${index}` };
    const position = Buffer.alloc(8);
    position.writeBigInt64BE(BigInt(event.position));
    const content = createHash('sha256')
      .update(position)
      .update(field(event.stream))
      .update(int32(event.version))
      .update(field(event.type))
      .update(int32(event.schemaVersion))
      .update(field(event.time))
      .update(field(JSON.stringify(metadata)))
      .update(field(JSON.stringify(body)))
      .digest();
    hash = createHash('sha256').update(hash).update(content).digest();
    return { ...event, metadata, body, hash: hash.toString('hex') };
  });
}

const measured = { measured: true, fromMs: 0, toMs: 10_000, longestMs: 0, resolutionMs: 22 };
const events = chained([
  { type: 'RolloutPlanned', body: { plan: { steps: [] } } },
  { type: 'RolloutClosed', body: { result: 'succeeded', interruption: measured } },
]);
const ledger = [
  { kind: 'connect', node: 'db-a', at: 90, tookMs: 5 },
  { kind: 'ack', n: 1, node: 'db-a', at: 100, tookMs: 2 },
  { kind: 'ack', n: 2, node: 'db-a', at: 110, tookMs: 2 },
  { kind: 'fail', n: 3, node: 'db-a', at: 120, reason: 'timeout' },
];

function truth(): Record<string, unknown> {
  const versions = Object.fromEntries(pair.nodes.map((node) => [node.slug, release('older').version]));
  return {
    scenario: 'happy',
    result: 'succeeded',
    versionsBefore: versions,
    versionsAfter: versions,
    interruptionMs: 0,
    resolutionMs: 22,
    switchovers: 0,
    acknowledgedWrites: 2,
    failedWrites: 1,
    lostWrites: 0,
    events: 2,
    chain: 'intact',
    report: join(base, 'report.html'),
  };
}

function evidence(name: string, changes: { line?: object; ledger?: readonly object[]; events?: readonly object[] } = {}): string {
  const folder = join(base, name);
  mkdirSync(folder);
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  writeFileSync(join(folder, 'last-line.json'), JSON.stringify({ ...truth(), ...changes.line }));
  writeFileSync(join(folder, 'ledger.ndjson'), lines(changes.ledger ?? ledger));
  writeFileSync(join(folder, 'events.ndjson'), lines(changes.events ?? events));
  const login = pair.logins.driver;
  const nodes = pair.nodes.map((node) => ({ name: node.slug, host: '127.0.0.1', port: node.port }));
  const connections = {
    rolloutId: 'r-7',
    database: 'app',
    table: 'load.writes',
    loadIntervalMs: 10,
    observer: login,
    application: login,
    nodes,
  };
  writeFileSync(join(folder, 'connections.json'), JSON.stringify(connections));
  return folder;
}

async function wrong(folder: string): Promise<readonly string[]> {
  const figures = await judge(folder);
  return figures.filter(({ agrees }) => !agrees).map(({ figure }) => figure);
}

beforeAll(async () => {
  pair = await buildOwnPair(join(base, 'pair'));
  const [active] = pair.nodes;
  for (const text of [
    'create schema load',
    'create table load.writes (n bigint primary key, at timestamptz)',
    'insert into load.writes values (1, now()), (2, now())',
  ]) {
    await pair.ask(active, text);
  }
  writeFileSync(join(base, 'report.html'), '<title>r-7</title>');
});

afterAll(async () => {
  await pair?.stop();
  rmSync(base, { recursive: true, force: true });
});

describe('the judge', () => {
  it('agrees with the truth', async () => {
    expect(await wrong(evidence('truth'))).toEqual([]);
  });

  it.each([
    ['versionsAfter', { versionsAfter: { 'db-a': '17.10', 'db-b': '17.10' } }],
    ['acknowledgedWrites', { acknowledgedWrites: 3 }],
    ['failedWrites', { failedWrites: 0 }],
    ['interruptionMs', { interruptionMs: 5 }],
    ['resolutionMs', { resolutionMs: 1 }],
    ['result', { result: 'rolled-back' }],
    ['events', { events: 3 }],
    ['report', { report: '/nowhere.html' }],
  ])('finds a forged %s', async (figure, line) => {
    expect(await wrong(evidence(`forged-${figure}`, { line }))).toEqual([figure]);
  });

  it('finds a switchover that neither the record nor the nodes know', async () => {
    const found = await wrong(evidence('forged-switchovers', { line: { switchovers: 1 } }));
    expect(found).toEqual(['switchovers (record)', 'switchovers (timeline)', 'switchovers (client)']);
  });

  it('finds an acknowledged write that no node has', async () => {
    const more = [...ledger, { kind: 'ack', n: 4, node: 'db-a', at: 122, tookMs: 2 }];
    expect(await wrong(evidence('lost', { ledger: more, line: { acknowledgedWrites: 3 } }))).toEqual(['lostWrites']);
  });

  it('finds a gap of the client that was not reported', async () => {
    const late = [...ledger, { kind: 'ack', n: 2, node: 'db-a', at: 300, tookMs: 2 }];
    expect(await wrong(evidence('gap', { ledger: late }))).toEqual(['interruption (client)']);
  });

  it('finds a changed event and a removed one', async () => {
    const [planned, closed] = events;
    const changed = [{ ...planned, body: { plan: { steps: [], note: 'later' } } }, closed];
    expect(await wrong(evidence('changed', { events: changed as object[] }))).toEqual(['chain']);
    expect(await wrong(evidence('removed', { events: [closed] as object[], line: { events: 1 } }))).toEqual(['chain']);
  });
});
