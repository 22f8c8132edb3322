/**
 * Reads the log by COPY, the fastest way out of PostgreSQL. The server sends one CopyData message per row; columns are split
 * and unescaped here (PostgreSQL documentation, COPY, "Text Format"). Memory holds one network chunk.
 */
import pg from 'pg';
import type { RawEvent } from './row.js';

/** The parts of `pg`'s connection that a query which copies out needs; they are not in its types. */
interface CopyConnection {
  query(text: string): void;
  sync(): void;
}

interface Settled {
  readonly resolve: (rows: number) => void;
  readonly reject: (reason: unknown) => void;
}

/** A query that `pg` runs in its turn and that hands each copied row on as bytes. */
class CopyOut {
  private rows = 0;
  private failure: unknown;

  constructor(
    private readonly text: string,
    private readonly onRow: (row: Buffer) => void,
    private readonly settled: Settled,
  ) {}

  submit(connection: CopyConnection): void {
    connection.query(this.text);
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    if (this.failure !== undefined) return;
    try {
      this.onRow(message.chunk);
      this.rows += 1;
    } catch (error) {
      // The rest of the rows still arrives and is dropped: the connection stays usable.
      this.failure = error;
    }
  }

  handleError(error: unknown): void {
    this.settled.reject(error);
  }

  handleReadyForQuery(): void {
    if (this.failure === undefined) this.settled.resolve(this.rows);
    else this.settled.reject(this.failure);
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
}

/** Runs `COPY (select) TO STDOUT` and calls `onRow` with each row's bytes, which are only valid during the call. */
export async function copyOut(client: pg.ClientBase, select: string, onRow: (row: Buffer) => void): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    const query = new CopyOut(`copy (${select}) to stdout`, onRow, { resolve, reject });
    (client as unknown as { query(query: CopyOut): void }).query(query);
  });
}

const NEWLINE = 0x0a;
const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/g, (_, letter: string) => ESCAPED[letter] ?? letter) : text;
}

/** Splits the columns that `EVENT_COPY` selects: one decoding per row, and slices of it. */
export function rawEvent(row: Buffer): RawEvent {
  const text = row.toString('utf8', 0, row[row.length - 1] === NEWLINE ? row.length - 1 : row.length);
  let from = 0;
  const column = (): string => {
    const to = text.indexOf('\t', from);
    const value = text.slice(from, to);
    from = to + 1;
    return value;
  };
  // Numbers, times and hex hold nothing that COPY escapes.
  const position = Number(column());
  const version = Number(column());
  const schemaVersion = Number(column());
  const time = column();
  const hash = column();
  const stream = unescaped(column());
  const type = unescaped(column());
  const metadata = unescaped(column());
  return { position, version, schemaVersion, time, hash, stream, type, metadata, body: unescaped(text.slice(from)) };
}

export const EVENT_COPY = `position, version, schema_version, "time", encode(hash, 'hex'), stream, type, metadata, body`;
