import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sshTools } from './tools.js';

const credentials = {
  resolve: (name: string, hosts: readonly string[]) => (name === 'key' ? { secret: `key for ${hosts.join()}` } : {}),
};

describe('what a service reaches hosts by SSH with', () => {
  it('is the secret of a credential that may be shown to that address', () => {
    const { privateKey } = sshTools(credentials, undefined);
    expect(privateKey('key', '10.0.0.1')).toBe('key for 10.0.0.1');
    expect(() => privateKey('certificate', '10.0.0.1')).toThrow('"certificate" has no secret');
  });

  it('is a known hosts file that is read each time, and need not exist', () => {
    const folder = mkdtempSync(join(tmpdir(), 'understudy-known-hosts-'));
    const file = join(folder, 'known_hosts');
    const { knownHosts } = sshTools(credentials, file);
    expect([knownHosts(), sshTools(credentials, undefined).knownHosts()]).toEqual(['', '']);
    writeFileSync(file, 'db1 ssh-ed25519 AAAA\n');
    expect(knownHosts()).toBe('db1 ssh-ed25519 AAAA\n');
    expect(() => sshTools(credentials, folder).knownHosts()).toThrow('cannot be read');
    rmSync(folder, { recursive: true });
  });
});
