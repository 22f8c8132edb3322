/**
 * The keys that sign checkpoints: one PEM file outside the database that only its owner can read, made by us or by openssl.
 * It holds blocks, oldest first; the last private key signs. A key that was replaced stays in the file, as its public part is
 * enough from the moment on at which it has handed over: `openssl pkey -in key.pem -pubout`.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** `code` CHECKPOINT_KEY_UNSAFE | CHECKPOINT_KEY_UNREADABLE | CHECKPOINT_KEY_ABSENT. */
export class CheckpointKeyError extends Error {
  override readonly name = 'CheckpointKeyError';
  constructor(
    readonly code: 'CHECKPOINT_KEY_UNSAFE' | 'CHECKPOINT_KEY_UNREADABLE' | 'CHECKPOINT_KEY_ABSENT',
    message: string,
  ) {
    super(message);
  }
}

export interface SigningKey {
  /** SHA-256 of the public key (DER, SubjectPublicKeyInfo) in hex: `openssl pkey -pubin -outform DER | sha256sum` says the same. */
  readonly id: string;
  readonly key: KeyObject;
}

/** Public keys that are believed, by id. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

export interface CheckpointKeys {
  /** Signs from now on. */
  readonly current: SigningKey;
  /** Private keys by id: an earlier one may still have to hand over. */
  readonly signing: ReadonlyMap<string, KeyObject>;
  readonly trusted: TrustedKeys;
}

const BLOCK = /-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g;
/** Nothing for others, no write for the group: a mounted secret may be readable by the group. */
const UNSAFE_BITS = 0o037;

export function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

export function publicPem(publicKey: KeyObject): string {
  return publicKey.export({ type: 'spki', format: 'pem' }) as string;
}

/** A public key of an export or of an auditor. @throws `CheckpointKeyError` if it is none, or not Ed25519. */
export function readPublicKey(pem: string, from: string): SigningKey {
  const key = asKey(pem, from, createPublicKey);
  return { id: keyId(key), key };
}

/** Every public key of a PEM text, also those of private ones. @throws `CheckpointKeyError` if there is none. */
export function readTrustedKeys(pem: string, from: string): TrustedKeys {
  const keys = [...pem.matchAll(BLOCK)].map(([block]) => readPublicKey(block, from));
  if (keys.length === 0) throw unreadable(from, 'it holds no PEM block');
  return new Map(keys.map(({ id, key }) => [id, key]));
}

/** The keys of a process that signs. @throws `CheckpointKeyError`. */
export function readCheckpointKeys(path: string): CheckpointKeys {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new CheckpointKeyError(
      'CHECKPOINT_KEY_ABSENT',
      `There is no key file ${path}. Put it back from a copy, or make one: openssl genpkey -algorithm ed25519 -out ${path}; chmod 600 ${path}`,
    );
  }
  if ((stat.mode & UNSAFE_BITS) !== 0) {
    throw new CheckpointKeyError(
      'CHECKPOINT_KEY_UNSAFE',
      `${path} is open to other users, so what it signs proves nothing. Make it private first: chmod 600 ${path}`,
    );
  }
  const text = readFileSync(path, 'utf8');
  const trusted = readTrustedKeys(text, path);
  const signing = [...text.matchAll(BLOCK)]
    .filter(([, label]) => label === 'PRIVATE KEY')
    .map(([block]) => {
      const key = asKey(block, path, createPrivateKey);
      return { id: keyId(createPublicKey(key)), key };
    });
  const current = signing.at(-1);
  if (current === undefined) throw unreadable(path, 'it holds public keys only, and none that signs');
  return { current, signing: new Map(signing.map(({ id, key }) => [id, key])), trusted };
}

/** Makes the key file at the first start; one that exists is left alone. Answers whether it was made now. */
export function ensureCheckpointKey(path: string): boolean {
  if (existsSync(path)) return false;
  writeWhole(path, newPrivatePem());
  return true;
}

/**
 * Adds a new key, which signs from the next checkpoint on. Keys that have handed over before stay as public keys; the one that
 * signs now stays private until it has signed the hand-over, so a rotation takes the key before it away. Answers the new id.
 */
export function addCheckpointKey(path: string): string {
  const { current } = readCheckpointKeys(path);
  const blocks = [...readFileSync(path, 'utf8').matchAll(BLOCK)].map(([block]) => {
    const { id, key } = readPublicKey(block, path);
    return id === current.id ? `${block}\n` : publicPem(key);
  });
  const fresh = newPrivatePem();
  writeWhole(path, [...blocks, fresh].join(''));
  return keyId(createPublicKey(fresh));
}

function newPrivatePem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** In one rename, synced, mode 0600. */
function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

function asKey(pem: string, from: string, read: (pem: string) => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read(pem);
  } catch (error) {
    throw unreadable(from, error instanceof Error ? error.message : String(error));
  }
  if (key.asymmetricKeyType !== 'ed25519') throw unreadable(from, `it is a key for ${key.asymmetricKeyType}, not for Ed25519`);
  return key;
}

function unreadable(from: string, why: string): CheckpointKeyError {
  return new CheckpointKeyError(
    'CHECKPOINT_KEY_UNREADABLE',
    `${from} cannot be used as a key: ${why}. It must be PEM with Ed25519 keys, as openssl genpkey -algorithm ed25519 makes them.`,
  );
}
