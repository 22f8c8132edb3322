/**
 * What is signed. A checkpoint lists the head of each stream that grew since the statement before it, and names that one by its
 * hash: so all of them together are the heads of all streams, and making one costs what is new. The signature is over the exact
 * text. The same row, in a table or a line of a file, is all that an auditor needs beside the public key.
 */
import { createHash, sign, verify, type KeyObject } from 'node:crypto';
import { publicPem, readPublicKey, type SigningKey } from './keys.js';

export const CHECKPOINT_FORMAT = 'understudy-checkpoint/1';
/** Hex of the 32 zero bytes that stand before the first statement. */
export const FIRST_LINK = '0'.repeat(64);

/** Stream, version, position in the log, chain hash (hex). */
export type SignedHead = readonly [stream: string, version: number, position: number, hash: string];

interface StatementBase {
  readonly format: typeof CHECKPOINT_FORMAT;
  readonly service: string;
  /** Identity of the log; another one than in the statement before it = the log was restored in between; then `kind` is `key`. */
  readonly logId: string;
  /** From 1, gap-free. */
  readonly number: number;
  /** Covered up to here, together with the statements before. */
  readonly position: number;
  /** RFC 3339, UTC; the signer's clock. */
  readonly time: string;
  /** SHA-256 of the text of the statement before, hex. */
  readonly previous: string;
  /** Who signs this very statement. */
  readonly keyId: string;
}

export type CheckpointStatement =
  | (StatementBase & { readonly kind: 'heads'; readonly heads: readonly SignedHead[] })
  /** This key signs from here on. Signed by the key before it (a hand-over), or by itself (a beginning). */
  | (StatementBase & { readonly kind: 'key'; readonly publicKey: string });

/** A statement as it is stored and exported. */
export interface SignedStatement {
  readonly number: number;
  readonly position: number;
  /** The signed text. */
  readonly statement: string;
  readonly keyId: string;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** An exported file, or a row, does not hold what it should. */
export class CheckpointUnreadable extends Error {
  override readonly name = 'CheckpointUnreadable';
  readonly code = 'CHECKPOINT_UNREADABLE';
}

export function linkOf(statement: string): string {
  return createHash('sha256').update(statement).digest('hex');
}

/** Where a statement stands: what all of them begin with. */
export type Place = Pick<StatementBase, 'service' | 'logId' | 'number' | 'position' | 'time' | 'previous'>;

export function signHeads(place: Place, heads: readonly SignedHead[], by: SigningKey): SignedStatement {
  return signed({ format: CHECKPOINT_FORMAT, kind: 'heads', ...place, keyId: by.id, heads }, by);
}

/** Makes `to` the key that signs from here on. */
export function signKey(place: Place, to: KeyObject, by: SigningKey): SignedStatement {
  return signed({ format: CHECKPOINT_FORMAT, kind: 'key', ...place, keyId: by.id, publicKey: publicPem(to) }, by);
}

function signed(content: CheckpointStatement, by: SigningKey): SignedStatement {
  const statement = JSON.stringify(content);
  const signature = sign(null, Buffer.from(statement), by.key).toString('base64');
  return { number: content.number, position: content.position, statement, keyId: by.id, signature };
}

export function isSignedBy(row: SignedStatement, key: KeyObject): boolean {
  return verify(null, Buffer.from(row.statement), key, Buffer.from(row.signature, 'base64'));
}

/** The statement of a row. @throws `CheckpointUnreadable`. */
export function readStatement(row: SignedStatement): CheckpointStatement {
  const content = parsed(row.statement, `checkpoint ${row.number}`);
  if (!isStatement(content))
    throw new CheckpointUnreadable(`Checkpoint ${row.number} is not a statement of ${CHECKPOINT_FORMAT}.`);
  if (content.number !== row.number || content.position !== row.position || content.keyId !== row.keyId)
    throw new CheckpointUnreadable(`Checkpoint ${row.number} does not say the number, position and key that it is kept under.`);
  return content;
}

/** Which log a row says that it is of; undefined = it is no statement, as whoever reads it will say. */
export function logIdOf(row: SignedStatement): string | undefined {
  try {
    return readStatement(row).logId;
  } catch {
    return undefined;
  }
}

/** The key that signs after this statement. */
export function keyAfter(statement: CheckpointStatement): string {
  return statement.kind === 'key' ? readPublicKey(statement.publicKey, `checkpoint ${statement.number}`).id : statement.keyId;
}

/** One line of an exported file. */
export function exportedLine(row: SignedStatement): string {
  const { number, position, statement, keyId, signature } = row;
  return `${JSON.stringify({ number, position, keyId, signature, statement })}\n`;
}

/** @throws `CheckpointUnreadable`, naming `from`. */
export function readExportedLine(line: string, from: string): SignedStatement {
  const row = parsed(line, from);
  if (!isRow(row)) throw new CheckpointUnreadable(`${from} holds a line that is no signed checkpoint. Export it again.`);
  return row;
}

function parsed(text: string, from: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CheckpointUnreadable(`${from} cannot be read: it is not JSON. If it is a file, export it again.`);
  }
}

function isRow(value: unknown): value is SignedStatement {
  const row = value as Partial<Record<keyof SignedStatement, unknown>> | null;
  return hasNumbers(row) && [row.statement, row.keyId, row.signature].every((field) => typeof field === 'string');
}

function hasNumbers<T extends { readonly number?: unknown; readonly position?: unknown }>(value: T | null): value is T {
  return Number.isSafeInteger(value?.number) && Number.isSafeInteger(value?.position);
}

function isStatement(value: unknown): value is CheckpointStatement {
  const statement = value as Partial<Record<string, unknown>> | null;
  if (!hasNumbers(statement) || statement['format'] !== CHECKPOINT_FORMAT) return false;
  const texts = ['service', 'logId', 'time', 'previous', 'keyId'].map((name) => statement[name]);
  if (!texts.every((text) => typeof text === 'string')) return false;
  if (statement['kind'] === 'key') return typeof statement['publicKey'] === 'string';
  return statement['kind'] === 'heads' && Array.isArray(statement['heads']) && statement['heads'].every(isHead);
}

function isHead(value: unknown): value is SignedHead {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const [stream, version, position, hash] = value as unknown[];
  return (
    typeof stream === 'string' && Number.isSafeInteger(version) && Number.isSafeInteger(position) && typeof hash === 'string'
  );
}
