import { describe, expect, it } from 'vitest';
import { drivers, openDriver, PlatformError } from './drivers.js';

describe('the table of platforms', () => {
  it('opens each platform by its own name', () => {
    for (const name of Object.keys(drivers)) expect(openDriver(name, { allowSimulated: true }).platform).toBe(name);
  });

  it.each(['oracle', '', 'toString', '__proto__'])('refuses "%s" and lists what it knows', (name) => {
    const open = (): unknown => openDriver(name, { allowSimulated: true });
    expect(open).toThrow(PlatformError);
    expect(open).toThrow('Known: pacemaker, patroni, postgres-streaming, redis-sentinel, simulated.');
  });

  it('refuses the simulated platform unless it is allowed', () => {
    expect(() => openDriver('simulated', { allowSimulated: false })).toThrow('ALLOW_SIMULATED=true');
  });
});

describe('versions that may run side by side', () => {
  const pair = drivers['postgres-streaming']!.versionPair;

  it('takes minor versions both ways, without loss', () => {
    expect(pair('postgresql', '17.9', '17.10')).toMatchObject({ allowed: true, wayBack: 'lossless' });
    expect(pair('postgresql', '17.10', '17.9')).toMatchObject({ allowed: true, wayBack: 'lossless' });
    expect(pair('postgresql', '9.6.3', '9.6.4')).toMatchObject({ allowed: true });
    expect(pair('openssl', '1', '3')).toMatchObject({ allowed: true });
  });

  it('refuses another major version, and what is no version', () => {
    expect(pair('postgresql', '17.9', '18.1')).toMatchObject({ allowed: false, wayBack: 'none' });
    expect(pair('postgresql', '9.5.3', '9.6.4')).toMatchObject({ allowed: false });
    expect(pair('postgresql', 'new', 'newer')).toMatchObject({ allowed: false });
  });
});
