import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { Login, PracticeNode } from './model.js';

const START_LIMIT_MS = 30_000;

/** Asks the operating system for `count` different free ports on loopback. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A server that is down refuses at once; one that is up may be slow to let in on a machine that has much else to do. */
const CONNECT_LIMIT_MS = 10_000;

/** Opens one connection, gives it to `work` and closes it. */
export async function withClient<T>(
  node: Pick<PracticeNode, 'address' | 'port'>,
  login: Login,
  database: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({
    host: node.address,
    port: node.port,
    user: login.user,
    password: login.password,
    database,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: 20_000,
  });
  client.on('error', () => undefined); // A server that goes away is seen by the query under way.
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Runs the host's boot script, as its init system would. It returns before PostgreSQL accepts connections. */
export function boot(node: Pick<PracticeNode, 'root'>): void {
  execFileSync(join(node.root, 'boot'), [], { stdio: ['ignore', 'ignore', 'pipe'], timeout: START_LIMIT_MS });
}

/** Waits until the query answers a row whose first column is true. @throws after `limitMs` with the last error and the server's log. */
export async function until(
  node: PracticeNode,
  login: Login,
  database: string,
  query: string,
  limitMs = START_LIMIT_MS,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  let last = 'the answer stayed false';
  while (Date.now() < deadline) {
    try {
      const rows = await withClient(
        node,
        login,
        database,
        async (client) => (await client.query({ text: query, rowMode: 'array' })).rows,
      );
      if (rows[0]?.[0] === true) return;
      last = 'the answer stayed false';
    } catch (error) {
      last = (error as Error).message;
    }
    await delay(20);
  }
  throw new Error(`Node ${node.slug} did not come to "${query}" within ${limitMs} ms (${last}). Its log ends:\n${logTail(node)}`);
}

function logTail(node: PracticeNode): string {
  try {
    return readFileSync(join(node.root, 'log', 'postgresql.log'), 'utf8')
      .split('\n')
      .slice(-15)
      .join('\n');
  } catch {
    return '(no log)';
  }
}
