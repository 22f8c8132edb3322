import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { LedgerEntry } from './gaps.js';

/**
 * A database client as an application would be: it knows the nodes, not which of them serves; it writes at a steady
 * pace, one write at a time, gives up by its own timeouts, and keeps a ledger of what the database acknowledged.
 * It knows nothing of the product.
 */
export interface LoadOptions {
  readonly nodes: readonly LoadNode[];
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** Schema-qualified; prepared by its owner with columns `n bigint primary key, at timestamptz`. */
  readonly table: string;
  readonly ledger: string;
  /** From the start of one write to the start of the next. */
  readonly intervalMs: number;
  /** One write, and one connection, may take this long. */
  readonly timeoutMs: number;
}

export interface LoadNode {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface LoadProgress {
  readonly acknowledged: number;
  readonly failed: number;
  /** The node that took the last write. */
  readonly servedBy: string | null;
  /** Since the last acknowledged write. */
  readonly silentMs: number;
}

/** Pause before the nodes are tried again when none of them took the write. */
const RETRY_MS = 10;
/** PostgreSQL's read_only_sql_transaction: the node answers, and it is a standby. */
const READ_ONLY = '25006';
/** Errors after which it is certain that the write did not happen, so the same write may be tried on the next node. */
const CERTAINLY_NOT_WRITTEN = new Set([READ_ONLY, '57P03', '3D000', '28000', '28P01', '53300']);

type Try = 'acknowledged' | 'not-written' | 'unknown';

export class LoadClient {
  private readonly fd: number;
  private readonly stopping = new AbortController();
  private connection: { client: pg.Client; node: LoadNode } | undefined;
  private current = 0;
  private sequence = 0;
  private acknowledged = 0;
  private failed = 0;
  private lastAckAt = now();
  private servedBy: string | null = null;
  private reason = '';

  constructor(private readonly options: LoadOptions) {
    this.fd = openSync(options.ledger, 'a', 0o600);
  }

  progress(): LoadProgress {
    return { acknowledged: this.acknowledged, failed: this.failed, servedBy: this.servedBy, silentMs: now() - this.lastAckAt };
  }

  /** Writes until `stop`. Never throws for what the database does. */
  async run(): Promise<void> {
    let due = now();
    while (!this.stopping.signal.aborted) {
      const written = await this.write(++this.sequence);
      due = Math.max(due + this.options.intervalMs, now());
      const waitMs = written ? due - now() : RETRY_MS;
      await pause(waitMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
    this.drop();
    closeSync(this.fd);
  }

  stop(): void {
    this.stopping.abort();
  }

  private async write(n: number): Promise<boolean> {
    for (let tried = 0; tried < this.options.nodes.length; tried++) {
      const from = now();
      const outcome = await this.tryOn(this.node(), n);
      if (outcome === 'acknowledged') return true;
      this.drop();
      const node = this.node().name;
      this.enter({ kind: 'miss', n, node, at: now(), tookMs: now() - from });
      this.current = (this.current + 1) % this.options.nodes.length;
      if (outcome === 'unknown') return this.giveUp(n, node);
    }
    return this.giveUp(n, this.node().name);
  }

  private node(): LoadNode {
    const node = this.options.nodes[this.current];
    if (node === undefined) throw new Error('The load client was given no nodes.');
    return node;
  }

  private giveUp(n: number, node: string): false {
    this.failed += 1;
    this.enter({ kind: 'fail', n, node, at: now(), reason: this.reason });
    return false;
  }

  private async tryOn(node: LoadNode, n: number): Promise<Try> {
    const started = now();
    const client = await this.connected(node);
    if (client === undefined) return 'not-written';
    try {
      await client.query({ name: 'write', text: `insert into ${this.options.table} (n, at) values ($1, now())`, values: [n] });
    } catch (error) {
      this.reason = describe(error);
      return CERTAINLY_NOT_WRITTEN.has(codeOf(error)) ? 'not-written' : 'unknown';
    }
    const at = now();
    this.acknowledged += 1;
    this.lastAckAt = at;
    this.servedBy = node.name;
    this.enter({ kind: 'ack', n, node: node.name, at, tookMs: at - started });
    return 'acknowledged';
  }

  private async connected(node: LoadNode): Promise<pg.Client | undefined> {
    if (this.connection?.node === node) return this.connection.client;
    const started = now();
    const { database, user, password, timeoutMs } = this.options;
    const client = new pg.Client({
      host: node.host,
      port: node.port,
      database,
      user,
      password,
      application_name: 'practice-load',
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
    });
    // A connection that ends between two writes is known to be gone: the next write opens another.
    client.on('error', () => this.forget(client));
    client.on('end', () => this.forget(client));
    try {
      await client.connect();
    } catch (error) {
      this.reason = describe(error);
      abandon(client);
      return undefined;
    }
    this.enter({ kind: 'connect', node: node.name, at: now(), tookMs: now() - started });
    this.connection = { client, node };
    return client;
  }

  private forget(client: pg.Client): void {
    if (this.connection?.client === client) this.connection = undefined;
  }

  private drop(): void {
    if (this.connection !== undefined) abandon(this.connection.client);
    this.connection = undefined;
  }

  private enter(entry: LedgerEntry): void {
    writeSync(this.fd, `${JSON.stringify(entry)}\n`);
  }
}

/** Lets go of a connection at once. `end` alone would wait for a server that may be hung. */
function abandon(client: pg.Client): void {
  void client.end().catch(() => undefined);
  const inner = client as unknown as { connection?: { stream?: { destroy(): void } } };
  inner.connection?.stream?.destroy();
}

/** Milliseconds since the epoch that never step back while this process lives. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : '';
}

function describe(error: unknown): string {
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  return code === '' ? text : `${code} ${text}`;
}
