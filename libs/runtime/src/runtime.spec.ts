import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, chmodSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SettingsError, parseSettings, parsers, setting, settingsHelp } from './config.js';
import { CredentialStore, hostMatches } from './credentials.js';
import { derivedId, fingerprintOf, newId, traceparentOf } from './ids.js';
import { isLoopback, planListen } from './listen.js';
import { createLog } from './logging.js';
import { PrivateJsonFile } from './private-file.js';
import { Problem, problemFrom, refused } from './problems.js';
import { redactFields, redactText, registerSecret } from './redaction.js';
import { serverSentEvents } from './http/stream.js';
import { inAMoment } from './in-a-moment.js';
import { tokenCommand } from './token-command.js';
import { TokenStore } from './tokens.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-runtime-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('settings', () => {
  const table = {
    port: setting({ name: 'PORT', describe: 'TCP port', default: '80', parse: parsers.integer(0, 65_535) }),
    key: setting({ name: 'KEY', describe: 'Signs', secret: true, parse: parsers.text }),
    mode: setting({ name: 'MODE', describe: 'How', default: 'a', parse: parsers.oneOf('a', 'b') }),
    url: setting({ name: 'URL', describe: 'Where', default: 'https://x/', parse: parsers.url('https') }),
  };
  it('are parsed once, with defaults', () => {
    expect(parseSettings(table, { KEY: 'k', MODE: 'b' })).toEqual({ port: 80, key: 'k', mode: 'b', url: 'https://x/' });
  });
  it('name every wrong one at once, and no secret', () => {
    const attempt = (): unknown => parseSettings(table, { PORT: '80x', KEY: ' ', MODE: 'c', URL: 'ftp://x' });
    expect(attempt).toThrow(SettingsError);
    expect(attempt).toThrow(
      /PORT must be a whole number from 0 to 65535 \(it is "80x"\)\n.*KEY must not be empty\n.*MODE must be one of a, b.*\n.*URL must be a URL/,
    );
    expect(() => parseSettings(table, {})).toThrow('KEY is not set: Signs');
  });
  it('a secret may come from a file that its holder names, and from one place only', () => {
    const file = join(folder, 'key');
    writeFileSync(file, 'from a file\n');
    expect(parseSettings(table, { KEY_FILE: file })).toMatchObject({ key: 'from a file' });
    expect(() => parseSettings(table, { KEY: 'k', KEY_FILE: file })).toThrow('KEY and KEY_FILE are both set');
    expect(() => parseSettings(table, { KEY_FILE: `${file}.not` })).toThrow(
      /KEY cannot be read from the file that KEY_FILE names: ENOENT$/m,
    );
    expect(parseSettings(table, { KEY: 'k', PORT_FILE: file })).toMatchObject({ port: 80 });
  });
  it('are explained by --help', () => {
    expect(settingsHelp('Understudy', table)).toContain('PORT\n      TCP port (default: 80)');
    expect(settingsHelp('Understudy', table)).toContain('KEY\n      Signs (secret, required; or KEY_FILE =');
  });
});

describe('ids', () => {
  it('are new and ordered, or derived and always the same', () => {
    expect([newId(), newId()].sort()).toHaveLength(2);
    expect(newId()[14]).toBe('7');
    expect(derivedId('a', 'bc')).toBe(derivedId('a', 'bc'));
    expect(derivedId('a', 'bc')).not.toBe(derivedId('ab', 'c'));
    expect(derivedId('a')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
  it('fingerprints are equal for documents that mean the same', () => {
    expect(fingerprintOf({ a: 1, b: [1, { c: null }] })).toBe(fingerprintOf({ b: [1, { c: null }], a: 1 }));
    expect(fingerprintOf({ a: 1 })).not.toBe(fingerprintOf({ a: '1' }));
    expect(fingerprintOf([1, 2])).not.toBe(fingerprintOf([2, 1]));
  });
  it('a valid trace goes on, an invalid one begins anew', () => {
    const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(traceparentOf(valid)).toBe(valid);
    for (const wrong of [
      undefined,
      '',
      valid.toUpperCase(),
      `ff${valid.slice(2)}`,
      `${valid}-x`,
      valid.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
    ]) {
      expect(traceparentOf(wrong)).not.toBe(wrong);
      expect(traceparentOf(wrong)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    }
  });
});

describe('tokens', () => {
  it('are kept as hashes in a private file that every process reads again', async () => {
    const path = join(folder, 'tokens.json');
    const [one, other] = [new TokenStore(path), new TokenStore(path)];
    const { token, record } = await one.create({ subject: 'anna', role: 'approver' });
    expect(other.check(token)).toMatchObject({ valid: true, token: { subject: 'anna', role: 'approver' } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).not.toContain(token.slice('understudy_'.length));
    await other.revoke(record.id);
    expect(one.check(token)).toEqual({ valid: false, reason: 'revoked' });
  });
  it('are created side by side without loss', async () => {
    const path = join(folder, 'tokens.json');
    await Promise.all(
      Array.from({ length: 8 }, (_, index) => new TokenStore(path).create({ subject: `s${index}`, role: 'viewer' })),
    );
    expect(new TokenStore(path).list()).toHaveLength(8);
  });
  it('the first admin’s is written to a private file, once', async () => {
    const tokens = new TokenStore(join(folder, 'tokens.json'));
    const path = join(folder, 'admin-token');
    expect([await tokens.ensureFirstAdmin(path), await tokens.ensureFirstAdmin(path)]).toEqual([true, false]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(tokens.check(readFileSync(path, 'utf8').trim())).toMatchObject({ valid: true, token: { role: 'admin' } });
  });
  it('are made, listed and revoked on the command line', async () => {
    const tokens = new TokenStore(join(folder, 'tokens.json'));
    let said = '';
    const run = (...args: string[]): Promise<number> => ((said = ''), tokenCommand(tokens, args, (text) => (said += text)));
    expect(await run('create', '--subject', 'otto', '--role', 'operator', '--days', '2')).toBe(0);
    const [token = '', id = ''] = [said.split('\n')[0], /id (\S+),/.exec(said)?.[1]];
    expect(tokens.check(token).valid).toBe(true);
    expect([await run('list'), said.includes('operator  otto  until')]).toEqual([0, true]);
    expect([await run('revoke', id), tokens.check(token).valid]).toEqual([0, false]);
    expect(await run('revoke', 'nobody')).toBe(1);
    expect(await run('create', '--subject', 'otto', '--role', 'king')).toBe(2);
    expect(await run('create', '--subject', 'system:inventory', '--role', 'admin')).toBe(1);
    expect(await run('create', '--subject', 'otto', '--role', 'admin', '--days', '0')).toBe(1);
    expect(await run('create', '--wrong')).toBe(1);
    expect([await run(), await run('--help')]).toEqual([2, 0]);
  });
  it('in a file are made anew when they are no good any more, or for less than a week', async () => {
    const tokens = new TokenStore(join(folder, 'tokens.json'));
    const file = join(folder, 'peers-token');
    const make = async (days: string): Promise<string> => {
      expect(
        await tokenCommand(
          tokens,
          ['create', '--subject', 'p', '--role', 'viewer', '--days', days, '--out', file],
          () => undefined,
        ),
      ).toBe(0);
      return readFileSync(file, 'utf8').trim();
    };
    const short = await make('6');
    const long = await make('30');
    expect(long).not.toBe(short);
    expect(await make('30')).toBe(long);
    const [, record] = tokens.list();
    await tokens.revoke(record?.id ?? '');
    expect(tokens.check(await make('30')).valid).toBe(true);
  });
});

describe('a figure about what may be away', () => {
  it('is what is said in a moment, or nothing', async () => {
    expect(await inAMoment(Promise.resolve(7))).toBe(7);
    expect(await inAMoment(Promise.reject(new Error('away')))).toBeUndefined();
    expect(await inAMoment(new Promise<never>(() => undefined))).toBeUndefined();
  });
});

describe('a private file', () => {
  const open = (): PrivateJsonFile<unknown> => new PrivateJsonFile(join(folder, 'f.json'), {}, (document) => document);
  it('that others can read or the group can write is refused, with the way out', () => {
    writeFileSync(join(folder, 'f.json'), '{}');
    chmodSync(join(folder, 'f.json'), 0o644);
    expect(() => open().read()).toThrow(/chmod 600/);
  });
  it('that is no JSON is refused', () => {
    writeFileSync(join(folder, 'f.json'), '{', { mode: 0o600 });
    expect(() => open().read()).toThrow(/it is not JSON/);
  });
  it('leaves no lock behind a change that fails', async () => {
    await expect(
      open().update(() => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(existsSync(join(folder, 'f.json.lock'))).toBe(false);
  });
});

describe('credentials', () => {
  it('show their secret to the hosts of their patterns alone', async () => {
    const store = new CredentialStore(join(folder, 'c.json'), { PW: 'swordfish-1' });
    await store.put('db', { source: 'env:PW', user: 'app', hosts: ['*.db.example', '10.0.0.7'] });
    expect(store.resolve('db', ['a.db.example', '10.0.0.7'])).toEqual({ user: 'app', secret: 'swordfish-1' });
    expect(() => store.resolve('db', ['a.db.example', 'evil.example'])).toThrow(/may not be shown to evil.example/);
    expect(() => store.resolve('db', [])).toThrow(Problem);
    expect(() => store.resolve('nobody', ['a'])).toThrow(/no credential named "nobody"/);
    expect(() => store.resolve('constructor', ['a'])).toThrow(/no credential named/);
    expect(JSON.stringify(store.list())).not.toContain('swordfish');
    expect(redactText('it is swordfish-1!')).toBe('it is [redacted]!');
    expect([await store.remove('db'), await store.remove('db')]).toEqual([true, false]);
  });
  it('read files, and say nothing of a value or path that cannot be read', async () => {
    const store = new CredentialStore(join(folder, 'c.json'), {});
    const path = join(folder, 'secret');
    writeFileSync(path, 'from-a-file\n', { mode: 0o600 });
    await store.put('file', { source: `file:${path}`, hosts: ['**'] });
    expect(store.resolve('file', ['any.host']).secret).toBe('from-a-file');
    await store.put('none', { source: 'file:/nowhere/at-all', hosts: ['**'] });
    expect(() => store.resolve('none', ['x'])).toThrow(/cannot be read where its definition says/);
    expect(() => store.resolve('none', ['x'])).not.toThrow(/nowhere/);
  });
  it('refuse definitions that could be anything', async () => {
    const store = new CredentialStore(join(folder, 'c.json'), {});
    await expect(store.put('Bad Name', { hosts: ['a'] })).rejects.toThrow(/named by/);
    await expect(store.put('x', { hosts: [] })).rejects.toThrow(/host pattern/);
    for (const source of ['file:relative', 'env:A B', 'http://x', 'plain'])
      await expect(store.put('x', { source, hosts: ['a'] })).rejects.toThrow(/env:NAME/);
  });
  it('patterns match labels, not more', () => {
    expect(hostMatches('*.example', 'a.example')).toBe(true);
    expect(hostMatches('*.example', 'a.b.example')).toBe(false);
    expect(hostMatches('**.example', 'a.b.example')).toBe(true);
    expect(hostMatches('a.example', 'aXexample')).toBe(false);
    expect(hostMatches('DB', 'db')).toBe(true);
  });
});

describe('logs', () => {
  function capture(): { readonly lines: string[]; readonly to: Writable } {
    const lines: string[] = [];
    return { lines, to: new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(chunk.toString()), done()) }) };
  }
  it('are JSON lines without secrets: by field, by look, by value', () => {
    const { lines, to } = capture();
    registerSecret('planted-secret-42');
    const log = createLog({ service: 'spec' }, to);
    log.info(
      { password: 'p1', nested: { apiKey: 'p2', deep: [{ token: 'p3' }] }, conninfo: "host=a password='p 4' user=b" },
      'to postgres://u:p5@h/db with Bearer abcdefghijkl',
    );
    log.error({ err: new Error('failed with planted-secret-42 and password=p6') }, 'x');
    const text = lines.join('');
    for (const secret of ['p1', 'p2', 'p3', 'p 4', 'p5', 'p6', 'abcdefghijkl', 'planted-secret-42'])
      expect(text).not.toContain(secret);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ service: 'spec' });
    expect(text).toContain('host=a password=[redacted] user=b');
  });
  it.each([
    ['PGPASSWORD=canary-1 psql', 'PGPASSWORD=[redacted] psql'],
    ['{"password": "canary-1", "user": "u"}', '{"password": "[redacted]", "user": "u"}'],
    [String.raw`{"said":"{\"password\":\"canary-1\"}"}`, String.raw`{"said":"{\"password\":\"[redacted]\"}"}`],
    ['password: canary-1', 'password: [redacted]'],
    ['tool --admin-password canary-1 --user u', 'tool --admin-password [redacted] --user u'],
    ['tool --password=canary-1', 'tool --password=[redacted]'],
    ['requirepass canary-1', 'requirepass [redacted]'],
    ['sentinel auth-pass mymaster canary-1', 'sentinel auth-pass mymaster [redacted]'],
    ['  auth_pass canary-1', '  auth_pass [redacted]'],
    ['password authentication failed for user "u"', 'password authentication failed for user "u"'],
  ])('redaction of %s', (text, expected) => {
    expect(redactText(text)).toBe(expected);
  });
  it('redaction leaves what is innocent, and cuts what is too deep', () => {
    expect(redactFields({ tokens: 3, keyed: 'x', list: [1] })).toEqual({ tokens: 3, keyed: 'x', list: [1] });
    let deep: object = {};
    for (let level = 0; level < 12; level += 1) deep = { deep };
    expect(JSON.stringify(redactFields(deep))).toContain('[too deep]');
    registerSecret('abc');
    expect(redactText('abc')).toBe('abc');
  });
});

describe('problems', () => {
  it('several codes become the code of the kind; one stays itself', () => {
    const refusal = (code: string) => ({ pointer: '', code, detail: `${code}.` });
    expect(refused({ kind: 'precondition', refusals: [refusal('A'), refusal('B')] })).toMatchObject({
      code: 'PRECONDITION_REQUEST',
      message: 'A. B.',
    });
    expect(refused({ kind: 'conflict', refusals: [refusal('A'), refusal('A')] }).code).toBe('A');
  });
  it('what is not ours says nothing of itself', () => {
    expect(problemFrom(new TypeError('secret')).message).not.toContain('secret');
    expect(problemFrom('text').kind).toBe('internal');
  });
});

describe('listening', () => {
  it('needs TLS or a proxy beyond loopback', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) expect(isLoopback(host)).toBe(true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com'])
      expect(() => planListen({ host, port: 0 })).toThrow(SettingsError);
    const trust = planListen({ host: '0.0.0.0', port: 0, behindTlsProxy: true }).trustProxy;
    expect(trust !== false && [trust('1.2.3.4', 0), trust('1.2.3.4', 1)]).toEqual([true, false]);
    expect(() => planListen({ host: '::1', port: 0, tlsCert: '/x' })).toThrow(/go together/);
    expect(() => planListen({ host: '::1', port: 0, tlsCert: '/no/such', tlsKey: '/no/such' })).toThrow(
      /TLS_CERT_FILE cannot be read: ENOENT/,
    );
  });
});

describe('streams', () => {
  it('keep an idle line open, wait for a slow reader, and let a stalled one go', async () => {
    let asked = 0;
    async function* endless() {
      for (let id = 1; ; id += 1) {
        asked = id;
        if (id === 2) await new Promise((resolve) => setTimeout(resolve, 60));
        yield { id, data: 'x' };
      }
    }
    const gone = new AbortController();
    const stream = serverSentEvents(endless(), gone.signal, { heartbeatMs: 10, stalledLimitMs: 100 });
    const texts: string[] = [];
    for await (const text of stream) {
      texts.push(String(text));
      if (texts.some((one) => one.includes('id: 2'))) break;
    }
    expect(texts.join('')).toContain(': heartbeat');
    const idle = serverSentEvents(endless(), gone.signal, { stalledLimitMs: 50 });
    idle.read(0);
    await new Promise((resolve) => idle.once('close', resolve));
    expect(asked).toBeLessThan(10);
    const called = serverSentEvents(endless(), gone.signal);
    gone.abort();
    await new Promise((resolve) => (called.closed ? resolve(undefined) : called.once('close', resolve)));
    expect(called.destroyed).toBe(true);
  });
});
