import type { LedgerEntry } from '../load/gaps.js';
import type { LoadOptions } from '../load/client.js';
import { withClient, type PracticeCluster } from '../pair/index.js';

/** The load client's own table, in a schema of its own. */
export const LOAD_TABLE = 'load.writes';

/** Makes the load client's table, as the application that owns the database would. */
export async function prepareLoad(cluster: PracticeCluster): Promise<void> {
  const first = cluster.nodes[0];
  if (first === undefined) throw new Error('The practice cluster has no nodes.');
  await withClient(first, cluster.secrets.application, cluster.database, async (client) => {
    await client.query('create schema load');
    await client.query(`create table ${LOAD_TABLE} (n bigint primary key, at timestamptz not null)`);
  });
}

export const LOAD_INTERVAL_MS = 10;
const LOAD_TIMEOUT_MS = 1_000;

export function loadOptions(cluster: PracticeCluster, ledger: string): LoadOptions {
  return {
    nodes: cluster.nodes.map((node) => ({ name: node.slug, host: node.address, port: node.port })),
    database: cluster.database,
    user: cluster.secrets.application.user,
    password: cluster.secrets.application.password,
    table: LOAD_TABLE,
    ledger,
    intervalMs: LOAD_INTERVAL_MS,
    timeoutMs: LOAD_TIMEOUT_MS,
  };
}

/** What each node says it runs, by `select version()`; null where it does not answer. */
export async function versions(cluster: PracticeCluster): Promise<Readonly<Record<string, string | null>>> {
  const asked = cluster.nodes.map(async (node) => {
    const text = await withClient(node, cluster.secrets.driver, 'postgres', async (client) => {
      const { rows } = await client.query<{ version: string }>('select version()');
      return rows[0]?.version ?? '';
    }).catch(() => '');
    return [node.slug, /^PostgreSQL (\d+(?:\.\d+)*)/.exec(text)?.[1] ?? null] as const;
  });
  return Object.fromEntries(await Promise.all(asked));
}

/** The nodes that accept writes now; after a good run exactly one. */
export async function writableNodes(cluster: PracticeCluster): Promise<readonly string[]> {
  const asked = cluster.nodes.map(async (node) => {
    const writable = await withClient(node, cluster.secrets.driver, 'postgres', async (client) => {
      const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
      return rows[0]?.standby === false;
    }).catch(() => false);
    return writable ? [node.slug] : [];
  });
  return (await Promise.all(asked)).flat();
}

/**
 * Looks up every acknowledged write on the node that serves now and answers how many are missing.
 * @throws when not exactly one node accepts writes: then nobody can say what was lost.
 */
export async function lostWrites(cluster: PracticeCluster, ledger: readonly LedgerEntry[]): Promise<number> {
  const serving = await writableNodes(cluster);
  const node = cluster.nodes.find((candidate) => candidate.slug === serving[0]);
  if (node === undefined || serving.length !== 1) {
    throw new Error(
      `Exactly one node must accept writes to look up what was acknowledged; there are ${serving.length}: ${serving.join(', ')}.`,
    );
  }
  const acknowledged = ledger.filter((entry) => entry.kind === 'ack').map((entry) => entry.n);
  return withClient(node, cluster.secrets.application, cluster.database, async (client) => {
    const found = await client.query<{ n: string }>(`select n from ${LOAD_TABLE} where n = any($1::bigint[])`, [acknowledged]);
    return acknowledged.length - found.rows.length;
  });
}
