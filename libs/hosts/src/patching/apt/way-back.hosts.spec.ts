/** The way back of a package on a real Debian over SSH: what it is proven by, what it brings back, and what it refuses. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEADLINE_MS, itemOf, PreparedHost } from '../../privileged/fixtures/on-hosts/contract.js';
import { aptSource } from './apt.js';

let under: PreparedHost;

const KEPT = '/var/cache/understudy/packages';
const NOTES = '/var/lib/understudy-helper/replaced';

beforeAll(async () => {
  const archive = [
    ...['1.0', '2.0'].map((version) => ({ name: 'lib', version })),
    { name: 'tool', version: '1.0', depends: 'lib' },
    { name: 'tool', version: '2.0', depends: 'lib (>= 2)' },
    ...['1.0', '2.0'].map((version) => ({ name: 'pre-lib', version })),
    { name: 'pre', version: '1.0', depends: 'pre-lib' },
    { name: 'pre', version: '2.0', depends: 'pre-lib (>= 2)', preinst: '[ "$1" != upgrade ]' },
    ...['1.0', '2.0', '3.0'].map((version) => ({ name: 'mark', version })),
    ...['1.0', '2.0'].map((version) => ({ name: 'gone', version })),
    { name: 'split', version: '1.0' },
    { name: 'split', version: '2.0', depends: 'split-data' },
    { name: 'split-data', version: '2.0', fields: ['Breaks: split (<< 2)', 'Replaces: split (<< 2)'] },
  ];
  under = await PreparedHost.make('back', archive, [
    'tool=1.0',
    'lib=1.0',
    'pre=1.0',
    'pre-lib=1.0',
    'mark=2.0',
    'gone=1.0',
    'split=1.0',
  ]);
}, 180_000);

afterAll(() => under?.close());

const apply = (name: string, version: string): Promise<number> =>
  under.jobEnds(aptSource.apply(under.open(), itemOf(name, version)));
const back = (name: string, version: string, previous: string): Promise<number> =>
  under.jobEnds(aptSource.rollback(under.open(), itemOf(name, version), previous));
const installed = (...names: string[]): Promise<string> => under.packages(...names);
const inside = (script: string): Promise<string> => under.machine.inside(script);
const reset = (...packages: string[]): Promise<string> =>
  inside(`dpkg --configure -a; apt-get -q -y --allow-downgrades --allow-change-held-packages install ${packages.join(' ')}`);

describe('the way back', () => {
  it('ends well only when all of it was brought back', async () => {
    expect(await apply('tool', '2.0')).toBe(0);
    expect(await installed('lib', 'tool')).toBe('lib 2.0 install ok installed\ntool 2.0 install ok installed');
    await inside(`mv ${KEPT}/lib_1.0_all.deb /root`);
    expect(await back('tool', '2.0', '1.0')).not.toBe(0);
    expect(await installed('lib', 'tool')).toBe('lib 2.0 install ok installed\ntool 2.0 install ok installed');
    await inside(`mv /root/lib_1.0_all.deb ${KEPT}`);
    expect(await back('tool', '2.0', '1.0')).toBe(0);
    expect(await installed('lib', 'tool')).toBe('lib 1.0 install ok installed\ntool 1.0 install ok installed');
  });

  it('unpacks again what was cut off while its old version was unpacked', async () => {
    await reset('tool=1.0', 'lib=1.0');
    expect(await apply('tool', '2.0')).toBe(0);
    await reset('tool=1.0', 'lib=1.0');
    await inside(`awk '/^Package: lib$/ { own = 1 } own && /^Status:/ { $0 = "Status: install reinstreq half-installed"; own = 0 } { print }' \
      /var/lib/dpkg/status > /root/status; cp /root/status /var/lib/dpkg/status`);
    expect(await installed('lib')).toBe('lib 1.0 install reinstreq half-installed');
    await back('tool', '2.0', '1.0');
    expect(await installed('lib', 'tool')).toBe('lib 1.0 install ok installed\ntool 1.0 install ok installed');
  });

  it('is not done before what came with the item is back too, whose first old version is noted over all attempts', async () => {
    const verified = async () => aptSource.verify(under.open(), itemOf('pre', '2.0'), DEADLINE_MS);
    const notWhole = (detail: string) => ({
      version: { installed: null },
      checks: [{ check: 'apt-state', passed: false, detail: expect.stringContaining(detail) as string }, {}],
    });
    expect(await apply('pre', '2.0')).not.toBe(0);
    expect(await installed('pre', 'pre-lib')).toBe('pre 1.0 install ok installed\npre-lib 2.0 install ok unpacked');
    expect(await verified()).toMatchObject(notWhole('half installed'));
    expect(await apply('pre', '2.0')).not.toBe(0);
    expect(await verified()).toMatchObject(notWhole('pre-lib:all should be 1.0'));
    expect(await back('pre', '2.0', '1.0')).toBe(0);
    expect(await installed('pre', 'pre-lib')).toBe('pre 1.0 install ok installed\npre-lib 1.0 install ok installed');
    expect(await verified()).toMatchObject({ version: { installed: '1.0' }, checks: [{ passed: true }, {}] });
  });

  it('leads to what the helper itself replaced and to nothing else, whatever the account asks for', async () => {
    expect(await under.helper('apt-keep', 'mark:all=1.0')).toMatchObject({ code: 64 });
    expect(await under.helper('apt-install', 'mark:all=1.0')).not.toMatchObject({ code: 0 });
    expect(await under.helper('apt-return', 'mark=1.0')).toMatchObject({ code: 64 });
    expect(await under.helper('apt-return', 'mark=2.0')).toMatchObject({ code: 64 });
    expect(await installed('mark')).toBe('mark 2.0 install ok installed');
    expect(await apply('tool', '2.0')).toBe(0);
    expect((await under.run(['sh', '-c', `echo mark:all 2.0 1.0 >>${NOTES}/tool=2.0`])).code).not.toBe(0);
    expect(await back('tool', '2.0', '1.0')).toBe(0);
    // Of an older patch the note may still lie there, and somebody else has come by since.
    expect(await apply('tool', '2.0')).toBe(0);
    await under.publish([{ name: 'lib', version: '2.5' }]);
    await inside('apt-get -q update && apt-get -q -y install lib=2.5');
    expect(await under.helper('apt-return', 'tool=2.0')).toMatchObject({
      code: 64,
      said: expect.stringContaining('lib:all is 2.5 by now') as string,
    });
    await under.withdraw('lib_2.5_all.deb');
    await inside('apt-get -q update');
    await reset('tool=1.0', 'lib=1.0');
  });

  const checked = (name: string, version: string) => aptSource.check(under.open(), itemOf(name, version), DEADLINE_MS);
  const proven = async (name: string, version: string): Promise<boolean> => {
    const { checks, wayBack } = await checked(name, version);
    expect(checks.filter(({ passed }) => passed !== true)).toEqual([]);
    return wayBack.proven;
  };

  it('is there on the next patch day too, though the archive has forgotten what was installed on this one', async () => {
    await reset('tool=1.0', 'lib=1.0');
    expect(await apply('tool', '2.0')).toBe(0);
    await under.publish([
      { name: 'lib', version: '3.0' },
      { name: 'tool', version: '3.0', depends: 'lib (>= 3)' },
    ]);
    await under.withdraw('lib_1.0_all.deb', 'tool_1.0_all.deb', 'lib_2.0_all.deb', 'tool_2.0_all.deb');
    await inside('apt-get -q update');
    expect(await proven('tool', '3.0')).toBe(true);
    expect(await apply('tool', '3.0')).toBe(0);
    expect(await back('tool', '3.0', '2.0')).toBe(0);
    expect(await back('tool', '2.0', '1.0')).toBe(0);
    expect(await installed('lib', 'tool')).toBe('lib 1.0 install ok installed\ntool 1.0 install ok installed');
  });

  it('may be missing, which is told before; the patch is then applied without it', async () => {
    await under.withdraw('gone_1.0_all.deb');
    await inside('apt-get -q update');
    expect(await proven('gone', '2.0')).toBe(false);
    expect(await apply('gone', '2.0')).toBe(0);
    expect(await installed('gone')).toBe('gone 2.0 install ok installed');
    expect(await back('gone', '2.0', '1.0')).not.toBe(0);
    expect(await installed('gone')).toBe('gone 2.0 install ok installed');
  });

  it('does not rest on a file that is not whole', async () => {
    expect(await apply('mark', '3.0')).toBe(0);
    expect(await back('mark', '3.0', '2.0')).toBe(0);
    for (const cut of [': >', 'truncate -s -200']) {
      await inside(`${cut} ${KEPT}/mark_2.0_all.deb`);
      expect(await apply('mark', '3.0')).toBe(0);
      await inside(`dpkg-deb --contents ${KEPT}/mark_2.0_all.deb`);
      expect(await back('mark', '3.0', '2.0')).toBe(0);
    }
    await inside(
      `: > ${KEPT}/mark_2.0_all.deb; rm -rf /root/aside; mkdir /root/aside; cp /srv/archive/mark_2.0_all.deb /root/aside`,
    );
    await under.withdraw('mark_2.0_all.deb');
    await inside('apt-get -q update');
    expect(await proven('mark', '3.0')).toBe(false);
    await inside(`cp /root/aside/mark_2.0_all.deb /srv/archive`);
    await under.publish([]);
    await inside('apt-get -q update');
  });

  it('keeps what is installed and the two others that were kept last', async () => {
    const versions = ['3.0', '4.0', '5.0', '6.0'];
    await under.publish(versions.map((version) => ({ name: 'mark', version })));
    await inside('apt-get -q update');
    for (const version of versions) expect(await apply('mark', version)).toBe(0);
    expect((await inside(`ls -A ${KEPT} | grep -E '^mark|fetch'`)).trim()).toBe(
      'mark_4.0_all.deb\nmark_5.0_all.deb\nmark_6.0_all.deb',
    );
  });

  it('is not proven where a package comes that was not there: it would stay, or stand in the way', async () => {
    expect((await checked('split', '2.0')).wayBack).toEqual({
      proven: false,
      detail: expect.stringContaining('split-data:all would stay') as string,
    });
    expect(await apply('split', '2.0')).toBe(0);
    expect(await back('split', '2.0', '1.0')).toBe(64);
    expect(await installed('split', 'split-data')).toBe('split 2.0 install ok installed\nsplit-data 2.0 install ok installed');
  });

  it('is told of what was patched already, as long as its files are kept', async () => {
    await reset('tool=1.0', 'lib=1.0');
    await inside('apt-get -q update');
    expect(await apply('tool', '3.0')).toBe(0);
    expect(await proven('tool', '3.0')).toBe(true);
    await inside(`mv ${KEPT}/lib_1.0_all.deb /root`);
    expect(await proven('tool', '3.0')).toBe(false);
    await inside(`mv /root/lib_1.0_all.deb ${KEPT}`);
    expect(await back('tool', '3.0', '1.0')).toBe(0);
  });
});
