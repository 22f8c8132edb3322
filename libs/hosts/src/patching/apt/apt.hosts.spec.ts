/** apt on a real Debian over SSH: the helper, what it refuses, the patch source's contract, and a reboot. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostDefinition, PatchItem } from '@understudy/cluster';
import { eventually } from '@understudy/testing';
import { makeArchive, standGround, standHosts, type StandHost } from '@understudy/testing/stand';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostAccessContract } from '../../access/contract.js';
import { SshLinks } from '../../access/ssh/links.js';
import type { Host } from '../../host.js';
import { closeHosts, openHost } from '../../open-host.js';
import { bootId, rebootRefusal, requestReboot } from '../../power.js';
import { HELPER, privileged } from '../../privileged/command.js';
import { ESCAPES } from '../../privileged/fixtures/contract.js';
import { prepareScript, removeScript } from '../../privileged/prepare.js';
import { patchSourceContract } from '../contract.js';
import type { JobDescription } from '../source.js';
import { aptSource } from './apt.js';

const DEADLINE_MS = 20_000;
const fence = { logId: 'log-1', epoch: 1 };
const ROOT = '/var/lib/understudy';
const item: PatchItem = { name: 'widget', targetVersion: '1:2.0-1', source: 'apt' };

const SERVICE = '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n';

let stand: StandHost;
let key: { readonly secret: string; readonly line: string };
let links: SshLinks;
let definition: HostDefinition;
const opened: Host[] = [];

beforeAll(async () => {
  const { folder } = standGround();
  key = keyIn(folder);
  const archive = join(folder, 'archive');
  const widget = { name: 'widget', files: { '/usr/share/widget/state': 'of the package\n' } };
  await makeArchive(archive, [
    { ...widget, version: '1:1.0-1', depends: 'widget-lib' },
    { ...widget, version: '1:2.0-1', depends: 'widget-lib (>= 2)' },
    { ...widget, version: '1:3.0-1', depends: 'no-such-package' },
    { name: 'widget-lib', version: '1.0', files: { '/etc/widget.conf': 'old\n' }, conffiles: ['/etc/widget.conf'] },
    { name: 'widget-lib', version: '2.0', files: { '/etc/widget.conf': 'new\n' }, conffiles: ['/etc/widget.conf'] },
    { name: 'broken', version: '1.0' },
    { name: 'broken', version: '2.0', postinst: 'echo it cannot be configured >&2; exit 1' },
    { name: 'slow', version: '1.0' },
    { name: 'slow', version: '2.0', postinst: 'sleep 5' },
    { name: 'kernel', version: '1.0' },
    { name: 'kernel', version: '2.0', postinst: 'touch /run/reboot-required; echo kernel >> /run/reboot-required.pkgs' },
  ]);
  [stand] = (await standHosts(['apt'])) as [StandHost];
  mkdirSync(join(stand.root, 'srv'), { recursive: true });
  await stand.inside('mkdir -p /srv/archive');
  execFileSync('sh', ['-c', 'tar -C "$0" -cf - . | tar -C "$1" -xf -', archive, join(stand.root, 'srv/archive')]);
  await stand.inside(`printf '%s' '${SERVICE}' > /etc/systemd/system/widget.service
    echo 'deb [trusted=yes] file:/srv/archive ./' > /etc/apt/sources.list
    rm -f /etc/apt/sources.list.d/*; apt-get -q update
    apt-get -q -y install widget=1:1.0-1 widget-lib=1.0 broken=1.0 slow=1.0 kernel=1.0
    echo 'set by an admin' > /etc/widget.conf
    systemctl daemon-reload; systemctl enable --now widget.service`);
  const script = prepareScript({ user: 'understudy', publicKey: key.line, units: ['widget.service'] });
  await stand.inside(script);
  await stand.inside(script); // it may be run again
  links = new SshLinks({ privateKey: () => key.secret, knownHosts: () => stand.knownHosts() });
  definition = {
    slug: 'apt',
    access: { kind: 'ssh', address: stand.address, user: 'understudy', credential: 'key', root: ROOT },
    patching: {},
  };
}, 180_000);

afterAll(async () => {
  await closeHosts(Object.fromEntries(opened.map((host, index) => [String(index), host])));
  links?.close();
  await stand?.powerCut();
});

function keyIn(folder: string): { readonly secret: string; readonly line: string } {
  const file = join(folder, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'understudy', '-f', file]);
  return { secret: readFileSync(file, 'utf8'), line: readFileSync(`${file}.pub`, 'utf8').trim() };
}

function open(): Host {
  const host = openHost(definition, { ssh: links });
  opened.push(host);
  return host;
}

async function run(host: Host, argv: readonly [string, ...string[]]): Promise<{ readonly code: number; readonly said: string }> {
  const result = await host.access.run({ argv, deadlineMs: 60_000 });
  if (result.status !== 'exited') throw new Error(JSON.stringify(result));
  return { code: result.code, said: `${result.stdout}${result.stderr}` };
}

/** Packages, their states, and what is held or wanted: what patching changes. */
const packages = (): string =>
  execFileSync(
    'chroot',
    [stand.root, 'sh', '-c', 'dpkg-query -W -f "\\${Package} \\${Version} \\${Status}\\n"; cat /etc/widget.conf'],
    {
      encoding: 'utf8',
    },
  );

const reset = `apt-get -q -y --allow-downgrades -o Dpkg::Options::=--force-confold install widget=1:1.0-1 widget-lib=1.0 broken=1.0 slow=1.0 kernel=1.0
  echo 'set by an admin' > /etc/widget.conf; rm -rf /run/reboot-required*`;

hostAccessContract('ssh, to a host of its own', async () => {
  const { access } = open();
  return { access, remove: () => access.close() };
});

patchSourceContract('apt', async () => {
  await stand.inside(reset);
  return {
    source: aptSource,
    host: open(),
    from: '1:1.0-1',
    item,
    unavailable: { ...item, targetVersion: '1:3.0-1' },
    fingerprint: packages,
    remove: async () => undefined,
  };
});

describe('the helper', () => {
  it.each(ESCAPES)('refuses $what', async ({ argv }) => {
    const before = packages();
    const { code, said } = await run(open(), argv);
    expect(code, said).not.toBe(0);
    expect(packages()).toBe(before);
    expect((await stand.inside('ls /tmp/escaped /etc/escaped 2>/dev/null || true')).trim()).toBe('');
  });

  it('holds a unit against every start, also over a reboot, and frees it', async () => {
    const host = open();
    const state = async (): Promise<string> => (await run(host, ['systemctl', 'is-active', 'widget.service'])).said.trim();
    expect(await state()).toBe('active');
    expect(await run(host, privileged('unit-hold', 'widget.service'))).toMatchObject({ code: 0 });
    expect(await run(host, privileged('unit-hold', 'widget.service'))).toMatchObject({ code: 0 });
    expect(await state()).toBe('inactive');
    await stand.inside('systemctl start widget.service');
    expect(await state()).toBe('inactive');
    await expect(stand.inside(removeScript('understudy'))).rejects.toThrow('Something is still held');
    await rebooted(host, 'reboot-held');
    expect(await state()).toBe('inactive');
    expect(await run(host, privileged('unit-free', 'widget.service'))).toMatchObject({ code: 0 });
    expect(await state()).toBe('inactive');
    expect(await run(host, privileged('unit-start', 'widget.service'))).toMatchObject({ code: 0 });
    expect(await state()).toBe('active');
    expect((await stand.inside('ls -d /etc/systemd/system/widget.service.d 2>/dev/null || true')).trim()).toBe('');
  });

  it('reboots a host that somebody holds up for a while: it is under way until it is down', async () => {
    await stand.inside(
      'systemd-run --quiet --unit=delays systemd-inhibit --what=shutdown --mode=delay sleep 120; sleep 1; systemd-inhibit --list',
    );
    await rebooted(open(), 'reboot-delayed');
  });

  it('gives way to nothing that was changed beside it: a configuration that others may write', async () => {
    await stand.inside('chmod o+w /etc/understudy/helper.conf');
    expect(await run(open(), privileged('unit-stop', 'widget.service'))).toMatchObject({
      code: 64,
      said: expect.stringContaining('can be written by others than root') as string,
    });
    await stand.inside('chmod o-w /etc/understudy/helper.conf');
  });
});

async function rebooted(host: Host, jobId: string): Promise<void> {
  const before = await bootId(host, DEADLINE_MS);
  expect(await rebootRefusal(host, DEADLINE_MS)).toEqual({ status: 'allowed' });
  expect(await requestReboot(host, jobId, fence)).toEqual({ status: 'started' });
  await eventually(
    'it has another boot id',
    async () => {
      const job = await host.jobs.state(jobId, DEADLINE_MS);
      const now = await bootId(host, DEADLINE_MS);
      const isUp = before.status === 'read' && now.status === 'read' && now.bootId !== before.bootId;
      // Nothing that looks over on the way: a job that ended well on a host that has not gone down would be repeated.
      const isOver = job.status === 'absent' || (job.status === 'exited' && job.code <= 128);
      if (!isUp && isOver) throw new Error(`the reboot has not happened, and its job says ${JSON.stringify(job)}`);
      return isUp;
    },
    60_000,
  );
  await stand.untilUp(60_000);
}

describe('apt', () => {
  let jobs = 0;
  const jobEnds = async (host: Host, description: JobDescription): Promise<number> => {
    const jobId = `apt-job-${(jobs += 1)}`;
    expect(await host.jobs.start({ jobId, fence, limitMs: 60_000, ...description })).toEqual({ status: 'started' });
    let code = -1;
    await eventually(
      'the job ends',
      async () => {
        const state = await host.jobs.state(jobId, DEADLINE_MS);
        if (state.status === 'exited') code = state.code;
        return state.status === 'exited';
      },
      60_000,
    );
    return code;
  };
  const checkOf = async (host: Host, of: PatchItem, name: string) =>
    (await aptSource.check(host, of, DEADLINE_MS)).checks.find(({ check }) => check === name);

  it('tells the whole transaction, and what stands against it', async () => {
    await stand.inside(reset);
    const host = open();
    expect(await checkOf(host, item, 'apt-transaction')).toMatchObject({
      passed: true,
      detail: expect.stringMatching(/^2 packages change: .*widget-lib:all 1\.0 -> 2\.0/) as string,
    });
    await stand.inside('apt-mark hold widget-lib');
    expect((await aptSource.check(host, item, DEADLINE_MS)).checks.some(({ passed }) => passed === false)).toBe(true);
    await stand.inside('apt-mark unhold widget-lib');
    const locked = stand.inside(
      "flock /var/lib/dpkg/lock-frontend sleep 3 2>/dev/null || python3 -c \"import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(f,fcntl.LOCK_EX); time.sleep(3)\"",
    );
    await eventually('the lock is seen', async () => (await checkOf(host, item, 'apt-lock'))?.passed === false, 10_000);
    await locked;
  });

  it('takes back a package that cannot be configured, and says so before', async () => {
    await stand.inside(reset);
    const host = open();
    const bad: PatchItem = { name: 'broken', targetVersion: '2.0', source: 'apt' };
    const before = packages();
    expect(await jobEnds(host, aptSource.apply(host, bad))).not.toBe(0);
    const seen = await aptSource.verify(host, bad, DEADLINE_MS);
    expect(seen.version.installed).toBeNull();
    expect(seen.checks).toContainEqual({
      check: 'apt-state',
      passed: false,
      detail: expect.stringContaining('half installed') as string,
    });
    expect(await jobEnds(host, aptSource.rollback(host, bad, '1.0'))).toBe(0);
    expect((await aptSource.verify(host, bad, DEADLINE_MS)).version.installed).toBe('1.0');
    expect(packages()).toBe(before);
  });

  it('goes on after the plug was pulled in the middle: what is half installed is repaired, and told before', async () => {
    await stand.inside(reset);
    const host = open();
    const slow: PatchItem = { name: 'slow', targetVersion: '2.0', source: 'apt' };
    expect(await host.jobs.start({ jobId: 'cut-off', fence, limitMs: 60_000, ...aptSource.apply(host, slow) })).toEqual({
      status: 'started',
    });
    await eventually(
      'it is being configured',
      async () => (await aptSource.verify(host, slow, DEADLINE_MS)).version.installed === null,
      30_000,
    );
    await stand.powerCut();
    stand.powerOn();
    await stand.untilUp(60_000);
    await eventually('it answers', async () => (await host.jobs.state('cut-off', DEADLINE_MS)).status === 'lost', 30_000);
    expect(await checkOf(host, slow, 'apt-dpkg')).toMatchObject({ passed: false });
    expect((await aptSource.verify(host, slow, DEADLINE_MS)).checks).toContainEqual(
      expect.objectContaining({ check: 'apt-state', passed: false }),
    );
    expect(await jobEnds(host, aptSource.apply(host, slow))).toBe(0);
    expect((await aptSource.verify(host, slow, DEADLINE_MS)).version.installed).toBe('2.0');
    expect(await jobEnds(host, aptSource.rollback(host, slow, '1.0'))).toBe(0);
    expect((await aptSource.verify(host, slow, DEADLINE_MS)).version.installed).toBe('1.0');
  });

  it('tells that a package asked for a reboot, which a reboot ends', async () => {
    await stand.inside(reset);
    const host = open();
    const kernel: PatchItem = { name: 'kernel', targetVersion: '2.0', source: 'apt' };
    expect(await jobEnds(host, aptSource.apply(host, kernel))).toBe(0);
    expect(await aptSource.verify(host, kernel, DEADLINE_MS)).toMatchObject({ rebootNeeded: true });
    await rebooted(host, 'reboot-for-kernel');
    expect(await aptSource.verify(host, kernel, DEADLINE_MS)).toMatchObject({ rebootNeeded: false });
    expect(await host.jobs.state('reboot-for-kernel', DEADLINE_MS)).not.toMatchObject({ status: 'running' });
  });

  it('loses its permissions when they are taken away', async () => {
    const host = open();
    await stand.inside('cp -a /var/lib/understudy /root/kept');
    await stand.inside(removeScript('understudy'));
    expect((await stand.inside(`ls ${HELPER} /etc/sudoers.d/understudy /etc/understudy 2>/dev/null || true`)).trim()).toBe('');
    expect(await rebootRefusal(host, DEADLINE_MS)).not.toEqual({ status: 'allowed' });
  });
});
