import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HELPER, HELPER_PROGRAM, HELPER_VERSION, privileged } from './command.js';
import { REFUSED_ARGUMENTS } from './fixtures/contract.js';
import { prepareHost } from './prepare-host.js';
import { prepareScript, removeScript, type Preparation } from './prepare.js';

const folder = mkdtempSync(join(tmpdir(), 'understudy-helper-'));
const helper = join(folder, 'helper');
writeFileSync(helper, HELPER_PROGRAM, { mode: 0o755 });
afterAll(() => rmSync(folder, { recursive: true }));
const preparation: Preparation = {
  user: 'understudy',
  publicKey: `ssh-ed25519 ${'A'.repeat(68)} understudy@example`,
  units: ['patroni.service'],
  patroni: { unit: 'patroni.service', file: '/etc/patroni/config.yml' },
};

// What it does as root on a host of its own is in `patching/apt/apt.hosts.spec.ts`.
describe('the helper', () => {
  it.each(REFUSED_ARGUMENTS)('refuses $what, and says so', ({ args }) => {
    const { status, stderr } = spawnSync('sh', [helper, ...args], { encoding: 'utf8' });
    expect(stderr).toContain('understudy-helper refuses: ');
    expect(status).toBe(64);
  });

  it('tells its own version, which is the digest of its text, whatever environment it is run in', () => {
    const env = { PATH: '/nowhere', LC_ALL: 'de_DE.UTF-8', UNDERSTUDY_CLEAN: '1', ENV: '/nowhere' };
    const { status, stdout } = spawnSync('/bin/sh', [helper, 'version'], { encoding: 'utf8', env });
    expect(status).toBe(0);
    expect(stdout.trim()).toBe(HELPER_VERSION);
    expect(HELPER_VERSION).toBe(createHash('sha256').update(HELPER_PROGRAM).digest('hex'));
  });

  it('is asked through sudo, without a password', () => {
    expect(privileged('unit-hold', 'patroni.service')).toEqual(['sudo', '-n', HELPER, 'unit-hold', 'patroni.service']);
  });
});

describe('the script that prepares a host', () => {
  const isShell = (script: string): boolean => spawnSync('sh', ['-n'], { input: script }).status === 0;

  it('holds the whole helper, and lets the account run that program alone', () => {
    const script = prepareScript(preparation);
    expect(isShell(script)).toBe(true);
    expect(script).toContain(HELPER_PROGRAM);
    expect(script).toContain('unit patroni.service\npatroni patroni.service /etc/patroni/config.yml\n');
    expect(prepareScript({ ...preparation, redis: { file: '/etc/redis/redis.conf' } })).toContain(
      '\nredis /etc/redis/redis.conf\n',
    );
    expect(script.split('\n').filter((line) => line.includes('NOPASSWD'))).toEqual([`understudy ALL=(root) NOPASSWD: ${HELPER}`]);
    expect(isShell(removeScript('understudy'))).toBe(true);
    const withResources = prepareScript({ ...preparation, resources: ['web', 'db-clone'] });
    expect(withResources).toContain('resource web\nresource db-clone\n');
  });

  it.each<[string, Partial<Preparation>]>([
    ['account', { user: 'a; rm -rf /' }],
    ['does not log in as root', { user: 'root' }],
    ['public key', { publicKey: "ssh-ed25519 AAAA' ; touch /tmp/x" }],
    ['systemd service', { units: ['x.service; y'] }],
    ['among the services', { patroni: { unit: 'other.service', file: '/etc/patroni.yml' } }],
    ['resource of Pacemaker', { resources: ['web', 'x y'] }],
    ['path of Patroni', { patroni: { unit: 'patroni.service', file: '/etc/../tmp/x.yml' } }],
    ['path of Redis', { redis: { file: '/etc/redis/redis.conf\nunit ssh.service' } }],
  ])('is not made where the %s could be read as something else', (word, change) => {
    expect(() => prepareScript({ ...preparation, ...change })).toThrow(word);
  });

  it('is not made for an account that is none', () => {
    expect(() => removeScript('$(id)')).toThrow('account');
    expect(() => removeScript('root')).toThrow('does not log in as root');
  });

  it('is printed by its command, which says what it needs and changes nothing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'understudy-prepare-'));
    const key = join(folder, 'key.pub');
    writeFileSync(key, `${preparation.publicKey}\n`);
    const args = ['--key', key, '--unit', 'patroni.service', '--patroni', 'patroni.service=/etc/patroni/config.yml'];
    expect(prepareHost(args)).toEqual({ code: 0, out: prepareScript(preparation), error: '' });
    const redis = { file: '/etc/redis/redis.conf' };
    expect(prepareHost([...args, '--redis', redis.file]).out).toBe(prepareScript({ ...preparation, redis }));
    expect(prepareHost(['--remove'])).toEqual({ code: 0, out: removeScript('understudy'), error: '' });
    expect(prepareHost(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('read the script') as string });
    for (const wrong of [[], ['--keys'], ['--key', join(folder, 'none')], ['--key', key, '--patroni', 'x.service']])
      expect(prepareHost(wrong)).toMatchObject({ code: 2, out: '', error: expect.stringContaining('--key FILE.pub') as string });
    rmSync(folder, { recursive: true });
  });
});
