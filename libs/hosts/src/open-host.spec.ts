import { describe, expect, it } from 'vitest';
import { closeHosts, openHosts } from './open-host.js';

const local = (slug: string, root: string) => ({ slug, access: { kind: 'local', root }, patching: {} }) as const;

describe('openHosts', () => {
  it('opens each host by its slug', async () => {
    const hosts = openHosts([local('a', '/srv/a'), local('b', '/srv/b')]);
    expect(Object.keys(hosts)).toEqual(['a', 'b']);
    await closeHosts(hosts);
    expect(await hosts['a']?.access.run({ argv: ['true'], deadlineMs: 100 })).toMatchObject({ status: 'unknown' });
  });

  it('refuses one slug twice, and two slugs on one root', () => {
    expect(() => openHosts([local('a', '/srv/a'), local('a', '/srv/b')])).toThrow('Host a is defined twice.');
    expect(() => openHosts([local('a', '/srv/a'), local('b', '/srv/a/')])).toThrow('Hosts a and b are both local:/srv/a.');
  });
});
