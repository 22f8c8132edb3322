/** Signed checkpoints where they are kept: the table of the log's schema, and the file beside it that the database cannot reach. */
import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type pg from 'pg';
import type { TrustedKeys } from './keys.js';
import {
  exportedLine,
  isSignedBy,
  linkOf,
  readExportedLine,
  readStatement,
  type CheckpointStatement,
  type SignedStatement,
} from './statement.js';

/** Statements are read in pages of this many. */
const PAGE_STATEMENTS = 100;
/** An exported file's end is looked for in pieces of this many bytes. */
const PIECE_BYTES = 65_536;

interface Row {
  readonly number: string;
  readonly position: string;
  readonly statement: string;
  readonly key_id: string;
  readonly signature: Buffer;
}

type Queryable = Pick<pg.ClientBase, 'query'>;

const COLUMNS = 'number, position, statement, key_id, signature';

function fromRow(row: Row): SignedStatement {
  return {
    number: Number(row.number),
    position: Number(row.position),
    statement: row.statement,
    keyId: row.key_id,
    signature: row.signature.toString('base64'),
  };
}

/** Statements after a number, oldest first. */
export async function readStatements(
  client: Queryable,
  schema: string,
  afterNumber: number,
  limit: number,
): Promise<readonly SignedStatement[]> {
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from ${schema}.signed_checkpoint where number > $1 order by number limit $2`,
    [afterNumber, limit],
  );
  return rows.map(fromRow);
}

/** The statement with this number, or the newest one. */
export async function readOneStatement(client: Queryable, schema: string, number?: number): Promise<SignedStatement | undefined> {
  const which = number === undefined ? 'true' : 'number = $1';
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from ${schema}.signed_checkpoint where ${which} order by number desc limit 1`,
    number === undefined ? [] : [number],
  );
  return rows[0] && fromRow(rows[0]);
}

/**
 * Identities that the log had before a statement up to this number brought in another, with a key, signed by a key that is
 * trusted: as after a restore that whoever holds the key vouches for.
 */
export async function readRenewals(
  client: Queryable,
  schema: string,
  upTo: number,
  trusted: TrustedKeys,
): Promise<readonly string[]> {
  const { rows } = await client.query<Row & { before: string }>(
    `select k.number, k.position, k.statement, k.key_id, k.signature, b.statement as before
     from ${schema}.signed_checkpoint k join ${schema}.signed_checkpoint b on b.number = k.number - 1
     where k.number <= $1 and strpos(k.statement, '"kind":"key"') > 0 order by k.number`,
    [upTo],
  );
  return rows.flatMap(({ before, ...row }) => {
    const kept = fromRow(row);
    const key = trusted.get(kept.keyId);
    if (key === undefined || !isSignedBy(kept, key)) return [];
    const { kind, logId, previous } = readStatement(kept);
    // The signature covers what stood before it, too.
    const from = previous === linkOf(before) ? (JSON.parse(before) as CheckpointStatement).logId : logId;
    return kind === 'key' && from !== logId ? [from] : [];
  });
}

/** The oldest statement that covers a position of the log, or undefined when none does yet. */
export async function readCovering(client: Queryable, schema: string, position: number): Promise<SignedStatement | undefined> {
  const { rows } = await client.query<Row>(
    `select ${COLUMNS} from ${schema}.signed_checkpoint where position >= $1 order by number limit 1`,
    [position],
  );
  return rows[0] && fromRow(rows[0]);
}

/** All statements, oldest first; with a stream only those that speak of it, and those that hand a key over. */
export async function* tableStatements(client: Queryable, schema: string, stream?: string): AsyncGenerator<SignedStatement> {
  const about = stream === undefined ? 'true' : `(strpos(statement, $3) > 0 or strpos(statement, '"kind":"key"') > 0)`;
  for (let after = 0; ;) {
    const { rows } = await client.query<Row>(
      `select ${COLUMNS} from ${schema}.signed_checkpoint where number > $1 and ${about} order by number limit $2`,
      [after, PAGE_STATEMENTS, ...(stream === undefined ? [] : [headBegin(stream)])],
    );
    for (const row of rows) yield fromRow(row);
    if (rows.length < PAGE_STATEMENTS) return;
    after = Number(rows.at(-1)?.number);
  }
}

/** How a stream's head begins in the text of a statement. */
function headBegin(stream: string): string {
  return `[${JSON.stringify(stream)},`;
}

/**
 * Statements of an exported file in its order. A last line that was never written to its end, because the process died over
 * it, says nothing: its statement is in the table. One that lacks nothing but the line's end is read. `upToBytes`: what stood there
 * when the file was so long. @throws `CheckpointUnreadable`.
 */
export async function* exportedStatements(path: string, stream?: string, upToBytes = Infinity): AsyncGenerator<SignedStatement> {
  if (!existsSync(path)) return;
  // The statement is a JSON text within a JSON text.
  const marks = stream === undefined ? [] : [headBegin(stream), '"kind":"key"'].map((mark) => JSON.stringify(mark).slice(1, -1));
  const speaks = (line: string): boolean => line !== '' && (marks.length === 0 || marks.some((mark) => line.includes(mark)));
  const { bytes, rest } = endOf(path, upToBytes);
  const input = bytes === 0 ? Readable.from([]) : createReadStream(path, { encoding: 'utf8', end: bytes - 1 });
  for await (const line of createInterface({ input, crlfDelay: Infinity })) if (speaks(line)) yield readExportedLine(line, path);
  if (speaks(rest) && isLine(rest)) yield readExportedLine(rest, path);
}

function isLine(text: string): boolean {
  try {
    readExportedLine(text, '');
    return true;
  } catch {
    return false;
  }
}

/** How much of an exported file is whole lines, in bytes, and what stands behind them; at most so many bytes are looked at. */
function endOf(path: string, upToBytes = Infinity): { readonly bytes: number; readonly rest: string } {
  const file = openSync(path, 'r');
  try {
    let rest = Buffer.alloc(0);
    for (let end = Math.min(fstatSync(file).size, upToBytes); end > 0;) {
      const begin = Math.max(0, end - PIECE_BYTES);
      const piece = Buffer.alloc(end - begin);
      readSync(file, piece, 0, piece.length, begin);
      const found = piece.lastIndexOf('\n');
      rest = Buffer.concat([piece.subarray(found + 1), rest]);
      if (found >= 0) return { bytes: begin + found + 1, rest: rest.toString('utf8') };
      end = begin;
    }
    return { bytes: 0, rest: rest.toString('utf8') };
  } finally {
    closeSync(file);
  }
}

/** Every exported file of a service that lies in a folder, also those of the log under identities that it had before. */
export function exportsIn(folder: string, service: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.startsWith(`${service}-`) && name.endsWith('.jsonl'));
  return names.sort().map((name) => join(folder, name));
}

/**
 * The exported file of one log: one line per statement, appended and synced, never rewritten. Named after the log's identity:
 * a restored log, whose history may have been cut, begins a file of its own and leaves the old one as evidence.
 */
export class ExportFile {
  readonly path: string;
  /** The last statement in it; undefined until `load`, or when it is empty. */
  last: SignedStatement | undefined;

  constructor(folder: string, service: string, logId: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.path = join(folder, `${service}-${logId}.jsonl`);
  }

  /** Finds out how far it goes. A last line that was never written to its end is taken away. @throws `CheckpointUnreadable`. */
  async load(): Promise<void> {
    this.last = undefined;
    for await (const statement of exportedStatements(this.path)) this.last = statement;
    if (!existsSync(this.path)) return;
    const { bytes, rest } = endOf(this.path);
    if (rest !== '' && isLine(rest)) this.written('a', (file) => writeWhole(file, Buffer.from('\n')));
    else if (rest !== '') this.written('r+', (file) => ftruncateSync(file, bytes));
  }

  append(statements: readonly SignedStatement[]): void {
    const last = statements.at(-1);
    if (last === undefined) return;
    this.written('a', (file) => {
      const before = fstatSync(file).size;
      try {
        writeWhole(file, Buffer.from(statements.map(exportedLine).join('')));
      } catch (error) {
        // A full disk: nothing may follow half a line.
        ftruncateSync(file, before);
        throw error;
      }
    });
    this.last = last;
  }

  private written(flags: 'a' | 'r+', change: (file: number) => void): void {
    const file = openSync(this.path, flags, 0o600);
    try {
      change(file);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}

/** One write may take less than it was given. */
function writeWhole(file: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}
