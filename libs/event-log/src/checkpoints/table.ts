/** Signed checkpoints where they are kept: the table of the log's schema, and the file beside it that the database cannot reach. */
import { closeSync, createReadStream, existsSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type pg from 'pg';
import { exportedLine, readExportedLine, type SignedStatement } from './statement.js';

/** Statements are read in pages of this many. */
const PAGE_STATEMENTS = 100;

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

/** Statements of an exported file in its order. @throws `CheckpointUnreadable`. */
export async function* exportedStatements(path: string, stream?: string): AsyncGenerator<SignedStatement> {
  if (!existsSync(path)) return;
  // The statement is a JSON text within a JSON text.
  const marks = stream === undefined ? [] : [headBegin(stream), '"kind":"key"'].map((mark) => JSON.stringify(mark).slice(1, -1));
  for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) {
    if (line === '') continue;
    if (marks.length === 0 || marks.some((mark) => line.includes(mark))) yield readExportedLine(line, path);
  }
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

  /** Finds out how far it goes. @throws `CheckpointUnreadable`. */
  async load(): Promise<void> {
    this.last = undefined;
    for await (const statement of exportedStatements(this.path)) this.last = statement;
  }

  append(statements: readonly SignedStatement[]): void {
    const last = statements.at(-1);
    if (last === undefined) return;
    const file = openSync(this.path, 'a', 0o600);
    try {
      writeSync(file, statements.map(exportedLine).join(''));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    this.last = last;
  }
}
