/**
 * Host keys that somebody has vouched for: OpenSSH's `known_hosts` (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), and fingerprints that are
 * pinned in a host's definition. Pure.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** `SHA256:` and 43 characters, as `ssh-keygen -lf` prints it. */
export const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

export interface KnownKeys {
  /** Key types as in the file, e.g. `ssh-ed25519`, with their fingerprints. */
  readonly trusted: readonly { readonly type: string; readonly fingerprint: string }[];
  readonly revoked: readonly string[];
}

export type KeyVerdict = { readonly trusted: true } | { readonly trusted: false; readonly reason: string };

/** Of a key as it stands on the wire. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** What a `known_hosts` file says of one place. Lines that cannot be read, and certificate authorities, say nothing. */
export function knownKeys(file: string, address: string, port: number): KnownKeys {
  const name = port === 22 ? address : `[${address}]:${port}`;
  const trusted: { type: string; fingerprint: string }[] = [];
  const revoked: string[] = [];
  for (const line of file.split('\n')) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined;
    const [names = '', type = '', key = ''] = words;
    if (names.startsWith('#') || key === '' || !namesMatch(names, name.toLowerCase())) continue;
    const fingerprint = fingerprintOf(Buffer.from(key, 'base64'));
    if (marker === '@revoked') revoked.push(fingerprint);
    else if (marker === undefined) trusted.push({ type, fingerprint });
  }
  return { trusted, revoked };
}

/** Is the key that the host offers one that was vouched for? Where fingerprints are pinned, they alone count. */
export function judgeKey(
  offered: Buffer,
  { where, known, pinned }: { readonly where: string; readonly known: KnownKeys; readonly pinned: readonly string[] },
): KeyVerdict {
  const fingerprint = fingerprintOf(offered);
  const trusted = pinned.length > 0 ? pinned : known.trusted.map((key) => key.fingerprint);
  if (known.revoked.includes(fingerprint))
    return refused(`The host key that ${where} offers, ${fingerprint}, is marked as revoked.`);
  if (trusted.includes(fingerprint)) return { trusted: true };
  if (trusted.length === 0)
    return refused(
      `Nobody has vouched for the host key of ${where}, ${fingerprint}. Compare it on the host (ssh-keygen -lf), then pin it in the ` +
        `host's access, or add it to the known hosts file.`,
    );
  return refused(
    `The host key of ${where} has changed: it offers ${fingerprint}, known is ${trusted.join(' or ')}. Somebody may stand between. ` +
      `If the host was built anew, compare the key on the host (ssh-keygen -lf), then replace the known one.`,
  );
}

/** The key types to ask the host for, so that it offers one that is known; empty = any. */
export function keyTypesOf({ trusted }: KnownKeys): readonly string[] {
  const types = new Set(trusted.map(({ type }) => type));
  return [...types].flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type]));
}

function refused(reason: string): KeyVerdict {
  return { trusted: false, reason };
}

function namesMatch(names: string, name: string): boolean {
  if (names.startsWith('|1|')) return hashMatches(names, name);
  const patterns = names.toLowerCase().split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && globMatches(pattern.slice(1), name))) return false;
  return patterns.some((pattern) => globMatches(pattern, name));
}

/** `|1|salt|HMAC-SHA1(salt, name)`, both in base64. */
function hashMatches(hashed: string, name: string): boolean {
  const [, , salt = '', expected = ''] = hashed.split('|');
  const hash = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  const wanted = Buffer.from(expected, 'base64');
  return wanted.length === hash.length && timingSafeEqual(wanted, hash);
}

function globMatches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}
