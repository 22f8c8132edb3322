import { describe, expect, it } from 'vitest';
import { accessTarget, type SshAccessDefinition, sshWay } from './index.js';

const ssh: SshAccessDefinition = {
  kind: 'ssh',
  address: 'DB1.example',
  user: 'understudy',
  credential: 'key',
  root: '/var/lib/understudy',
};
const bastion = { address: 'bastion', port: 2222, user: 'hop', credential: 'other-key' };

describe('the target of an access', () => {
  it('is a folder where the host is local', () => {
    expect(accessTarget({ kind: 'local', root: '/srv/a//' })).toBe('local:/srv/a');
    expect(accessTarget({ kind: 'local', root: '/srv/b/../a' })).toBe('local:/srv/a');
    expect(accessTarget({ kind: 'local', root: '/' })).toBe('local:/');
  });

  it('is a machine where it is reached by SSH, by whatever user and folder', () => {
    expect(accessTarget(ssh)).toBe('ssh:db1.example:22');
    expect(accessTarget({ ...ssh, address: 'db1.example', port: 22, user: 'root', root: '/elsewhere' })).toBe(accessTarget(ssh));
    expect(accessTarget({ ...ssh, port: 2222 })).not.toBe(accessTarget(ssh));
  });

  it('is another machine behind a jump host', () => {
    expect(accessTarget({ ...ssh, jumps: [bastion] })).toBe('ssh:bastion:2222>db1.example:22');
  });
});

describe('the way to a host', () => {
  it('ends at the host itself and has no place where it is local', () => {
    const { kind: _kind, root: _root, ...place } = ssh;
    expect(sshWay({ ...ssh, jumps: [bastion] })).toEqual([bastion, place]);
    expect(sshWay({ kind: 'local', root: '/srv/a' })).toEqual([]);
  });
});
