import { Client } from 'pg';
import type { Secret } from '../platform.js';

const CONNECT_LIMIT_MS = 2_000;

/** Where one node's server answers. */
export interface ServerPlace {
  /** The node's slug. */
  readonly node: string;
  readonly address: string;
  readonly port: number;
}

export type QueryResult<T> =
  | { readonly status: 'rows'; readonly rows: readonly T[] }
  /** The server refused or failed the statement: SQLSTATE and its message. */
  | { readonly status: 'refused'; readonly code: string; readonly reason: string }
  /** No connection, or it was lost or late: whether the statement took effect is not known. */
  | { readonly status: 'unreachable'; readonly reason: string };

/**
 * One session per node for the length of one call into the driver; a lost one is opened again by the next query.
 * Close it when done. Session settings keep a query of ours from waiting for clients' locks or standbys.
 */
export class Connections {
  private readonly open = new Map<string, Client>();

  constructor(
    private readonly secret: Secret,
    private readonly database: string,
  ) {}

  /** Runs one statement on one node. Never throws. */
  async query<T extends object>(
    node: ServerPlace,
    text: string,
    values: readonly unknown[],
    deadlineMs: number,
  ): Promise<QueryResult<T>> {
    let client: Client;
    try {
      client = this.open.get(node.node) ?? (await this.connect(node, Math.min(CONNECT_LIMIT_MS, deadlineMs)));
    } catch (error) {
      return failure(error);
    }
    try {
      const answer = await within(client.query<T>(text, [...values]), deadlineMs);
      // Several statements in one text answer a list; the last one counts.
      const last = Array.isArray(answer) ? (answer.at(-1) as typeof answer) : answer;
      return { status: 'rows', rows: last.rows };
    } catch (error) {
      const failed = failure(error);
      if (failed.status === 'unreachable' || failed.code.startsWith('57')) this.drop(node.node, client);
      return failed;
    }
  }

  async close(): Promise<void> {
    const clients = [...this.open.values()];
    this.open.clear();
    await Promise.all(clients.map((client) => within(client.end(), CONNECT_LIMIT_MS).catch(() => undefined)));
  }

  private async connect(node: ServerPlace, limitMs: number): Promise<Client> {
    const client = new Client({
      host: node.address,
      port: node.port,
      user: this.secret.user,
      password: this.secret.password,
      database: this.database,
      application_name: 'understudy',
      connectionTimeoutMillis: limitMs,
      options: '-c synchronous_commit=local -c lock_timeout=2s -c statement_timeout=30s',
    });
    client.on('error', () => this.drop(node.node, client));
    await client.connect();
    this.open.set(node.node, client);
    return client;
  }

  private drop(node: string, client: Client): void {
    if (this.open.get(node) === client) this.open.delete(node);
    void within(client.end(), CONNECT_LIMIT_MS).catch(() => undefined);
  }
}

async function within<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A server's refusal carries a five-character SQLSTATE; anything else is the link's. */
function failure(error: unknown): Exclude<QueryResult<never>, { status: 'rows' }> {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const reason = typeof message === 'string' && message !== '' ? message : String(code ?? error);
  const refused = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in (error as object);
  return refused ? { status: 'refused', code, reason } : { status: 'unreachable', reason };
}
