import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fingerprintOf, judgeKey, keyTypesOf, knownKeys } from './known-hosts.js';

const [KEY, OTHER] = [Buffer.from('a key'), Buffer.from('another key')];
const line = (names: string, key = KEY, type = 'ssh-ed25519'): string => `${names} ${type} ${key.toString('base64')} comment\n`;
const trustedFor = (file: string, address: string, port = 22): readonly string[] =>
  knownKeys(file, address, port).trusted.map(({ fingerprint }) => fingerprint);

describe('known hosts', () => {
  it('are found by name, address, port and pattern, and by nothing else', () => {
    const ours = [fingerprintOf(KEY)];
    expect(trustedFor(line('db1.example,10.0.0.1'), '10.0.0.1')).toEqual(ours);
    expect(trustedFor(line('DB1.example'), 'db1.EXAMPLE')).toEqual(ours);
    expect(trustedFor(line('db1.example'), 'db1.example', 2222)).toEqual([]);
    expect(trustedFor(line('[db1.example]:2222'), 'db1.example', 2222)).toEqual(ours);
    expect(trustedFor(line('db?.example'), 'db1.example')).toEqual(ours);
    expect(trustedFor(line('*.example,!db1.example'), 'db2.example')).toEqual(ours);
    expect(trustedFor(line('*.example,!db1.example'), 'db1.example')).toEqual([]);
    expect(trustedFor(line('db1xexample'), 'db1.example')).toEqual([]);
  });

  it('are found by their hashed names', () => {
    const salt = Buffer.from('twenty bytes of salt');
    const hash = createHmac('sha1', salt).update('[db1.example]:2222').digest('base64');
    const file = line(`|1|${salt.toString('base64')}|${hash}`);
    expect(trustedFor(file, 'db1.example', 2222)).toEqual([fingerprintOf(KEY)]);
    expect(trustedFor(file, 'db1.example')).toEqual([]);
  });

  it('pass over comments, broken lines and authorities; keep several keys of one host; know the revoked ones', () => {
    const authority = `@cert-authority ${line('*')}`;
    const file = `# ${line('db1')}\n\ndb1\n${authority}${line('db1')}${line('db1', OTHER, 'ssh-rsa')}@revoked ${line('*', OTHER)}`;
    const known = knownKeys(file, 'db1', 22);
    expect(known.trusted.map(({ type }) => type)).toEqual(['ssh-ed25519', 'ssh-rsa']);
    expect(known.revoked).toEqual([fingerprintOf(OTHER)]);
    expect(keyTypesOf(known)).toEqual(['ssh-ed25519', 'rsa-sha2-512', 'rsa-sha2-256']);
  });
});

describe('a host key', () => {
  const judged = (file: string, pinned: readonly string[] = [], offered = KEY) =>
    judgeKey(offered, { where: 'db1', known: knownKeys(file, 'db1', 22), pinned });

  it('is trusted when it is known or pinned', () => {
    expect(judged(line('db1'))).toEqual({ trusted: true });
    expect(judged('', [fingerprintOf(KEY)])).toEqual({ trusted: true });
  });

  it('is refused when nobody knows it, and the reason says what to compare', () => {
    expect(judged(line('db2'))).toEqual({
      trusted: false,
      reason: expect.stringContaining(`Nobody has vouched for the host key of db1, ${fingerprintOf(KEY)}.`) as string,
    });
  });

  it('is refused when another one is known, and the reason names both', () => {
    const reason = expect.stringMatching(
      `has changed: it offers ${fingerprintOf(KEY)}, known is ${fingerprintOf(OTHER)}`.replaceAll('+', '\\+'),
    ) as string;
    expect(judged(line('db1', OTHER))).toEqual({ trusted: false, reason });
    expect(judged(line('db1'), [fingerprintOf(OTHER)])).toEqual({ trusted: false, reason });
  });

  it('is refused when it is revoked, though it be pinned', () => {
    const refused = judged(`${line('db1')}@revoked ${line('*')}`, [fingerprintOf(KEY)]);
    expect(refused).toMatchObject({ trusted: false, reason: expect.stringContaining('revoked') as string });
  });
});
