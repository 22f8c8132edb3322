/** apt on a real Debian over SSH: what the patch source says before, does, and takes back. */
import { execFileSync } from 'node:child_process';
import { eventually } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostAccessContract } from '../../access/contract.js';
import type { Host } from '../../host.js';
import { DEADLINE_MS, itemOf, PreparedHost } from '../../privileged/fixtures/on-hosts/contract.js';
import { patchSourceContract } from '../contract.js';
import { aptSource } from './apt.js';

const item = itemOf('widget', '1:2.0-1');

let under: PreparedHost;

beforeAll(async () => {
  const widget = { name: 'widget', files: { '/usr/share/widget/state': 'of the package\n' } };
  const conffiles = ['/etc/widget.conf'];
  const archive = [
    { ...widget, version: '1:1.0-1', depends: 'widget-lib' },
    { ...widget, version: '1:2.0-1', depends: 'widget-lib (>= 2)' },
    { ...widget, version: '1:3.0-1', depends: 'no-such-package' },
    { name: 'widget-lib', version: '1.0', files: { '/etc/widget.conf': 'old\n' }, conffiles },
    { name: 'widget-lib', version: '2.0', files: { '/etc/widget.conf': 'new\n' }, conffiles },
    { name: 'broken', version: '1.0' },
    { name: 'broken', version: '2.0', postinst: 'echo it cannot be configured >&2; exit 1' },
    { name: 'slow', version: '1.0' },
    { name: 'slow', version: '2.0', postinst: 'sleep 5' },
    { name: 'late', version: '1.0' },
    { name: 'late', version: '2.0', postinst: 'sleep 14' },
    { name: 'kernel', version: '1.0' },
    { name: 'kernel', version: '2.0', postinst: 'touch /run/reboot-required; echo kernel >> /run/reboot-required.pkgs' },
  ];
  under = await PreparedHost.make('apt', archive, [
    'widget=1:1.0-1',
    'widget-lib=1.0',
    'broken=1.0',
    'slow=1.0',
    'late=1.0',
    'kernel=1.0',
  ]);
}, 180_000);

afterAll(() => under?.close());

/** Packages, their states, and what is held or wanted: what patching changes. */
const packages = (): string => {
  const script = 'dpkg-query -W -f "\\${Package} \\${Version} \\${Status}\\n"; cat /etc/widget.conf';
  return execFileSync('chroot', [under.machine.root, 'sh', '-c', script], { encoding: 'utf8' });
};

const reset = (): Promise<string> =>
  under.machine
    .inside(`apt-get -q -y --allow-downgrades -o Dpkg::Options::=--force-confold install widget=1:1.0-1 widget-lib=1.0 broken=1.0 slow=1.0 late=1.0 kernel=1.0
  echo 'set by an admin' > /etc/widget.conf; rm -rf /run/reboot-required*`);

hostAccessContract('ssh, to a host of its own', async () => {
  const { access } = under.open();
  return { access, remove: () => access.close() };
});

patchSourceContract('apt', async () => {
  await reset();
  return {
    source: aptSource,
    host: under.open(),
    from: '1:1.0-1',
    item,
    unavailable: { ...item, targetVersion: '1:3.0-1' },
    fingerprint: packages,
    remove: async () => undefined,
  };
});

describe('apt', () => {
  const checkOf = async (host: Host, of: typeof item, name: string) =>
    (await aptSource.check(host, of, DEADLINE_MS)).checks.find(({ check }) => check === name);

  it('tells the whole transaction, and what stands against it', async () => {
    await reset();
    const host = under.open();
    expect(await checkOf(host, item, 'apt-transaction')).toMatchObject({
      passed: true,
      detail: expect.stringMatching(/^2 packages change: .*widget-lib:all 1\.0 -> 2\.0/) as string,
    });
    await under.machine.inside('apt-mark hold widget-lib');
    expect((await aptSource.check(host, item, DEADLINE_MS)).checks.some(({ passed }) => passed === false)).toBe(true);
    await under.machine.inside('apt-mark unhold widget-lib');
    const locked = under.machine.inside(
      "flock /var/lib/dpkg/lock-frontend sleep 3 2>/dev/null || python3 -c \"import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(f,fcntl.LOCK_EX); time.sleep(3)\"",
    );
    await eventually('the lock is seen', async () => (await checkOf(host, item, 'apt-lock'))?.passed === false, 10_000);
    await locked;
  });

  it('finds what is new in the archive though nobody else refreshes the lists, and says so where that cannot be done', async () => {
    await reset();
    const host = under.open();
    const fresh = itemOf('fresh', '1.0');
    const passed = async (name: string) => (await checkOf(host, fresh, name))?.passed;
    expect(await passed('apt-transaction')).toBe(false);
    await under.publish([{ name: 'fresh', version: '1.0' }]);
    await under.forgetLists();
    await eventually(
      'it is found',
      async () => (await passed('apt-lists')) === true && (await passed('apt-transaction')) === true,
    );
    await under.machine.inside('mv /srv/archive /srv/away');
    await under.forgetLists();
    await eventually('it is told', async () => (await passed('apt-lists')) === false);
    expect((await checkOf(host, fresh, 'apt-lists'))?.detail).toMatch(/could not be refreshed: .*E: /);
    await under.machine.inside('mv /srv/away /srv/archive');
    await eventually('it is found again', async () => (await passed('apt-lists')) === true);
  });

  it('installs exactly what was told before, though the archive has moved on, or nothing', async () => {
    await reset();
    const host = under.open();
    const { transaction } = await aptSource.check(host, item, DEADLINE_MS);
    expect([...(transaction ?? [])].sort()).toEqual(['widget-lib:all=2.0', 'widget:all=1:2.0-1']);
    await under.publish([{ name: 'widget-lib', version: '3.0', files: { '/etc/widget.conf': 'newest\n' } }]);
    await under.machine.inside('apt-get -q update');
    expect(await under.jobEnds(aptSource.apply(host, item, transaction))).toBe(0);
    expect(await under.packages('widget-lib')).toBe('widget-lib 2.0 install ok installed');
    expect(await under.jobEnds(aptSource.apply(host, item, transaction))).toBe(0);
    await reset();
    expect(await under.jobEnds(aptSource.apply(host, item, ['widget:all=1:2.0-1']))).not.toBe(0);
    expect(await under.packages('widget')).toBe('widget 1:1.0-1 install ok installed');
    await under.withdraw('widget-lib_3.0_all.deb');
    await under.machine.inside('apt-get -q update');
    expect(() => aptSource.apply(host, item, ['widget:all=1; reboot'])).toThrow('no Debian package');
  });

  it('knows a package that somebody holds as installed', async () => {
    await reset();
    const host = under.open();
    const held = itemOf('slow', '1.0');
    await under.machine.inside('apt-mark hold slow');
    expect(await aptSource.verify(host, held, DEADLINE_MS)).toMatchObject({
      version: { installed: '1.0' },
      checks: [{ check: 'apt-state', passed: true }, {}],
    });
    expect((await aptSource.check(host, held, DEADLINE_MS)).installedVersion).toBe('1.0');
    expect(await under.jobEnds(aptSource.apply(host, held))).toBe(0);
    await under.machine.inside('apt-mark unhold slow');
  });

  it('patches what is installed for another architecture too, and takes it back', async () => {
    const inside = (script: string): Promise<string> => under.machine.inside(script);
    const native = (await inside('dpkg --print-architecture')).trim();
    const foreign = native === 'i386' ? 'amd64' : 'i386';
    const fields = ['Multi-Arch: same'];
    const pair = (version: string) => [native, foreign].map((architecture) => ({ name: 'multi', version, architecture, fields }));
    await under.publish([...pair('1.0'), ...pair('2.0')]);
    await inside(`dpkg --add-architecture ${foreign}; apt-get -q update; apt-get -q -y install multi=1.0 multi:${foreign}=1.0`);
    const host = under.open();
    const multi = itemOf('multi', '2.0');
    const check = await aptSource.check(host, multi, DEADLINE_MS);
    expect(check).toMatchObject({ installedVersion: '1.0', wayBack: { proven: true } });
    expect([...(check.transaction ?? [])].sort()).toEqual([`multi:${native}=2.0`, `multi:${foreign}=2.0`].sort());
    expect(await under.jobEnds(aptSource.apply(host, multi, check.transaction))).toBe(0);
    expect((await aptSource.verify(host, multi, DEADLINE_MS)).version.installed).toBe('2.0');
    expect(await under.jobEnds(aptSource.apply(host, multi))).toBe(0);
    expect(await under.jobEnds(aptSource.rollback(host, multi, '1.0'))).toBe(0);
    expect(await under.packages('multi')).toBe('multi 1.0 install ok installed\nmulti 1.0 install ok installed');
    await inside(`apt-get -q -y purge multi multi:${foreign}; dpkg --remove-architecture ${foreign}; apt-get -q update`);
  });

  it('takes back a package that cannot be configured, and says so before', async () => {
    await reset();
    const host = under.open();
    const bad = itemOf('broken', '2.0');
    const before = packages();
    expect(await under.jobEnds(aptSource.apply(host, bad))).not.toBe(0);
    const seen = await aptSource.verify(host, bad, DEADLINE_MS);
    expect(seen.version.installed).toBeNull();
    expect(seen.checks).toContainEqual({
      check: 'apt-state',
      passed: false,
      detail: expect.stringContaining('half installed') as string,
    });
    expect(await under.jobEnds(aptSource.rollback(host, bad, '1.0'))).toBe(0);
    expect((await aptSource.verify(host, bad, DEADLINE_MS)).version.installed).toBe('1.0');
    expect(packages()).toBe(before);
  });

  it('goes on after the plug was pulled in the middle: what is half installed is repaired, and told before', async () => {
    await reset();
    const host = under.open();
    const slow = itemOf('slow', '2.0');
    const cutOff = await under.start(aptSource.apply(host, slow));
    await eventually('it is being configured', async () => (await under.packages('slow')).includes('half-configured'), 30_000);
    await under.machine.powerCut();
    under.machine.powerOn();
    await under.machine.untilUp(60_000);
    await eventually('it answers', async () => (await under.state(cutOff)).status === 'lost', 30_000);
    expect(await checkOf(host, slow, 'apt-dpkg')).toMatchObject({ passed: false });
    expect((await aptSource.verify(host, slow, DEADLINE_MS)).checks).toContainEqual(
      expect.objectContaining({ check: 'apt-state', passed: false }),
    );
    expect(await under.jobEnds(aptSource.apply(host, slow))).toBe(0);
    expect((await aptSource.verify(host, slow, DEADLINE_MS)).version.installed).toBe('2.0');
    expect(await under.jobEnds(aptSource.rollback(host, slow, '1.0'))).toBe(0);
    expect((await aptSource.verify(host, slow, DEADLINE_MS)).version.installed).toBe('1.0');
  });

  it('is not over at its limit while dpkg goes on, which nobody but root can end, and nothing is said for sure before', async () => {
    await reset();
    const host = under.open();
    const late = itemOf('late', '2.0');
    const jobId = await under.start(aptSource.apply(host, late), 4_000);
    const dpkg = async (): Promise<boolean> => (await under.machine.inside('pgrep -x dpkg || true')).trim() !== '';
    await eventually('dpkg runs', dpkg);
    await eventually('its limit is over', async () =>
      (await under.machine.inside('ls /var/lib/understudy/.understudy/v1/jobs/*/limit || true')).includes(jobId),
    );
    expect((await under.state(jobId)).status).toBe('running');
    expect((await host.jobs.stop(jobId, 100, 2_000)).status).toBe('running');
    expect(await dpkg()).toBe(true);
    expect((await aptSource.verify(host, late, DEADLINE_MS)).checks).toContainEqual({
      check: 'apt-state',
      passed: null,
      detail: expect.stringContaining('dpkg is in use by') as string,
    });
    expect(await under.end(jobId)).toBe(124);
    expect((await aptSource.verify(host, late, DEADLINE_MS)).version.installed).toBe('2.0');
  });

  it('tells that a package asked for a reboot, which a reboot ends', async () => {
    await reset();
    const host = under.open();
    const kernel = itemOf('kernel', '2.0');
    expect(await under.jobEnds(aptSource.apply(host, kernel))).toBe(0);
    expect(await aptSource.verify(host, kernel, DEADLINE_MS)).toMatchObject({ rebootNeeded: true });
    await under.reboot('reboot-for-kernel');
    expect(await aptSource.verify(host, kernel, DEADLINE_MS)).toMatchObject({ rebootNeeded: false });
    expect(await under.state('reboot-for-kernel')).not.toMatchObject({ status: 'running' });
  });
});
