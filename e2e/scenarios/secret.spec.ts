/** A secret that lies where PostgreSQL keeps it, in `primary_conninfo`, and everything that the product writes, says and answers. */
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildOwnPair, release, startProduct, writeDocuments, type OwnPair, type RunningProduct } from '../support/index.js';

const WINDOW_MS = 3_600_000;
const ROLLED_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 500;
/** What nobody registered and no log line may show: a secret of the connection that only `primary_conninfo` holds. */
const CANARY = `canary-${randomBytes(12).toString('hex')}`;

describe('a secret in primary_conninfo', () => {
  let folder: string;
  let pair: OwnPair | undefined;
  let product: RunningProduct | undefined;
  let said = '';
  const secrets = (): readonly string[] => [CANARY, pair!.logins.replication.password];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'understudy-secret-'));
    chmodSync(folder, 0o755);
    pair = await buildOwnPair(join(folder, 'orders'));
    const standby = pair.nodes[1];
    const before = await pair.ask(standby, 'show primary_conninfo');
    await pair.ask(standby, `alter system set primary_conninfo = '${before} sslpassword=${CANARY}'`);
    await pair.ask(standby, 'select pg_reload_conf()');
    await vi.waitFor(async () => expect(await pair!.ask(standby, 'show primary_conninfo')).toContain(CANARY), 10_000);
    expect(before, 'the login of replication lies there too').toContain(pair.logins.replication.password);
    product = await startProduct(join(folder, 'understudy-data'));
    said = await rollOut(product, pair, join(folder, 'documents'));
  }, ROLLED_WITHIN_MS + 120_000);

  afterAll(async () => {
    await product?.stop();
    await pair?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const get = async (path: string, accept = 'application/json'): Promise<string> => {
    const authorization = `Bearer ${readFileSync(product!.tokenFile, 'utf8').trim()}`;
    const answer = await fetch(`${product!.address}${path}`, { headers: { authorization, accept } });
    const text = await answer.text();
    expect(answer.status, `${path}: ${text.slice(0, 300)}`).toBe(200);
    return text;
  };
  const items = async (path: string): Promise<readonly { readonly id: string }[]> =>
    (JSON.parse(await get(path)) as { readonly items: readonly { readonly id: string }[] }).items;

  it('is in no answer of the API and in no format of the report, although the setting is told', async () => {
    const [rollout] = await items('/v1/rollouts');
    const [window] = await items('/v1/windows');
    const formats = ['application/json', 'text/html', 'text/markdown'];
    const reports = await Promise.all(formats.map((format) => get(`/v1/rollouts/${rollout!.id}/report`, format)));
    for (const report of reports) expect(report).toContain('succeeded');
    const paths = [
      ...['/v1/clusters', '/v1/clusters/orders', '/v1/clusters/orders/topology', '/v1/clusters/orders/facts'],
      ...['/v1/debts', '/v1/credentials', '/v1/findings?limit=200', '/v1/baselines', '/v1/subscriptions', '/v1/deliveries'],
      ...['/v1/tickets', '/v1/windows', `/v1/windows/${window!.id}`, '/v1/rollouts', '/v1/playbooks', '/v1/patch-sets'],
      ...['', '/plan', '/events', '/verify'].map((part) => `/v1/rollouts/${rollout!.id}${part}`),
    ];
    const answers = await Promise.all(paths.map((path) => get(path)));
    const everything = [said, ...reports, ...answers].join('\n');
    expect(await get('/v1/clusters/orders/facts')).toContain('primary_conninfo');
    for (const secret of secrets()) expect(everything).not.toContain(secret);
  });

  it('is in no table of the store, in any spelling', async () => {
    const rows = await everyRow(join(folder, 'understudy-data', 'store'));
    expect(rows.tables).toBeGreaterThan(20);
    expect(rows.text, 'events are read as what they say').toContain('primary_conninfo');
    for (const spelling of secrets().flatMap(spellings)) expect(rows.text).not.toContain(spelling);
  });

  it('is in no file of the installation, its log and its store’s write-ahead log included', () => {
    const files = [`${join(folder, 'understudy-data')}.log`, ...filesBelow(join(folder, 'understudy-data'))];
    expect(product!.log().length).toBeGreaterThan(0);
    expect(files.filter((file) => file.includes('pg_wal')).length).toBeGreaterThan(0);
    const holding = files.filter((file) => {
      const bytes = readFileSync(file);
      return secrets().some((secret) => bytes.includes(secret));
    });
    expect(holding).toEqual([]);
  });
});

interface Asked {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  readonly body?: object | string;
}

/** Registration, facts, plan, drift and a whole rollout, through the door. Answers everything that was said on the way. */
async function rollOut(product: RunningProduct, pair: OwnPair, documents: string): Promise<string> {
  const said: string[] = [];
  const authorization = `Bearer ${readFileSync(product.tokenFile, 'utf8').trim()}`;
  const ask = async ({ method, path, body }: Asked): Promise<Record<string, unknown>> => {
    const type = typeof body === 'string' ? 'application/yaml' : 'application/json';
    const answer = await fetch(`${product.address}${path}`, {
      method,
      headers: { authorization, 'idempotency-key': randomUUID(), ...(body === undefined ? {} : { 'content-type': type }) },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    said.push(text);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  };
  for (const role of ['driver', 'replication', 'probe'] as const) {
    const body = { user: pair.logins[role].user, source: `file:${join(pair.secrets, `${role}.password`)}`, hosts: ['**'] };
    await ask({ method: 'PUT', path: `/v1/credentials/orders-${role}`, body });
  }
  const cluster = readFileSync(join(writeDocuments(documents, pair), 'cluster.yaml'), 'utf8');
  for (const path of ['/v1/clusters?dryRun=true', '/v1/clusters']) await ask({ method: 'POST', path, body: cluster });
  const playbook = { name: 'standby-first', version: 1, phases: { soakMs: 500 } };
  await ask({ method: 'PUT', path: `/v1/playbooks/${playbook.name}`, body: playbook });
  const items = [{ name: 'postgresql', targetVersion: release('newer').version, source: 'release' }];
  const patchSet = await ask({ method: 'POST', path: '/v1/patch-sets', body: { items, publishedAt: '2026-01-01T00:00:00Z' } });
  const times = { opensAt: new Date().toISOString(), closesAt: new Date(Date.now() + WINDOW_MS).toISOString() };
  const scheduled = { clusters: ['orders'], patchSetId: patchSet['id'], playbook: { name: playbook.name }, ...times };
  const window = await ask({ method: 'POST', path: '/v1/windows', body: scheduled });
  const [rollout] = window['rollouts'] as readonly { readonly id: string }[];
  const closed = async (): Promise<void> =>
    expect(await ask({ method: 'GET', path: `/v1/rollouts/${rollout?.id}` })).toMatchObject({ status: 'closed' });
  await vi.waitFor(closed, { timeout: ROLLED_WITHIN_MS, interval: LOOK_EVERY_MS });
  return said.join('\n');
}

/** As it is, as `bytea` is written out, and as base64 holds it whatever comes before it. */
function spellings(secret: string): readonly string[] {
  const shifted = ['', 'x', 'xx'].map((before) =>
    Buffer.from(before + secret)
      .toString('base64')
      .slice(4, -4),
  );
  return [secret, Buffer.from(secret).toString('hex'), ...shifted];
}

function filesBelow(folder: string): readonly string[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

/** Every row of every table of every database of the embedded store, as text. `bytea` is decoded besides. */
async function everyRow(store: string): Promise<{ readonly tables: number; readonly text: string }> {
  const password = readFileSync(join(store, 'secret'), 'utf8').trim();
  const port = Number(readFileSync(join(store, 'data', 'postmaster.pid'), 'utf8').split('\n')[3]);
  const query = async <T extends object>(database: string, text: string): Promise<readonly T[]> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database });
    await client.connect();
    try {
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end();
    }
  };
  const databases = await query<{ name: string }>('postgres', 'select datname as name from pg_database where not datistemplate');
  const texts: string[] = [];
  for (const { name } of databases) {
    const tables = await query<{ table: string }>(
      name,
      `select format('%I.%I', n.nspname, c.relname) as table from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema')`,
    );
    for (const { table } of tables) {
      const rows = await query<{ text: string }>(name, `select t::text as text from ${table} t`);
      texts.push(rows.map((row) => row.text + decoded(row.text)).join('\n'));
    }
  }
  return { tables: texts.length, text: texts.join('\n') };
}

/** What hexadecimal runs of a row say, so that a secret inside longer bytes is found as text. */
function decoded(text: string): string {
  return [...text.matchAll(/\\\\?x([0-9a-f]{16,})/g)].map(([, hex]) => Buffer.from(hex ?? '', 'hex').toString('utf8')).join('\n');
}
