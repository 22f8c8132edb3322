/** A small JSON file that only its owner writes: read again when it changed, replaced whole by an atomic rename. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { newId } from './ids.js';

/** `code` PRIVATE_FILE_UNSAFE | PRIVATE_FILE_UNREADABLE | PRIVATE_FILE_BUSY. */
export class PrivateFileError extends Error {
  constructor(
    readonly code: 'PRIVATE_FILE_UNSAFE' | 'PRIVATE_FILE_UNREADABLE' | 'PRIVATE_FILE_BUSY',
    message: string,
  ) {
    super(message);
    this.name = 'PrivateFileError';
  }
}

/** Nothing for others, no write for the group (a mounted secret may be readable by the group). */
const UNSAFE_BITS = 0o037;
const LOCK_WAIT_MS = 5_000;
const LOCK_STALE_MS = 10_000;
const LOCK_POLL_MS = 20;

/** Writes a file of mode 0600 in one rename, synced, so that a reader sees the old text or the new one. */
export function writePrivateFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${newId()}`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

export class PrivateJsonFile<T> {
  private seen: { readonly stamp: string; readonly value: T } | undefined;

  /** `parse` answers the document or throws why it is not one; `empty` stands for a file that does not exist yet. */
  constructor(
    readonly path: string,
    private readonly empty: T,
    private readonly parse: (document: unknown) => T,
  ) {}

  /** The document as it is on disk now; costs one `stat` when unchanged. Throws `PrivateFileError`. */
  read(): T {
    const stat = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return this.empty;
    const stamp = `${stat.dev}/${stat.ino}/${stat.size}/${stat.mtimeNs}`;
    if (this.seen?.stamp === stamp) return this.seen.value;
    if ((Number(stat.mode) & UNSAFE_BITS) !== 0) {
      throw new PrivateFileError(
        'PRIVATE_FILE_UNSAFE',
        `${this.path} is open to other users. Make it private first: chmod 600 ${this.path}`,
      );
    }
    const value = this.parsed(readFileSync(this.path, 'utf8'));
    this.seen = { stamp, value };
    return value;
  }

  private parsed(text: string): T {
    try {
      return this.parse(JSON.parse(text));
    } catch (error) {
      const why =
        error instanceof SyntaxError ? 'it is not JSON' : error instanceof Error ? error.message : 'it is not understood';
      throw new PrivateFileError(
        'PRIVATE_FILE_UNREADABLE',
        `${this.path} cannot be used: ${why}. Restore it from a copy, or remove it to begin anew.`,
      );
    }
  }

  /** Replaces the document by `change(document)`, one writer at a time over all processes. */
  async update(change: (document: T) => T): Promise<T> {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const lock = `${this.path}.lock`;
    await takeLock(lock);
    try {
      const next = change(this.read());
      writePrivateFile(this.path, `${JSON.stringify(next, null, 2)}\n`);
      return next;
    } finally {
      rmSync(lock, { force: true });
    }
  }
}

async function takeLock(lock: string): Promise<void> {
  const deadline = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      closeSync(openSync(lock, 'wx', 0o600));
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const stat = statSync(lock, { throwIfNoEntry: false });
    // A writer holds it for milliseconds; a lock this old belongs to a process that died.
    if (stat !== undefined && Date.now() - stat.mtimeMs > LOCK_STALE_MS) rmSync(lock, { force: true });
    else if (performance.now() > deadline) {
      throw new PrivateFileError(
        'PRIVATE_FILE_BUSY',
        `${lock} is held by another process for more than ${LOCK_WAIT_MS} ms. Remove it if no such process runs.`,
      );
    } else await delay(LOCK_POLL_MS);
  }
}
