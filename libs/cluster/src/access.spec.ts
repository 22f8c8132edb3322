import { describe, expect, it } from 'vitest';
import { accessTarget, type ClusterDefinition, secretPlaces, type SshAccessDefinition, sshWay } from './index.js';

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

describe('the places that a secret is shown to', () => {
  const places = (settings: Readonly<Record<string, string>>, purpose = 'driver', targets?: string): readonly string[] =>
    secretPlaces(
      {
        nodes: [{ slug: 'a', host: 'host-a', settings }],
        settings: targets === undefined ? {} : { probeTargets: targets },
      } as unknown as ClusterDefinition,
      purpose,
    ).map(({ target }) => target);

  it('are what the driver connects to: an address, the host of an interface, both, or the host itself', () => {
    expect(places({ address: '10.0.0.1', port: '5432' })).toEqual(['10.0.0.1']);
    expect(places({ api: 'http://10.0.0.1:8008' })).toEqual(['10.0.0.1']);
    expect(places({ address: '10.0.0.1', api: 'https://evil.example:8008' })).toEqual(['10.0.0.1', 'evil.example']);
    expect(places({ api: 'https://someone@[fd00::1]:8008/x' })).toEqual(['fd00::1']);
    expect(places({})).toEqual(['host-a']);
  });

  it('are for the probe also the targets that the owner names', () => {
    const targets = 'db.example:5432,[fd00::2]:5432,http://app.example/health';
    expect(places({ address: '10.0.0.1' }, 'probe', targets)).toEqual(['10.0.0.1', 'db.example', 'fd00::2', 'app.example']);
    expect(places({ address: '10.0.0.1' }, 'driver', targets)).toEqual(['10.0.0.1']);
  });

  it('are for the Sentinels also those that run beside the nodes', () => {
    const definition = {
      nodes: [{ slug: 'a', host: 'h', settings: { address: '10.0.0.1' } }],
      settings: { sentinels: 's1:26379, evil.example:1' },
    };
    const targets = (purpose: string): readonly string[] =>
      secretPlaces(definition as unknown as ClusterDefinition, purpose).map(({ target }) => target);
    expect(targets('sentinel')).toEqual(['10.0.0.1', 's1', 'evil.example']);
    expect(targets('driver')).toEqual(['10.0.0.1']);
  });
});
