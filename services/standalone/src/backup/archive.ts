/**
 * The backup file: gzip over lines of JSON. A head, then tables with their rows, then small files, then a foot with the
 * number of lines and the SHA-256 of all lines before it. A file without a right foot is refused before anything is touched.
 */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, createReadStream, createWriteStream, fsyncSync, linkSync, openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { createGunzip, createGzip, type Gzip } from 'node:zlib';

export const FORMAT = 'understudy-backup';
export const FORMAT_VERSION = 1;

export interface ArchiveHead {
  readonly kind: 'head';
  readonly format: typeof FORMAT;
  readonly formatVersion: number;
  /** RFC 3339. */
  readonly takenAt: string;
  /** By service: what had been applied, as `name sha256`. */
  readonly migrations: Readonly<Record<string, readonly string[]>>;
}

export type ArchiveLine =
  | ArchiveHead
  /** Rows that follow belong to this table until the next one. Types are PostgreSQL's names. */
  | {
      readonly kind: 'table';
      readonly schema: string;
      readonly table: string;
      readonly columns: readonly { readonly name: string; readonly type: string }[];
    }
  /** Each value in PostgreSQL's own text form, so that it comes back byte for byte. */
  | { readonly kind: 'row'; readonly values: readonly (string | null)[] }
  /** A small file of the data folder, relative path, contents in base64. */
  | { readonly kind: 'file'; readonly path: string; readonly content: string }
  | { readonly kind: 'foot'; readonly lines: number; readonly sha256: string };

/** `code` BACKUP_EXISTS | BACKUP_DAMAGED | BACKUP_FOREIGN; the message says what to do next. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
  constructor(
    readonly code:
      'BACKUP_EXISTS' | 'BACKUP_DAMAGED' | 'BACKUP_FOREIGN' | 'STORE_NOT_EMBEDDED' | 'STORE_ABSENT' | 'STORE_PRESENT',
    message: string,
  ) {
    super(message);
  }
}

/** Writes beside the final name and takes the name at the end, so that a backup that was broken off is never taken for one. */
export class ArchiveWriter {
  private readonly draft: string;
  private readonly gzip: Gzip = createGzip();
  private readonly done: Promise<void>;
  private readonly hash: Hash = createHash('sha256');
  private lines = 0;

  constructor(private readonly path: string) {
    this.draft = `${path}.${process.pid}.part`;
    const file = createWriteStream(this.draft, { mode: 0o600, flags: 'wx' });
    this.done = finished(this.gzip.pipe(file));
    this.done.catch(() => undefined);
  }

  async write(line: ArchiveLine): Promise<void> {
    const text = `${JSON.stringify(line)}\n`;
    this.hash.update(text);
    this.lines += 1;
    if (!this.gzip.write(text)) await once(this.gzip, 'drain');
  }

  /** @throws `BackupError` BACKUP_EXISTS when somebody took the name meanwhile. */
  async finish(): Promise<void> {
    const foot: ArchiveLine = { kind: 'foot', lines: this.lines, sha256: this.hash.digest('hex') };
    this.gzip.end(`${JSON.stringify(foot)}\n`);
    await this.done;
    sync(this.draft);
    try {
      linkSync(this.draft, this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new BackupError('BACKUP_EXISTS', `${this.path} exists and is not overwritten. Name another file.`);
    } finally {
      rmSync(this.draft, { force: true });
    }
  }

  abandon(): void {
    this.gzip.destroy();
    rmSync(this.draft, { force: true });
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}

async function* rawLines(path: string): AsyncGenerator<string> {
  const source = createReadStream(path);
  const gunzip = source.pipe(createGunzip());
  source.once('error', (error) => gunzip.destroy(error));
  for await (const text of createInterface({ input: gunzip, crlfDelay: Infinity })) yield text;
}

/** Reads the whole file once and answers its head. @throws `BackupError` BACKUP_DAMAGED or BACKUP_FOREIGN. */
export async function checkArchive(path: string): Promise<ArchiveHead> {
  const sums = new Sums();
  try {
    for await (const text of rawLines(path)) sums.see(text);
  } catch (error) {
    throw damaged(path, error instanceof Error ? error.message : String(error));
  }
  const { head } = sums;
  if (head?.format !== FORMAT || head.formatVersion !== FORMAT_VERSION) {
    throw new BackupError('BACKUP_FOREIGN', `${path} is not a backup that this version of Understudy reads.`);
  }
  if (!sums.fit()) throw damaged(path, 'its checksum does not fit');
  return head;
}

/** Follows the lines of a file and compares them with its foot. */
class Sums {
  head: ArchiveHead | undefined;
  private foot: Extract<ArchiveLine, { kind: 'foot' }> | undefined;
  private readonly hash = createHash('sha256');
  private lines = 0;

  see(text: string): void {
    if (this.foot !== undefined) throw new Error('something follows its end');
    const isFoot = text.startsWith('{"kind":"foot"');
    const line = isFoot || this.lines === 0 ? (JSON.parse(text) as ArchiveLine) : undefined;
    if (line?.kind === 'foot') {
      this.foot = line;
      return;
    }
    if (line?.kind === 'head') this.head = line;
    this.hash.update(`${text}\n`);
    this.lines += 1;
  }

  fit(): boolean {
    return this.foot?.lines === this.lines && this.foot.sha256 === this.hash.digest('hex');
  }
}

function damaged(path: string, why: string): BackupError {
  return new BackupError('BACKUP_DAMAGED', `${path} cannot be restored: ${why}. Nothing was changed. Use another backup.`);
}

/** The lines of a file that `checkArchive` accepted. */
export async function* readArchive(path: string): AsyncGenerator<ArchiveLine> {
  for await (const text of rawLines(path)) yield JSON.parse(text) as ArchiveLine;
}
