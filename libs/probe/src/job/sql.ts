import { Socket } from 'node:net';
import pg from 'pg';
import type { ProbeSpec } from '../probe.js';
import { type Attempts, codeOf } from './attempt.js';
import { hostAndPort } from './spec.js';

/** A promise that did not end in time; its socket has been destroyed. */
export class ClientTimeout extends Error {
  readonly code = 'timeout';
}

/**
 * One connection with a client's own timeouts. A server may never answer (a commit that waits for a synchronous standby
 * hears no `statement_timeout`), so time is kept here, and its end destroys the socket.
 */
export class SqlConnection {
  private constructor(
    private readonly client: pg.Client,
    private readonly socket: Socket,
    private readonly timeoutMs: number,
  ) {}

  /** @throws the driver's error, or ClientTimeout. */
  static async open(target: string, spec: ProbeSpec, timeoutMs: number): Promise<SqlConnection> {
    const address = hostAndPort(target);
    if (!address) throw new Error(`"${target}" is not host:port`);
    const socket = new Socket();
    const client = new pg.Client({
      ...address,
      stream: () => socket,
      application_name: 'understudy-probe',
      ...(spec.database === undefined ? {} : { database: spec.database }),
      ...(spec.user === undefined ? {} : { user: spec.user }),
      ...(spec.password === undefined ? {} : { password: spec.password }),
    });
    // Without a listener a lost connection between two queries would end the probe; the next query says it anyway.
    client.on('error', () => undefined);
    const connection = new SqlConnection(client, socket, timeoutMs);
    await connection.bounded(client.connect());
    return connection;
  }

  async rows(text: string, values: readonly unknown[] = [], name?: string): Promise<readonly Record<string, unknown>[]> {
    const query = { text, values: [...values], ...(name === undefined ? {} : { name }) };
    const result = await this.bounded(this.client.query<Record<string, unknown>>(query));
    return result.rows;
  }

  destroy(): void {
    this.socket.destroy();
  }

  private async bounded<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.destroy();
        reject(new ClientTimeout(`no answer within ${this.timeoutMs} ms`));
      }, this.timeoutMs);
    });
    work.catch(() => undefined); // it still fails after its socket was destroyed, and nobody listens any more
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      this.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Reads or writes as a client does: one connection, to the target that serves; another only after that one failed. */
export class SqlAttempts implements Attempts {
  private current: { readonly target: string; readonly connection: SqlConnection } | undefined;

  constructor(
    private readonly spec: ProbeSpec,
    private readonly probeId: string,
  ) {}

  on = async (target: string, seq: number): Promise<string | null> => {
    try {
      const connection = await this.connectionTo(target);
      const wrong = await (this.spec.kind === 'sql-write' ? this.write(connection, seq) : this.read(connection));
      if (wrong !== null) this.close();
      return wrong;
    } catch (error) {
      this.close();
      return codeOf(error);
    }
  };

  close(): void {
    this.current?.connection.destroy();
    this.current = undefined;
  }

  private async connectionTo(target: string): Promise<SqlConnection> {
    if (this.current?.target === target) return this.current.connection;
    this.close();
    const connection = await SqlConnection.open(target, this.spec, this.spec.timeoutMs);
    this.current = { target, connection };
    return connection;
  }

  /** An insert that is acknowledged proves that the target takes writes; a standby refuses it (SQLSTATE 25006). */
  private async write(connection: SqlConnection, seq: number): Promise<string | null> {
    const text = `insert into ${this.spec.table ?? ''} (probe, sequence) values ($1, $2)`;
    await connection.rows(text, [this.probeId, seq], 'probe-write');
    return null;
  }

  /** Any standby would answer a read, so a read counts only from a node that is not in recovery. */
  private async read(connection: SqlConnection): Promise<string | null> {
    const [row] = await connection.rows('select pg_is_in_recovery() as standby', [], 'probe-read');
    return row?.['standby'] === false ? null : 'in-recovery';
  }
}
