/** apt on a real Debian over SSH on odd days: what a host, its packages and their maintainers do beside the usual. */
import { eventually } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEADLINE_MS, itemOf, PreparedHost } from '../../privileged/fixtures/on-hosts/contract.js';
import { aptSource } from './apt.js';

let under: PreparedHost;

beforeAll(async () => {
  const archive = [
    ...['1.0', '2.0'].map((version) => ({ name: 'plain', version })),
    { name: 'homely', version: '1.0' },
    { name: 'homely', version: '2.0', postinst: 'set -u; [ "$HOME" = /root ]' },
  ];
  under = await PreparedHost.make('odd', archive, ['plain=1.0', 'homely=1.0']);
}, 180_000);

afterAll(() => under?.close());

const inside = (script: string): Promise<string> => under.machine.inside(script);

describe('apt on odd days', () => {
  it('gives the scripts of packages the home folder that they have by hand', async () => {
    expect(await under.jobEnds(aptSource.apply(under.open(), itemOf('homely', '2.0')))).toBe(0);
    expect(await under.packages('homely')).toBe('homely 2.0 install ok installed');
  });

  it('knows its helper also where sudo warns of something', async () => {
    await inside('cp /etc/hosts /root/hosts; sed "/ odd$/d" /root/hosts > /etc/hosts');
    expect((await under.helper('version')).said).toContain('unable to resolve host');
    const { checks } = await aptSource.check(under.open(), itemOf('plain', '2.0'), DEADLINE_MS);
    expect(checks).toContainEqual(expect.objectContaining({ check: 'apt-helper', passed: true }));
    await inside('cp /root/hosts /etc/hosts');
  });

  it('waits for dpkg to be free before it repairs what somebody has left half installed', async () => {
    await inside(`awk '/^Package: homely$/ { own = 1 } own && /^Status:/ { $0 = "Status: install ok unpacked"; own = 0 } { print }' \
      /var/lib/dpkg/status > /root/status; cp /root/status /var/lib/dpkg/status`);
    const hold = "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(8)";
    const locked = inside(`python3 -c "${hold}"`);
    const lock = async (): Promise<boolean> =>
      (await aptSource.check(under.open(), itemOf('plain', '2.0'), DEADLINE_MS)).checks.some(
        ({ check, passed }) => check === 'apt-lock' && passed === false,
      );
    await eventually('dpkg is in use', lock);
    expect(await under.jobEnds(aptSource.apply(under.open(), itemOf('plain', '2.0')))).toBe(0);
    await locked;
    expect(await under.packages('homely', 'plain')).toBe('homely 2.0 install ok installed\nplain 2.0 install ok installed');
  });

  it('asks for a reboot where the running kernel came again under its own name, and not for one of another flavour', async () => {
    const needed = async () => (await aptSource.verify(under.open(), itemOf('plain', '2.0'), DEADLINE_MS)).rebootNeeded;
    const running = (await inside('uname -r')).trim();
    const flavour = running.replace(/.*[0-9]-/, '');
    await inside(`touch /boot/vmlinuz-${running} /boot/vmlinuz-999.0.0-1-rt-other /boot/vmlinuz-999.0.0-1-${flavour}.old`);
    expect(await needed()).toBe(false);
    await inside(`touch /boot/vmlinuz-999.0.0-1-${flavour}`);
    expect(await needed()).toBe(running.endsWith(`-${flavour}`));
    await inside('rm /boot/vmlinuz-999.*');
    expect(await needed()).toBe(false);
    // A kernel cannot be put into a host that shares its machine's: its package's file list is what dpkg would write.
    await inside(`touch /var/lib/dpkg/info/linux-image-${running}.list`);
    expect(await needed()).toBe(true);
    await inside(`touch -d '30 years ago' /var/lib/dpkg/info/linux-image-${running}.list`);
    expect(await needed()).toBe(false);
  });
});
