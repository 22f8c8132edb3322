/**
 * Tokens: 256 random bits, shown once. The file keeps SHA-256, subject, role and expiry; every process reads it and sees a change
 * with the next request. A fast hash is right here: nobody guesses 256 random bits.
 */
import { createHash, randomBytes } from 'node:crypto';
import { newId } from './ids.js';
import { PrivateJsonFile, writePrivateFile } from './private-file.js';

export const ROLES = ['viewer', 'operator', 'approver', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** What each role may do besides its own: everybody sees, only an admin operates *and* approves (never the same rollout). */
const INCLUDES: Readonly<Record<Role, readonly Role[]>> = {
  viewer: ['viewer'],
  operator: ['viewer', 'operator'],
  approver: ['viewer', 'approver'],
  admin: ROLES,
};

export function roleIncludes(role: Role, needed: Role): boolean {
  return INCLUDES[role].includes(needed);
}

export interface TokenRecord {
  readonly id: string;
  /** Hex SHA-256 of the token's text. */
  readonly hash: string;
  readonly subject: string;
  readonly role: Role;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt?: string;
}

interface TokenFile {
  readonly version: 1;
  readonly tokens: readonly TokenRecord[];
}

export type TokenCheck =
  | { readonly valid: true; readonly token: TokenRecord }
  | { readonly valid: false; readonly reason: 'unknown' | 'expired' | 'revoked' };

const PREFIX = 'understudy_';
const TOKEN_BYTES = 32;
const MAX_TOKENS = 10_000;
const SUBJECT = /^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,99}$/;
export const DEFAULT_TOKEN_DAYS = 90;
const ADMIN_TOKEN_DAYS = 3_650;
const DAY_MS = 86_400_000;

export class TokenStore {
  private readonly file: PrivateJsonFile<TokenFile>;
  private index: { readonly of: TokenFile; readonly byHash: ReadonlyMap<string, TokenRecord> } | undefined;

  constructor(
    readonly path: string,
    private readonly now: () => number = Date.now,
  ) {
    this.file = new PrivateJsonFile(path, { version: 1, tokens: [] }, parseTokens);
  }

  /** Looks a presented token up by its hash. */
  check(token: string): TokenCheck {
    const record = this.byHash().get(hashOf(token));
    if (record === undefined) return { valid: false, reason: 'unknown' };
    if (record.revokedAt !== undefined) return { valid: false, reason: 'revoked' };
    if (Date.parse(record.expiresAt) <= this.now()) return { valid: false, reason: 'expired' };
    return { valid: true, token: record };
  }

  /** Makes a token; its text is answered here and nowhere else. Throws a `RangeError` in words for a bad subject or lifetime. */
  async create(wish: {
    readonly subject: string;
    readonly role: Role;
    readonly days?: number;
  }): Promise<{ readonly token: string; readonly record: TokenRecord }> {
    const days = wish.days ?? DEFAULT_TOKEN_DAYS;
    if (!SUBJECT.test(wish.subject))
      throw new RangeError('The subject must be 1 to 100 letters, digits or ._@:+- and begin with a letter or digit.');
    if (wish.subject.startsWith('system:'))
      throw new RangeError('Subjects that begin with "system:" are for the services themselves.');
    if (!(days > 0 && days <= ADMIN_TOKEN_DAYS))
      throw new RangeError(`A token lives more than 0 and at most ${ADMIN_TOKEN_DAYS} days.`);
    const token = PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
    const createdAt = this.now();
    const record: TokenRecord = {
      id: newId(),
      hash: hashOf(token),
      subject: wish.subject,
      role: wish.role,
      createdAt: new Date(createdAt).toISOString(),
      expiresAt: new Date(createdAt + days * DAY_MS).toISOString(),
    };
    await this.file.update(({ tokens }) => {
      if (tokens.length >= MAX_TOKENS) throw new RangeError(`There are ${MAX_TOKENS} tokens; revoke and prune some first.`);
      return { version: 1, tokens: [...tokens, record] };
    });
    return { token, record };
  }

  /** Answers the revoked record, or undefined if there is no such id. Revoking twice changes nothing. */
  async revoke(id: string): Promise<TokenRecord | undefined> {
    const at = new Date(this.now()).toISOString();
    const { tokens } = await this.file.update((document) => ({
      version: 1,
      tokens: document.tokens.map((token) =>
        token.id === id && token.revokedAt === undefined ? { ...token, revokedAt: at } : token,
      ),
    }));
    return tokens.find((token) => token.id === id);
  }

  list(): readonly TokenRecord[] {
    return this.file.read().tokens;
  }

  /**
   * For the first start: if there is no token at all, makes one for an admin and writes it to `tokenPath`, mode 0600.
   * Answers whether it did.
   */
  async ensureFirstAdmin(tokenPath: string): Promise<boolean> {
    if (this.list().length > 0) return false;
    const { token } = await this.create({ subject: 'admin', role: 'admin', days: ADMIN_TOKEN_DAYS });
    writePrivateFile(tokenPath, `${token}\n`);
    return true;
  }

  private byHash(): ReadonlyMap<string, TokenRecord> {
    const of = this.file.read();
    if (this.index?.of !== of) this.index = { of, byHash: new Map(of.tokens.map((token) => [token.hash, token])) };
    return this.index.byHash;
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function parseTokens(document: unknown): TokenFile {
  const file = document as Partial<TokenFile> | null;
  if (file?.version !== 1 || !Array.isArray(file.tokens)) throw new Error('it is not a token file of version 1');
  for (const token of file.tokens) {
    if (
      typeof token.hash !== 'string' ||
      typeof token.subject !== 'string' ||
      !ROLES.includes(token.role) ||
      Number.isNaN(Date.parse(token.expiresAt))
    ) {
      throw new Error('it has an entry without hash, subject, role or expiry');
    }
  }
  return { version: 1, tokens: file.tokens };
}
