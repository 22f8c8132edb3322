/** The helper on a real Debian over SSH: how it is installed and taken away, what it refuses, holds and reboots. */
import { eventually } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootId, rebootRefusal, requestReboot } from '../power.js';
import { HELPER } from './command.js';
import { ESCAPES } from './fixtures/contract.js';
import { DEADLINE_MS, fence, PreparedHost } from './fixtures/on-hosts/contract.js';
import { removeScript } from './prepare.js';

let under: PreparedHost;

beforeAll(async () => {
  const archive = [
    { name: 'widget', version: '1:1.0-1' },
    { name: 'widget', version: '1:2.0-1', depends: 'widget-lib' },
    { name: 'widget-lib', version: '1.0' },
  ];
  under = await PreparedHost.make('helped', archive, ['widget=1:1.0-1']);
}, 180_000);

afterAll(() => under?.close());

const inside = (script: string): Promise<string> => under.machine.inside(script);

describe('the script that prepares a host', () => {
  const folder = '/var/lib/understudy/.ssh';
  const keys = `${folder}/authorized_keys`;

  it('may be run again, and lets the key in once', async () => {
    await under.prepare();
    expect((await inside(`cat ${keys}`)).trim()).toBe(under.account.publicKey);
    expect((await inside(`stat -c '%a %U' ${folder} ${keys}`)).trim()).toBe('700 understudy\n600 understudy');
  });

  it('follows no link that the account has laid: root changes nothing in its home folder', async () => {
    const looked = "stat -c '%n %a %U %G' /etc/shadow /etc/sudoers.d; cat /etc/shadow; ls -A /etc/sudoers.d";
    const before = await inside(looked);
    await under.run(['sh', '-c', `cp ${keys} ~/keys && ln -sf /etc/shadow ${keys}`]);
    await expect(under.prepare()).rejects.toThrow(`${keys} is a link`);
    expect(await inside(looked)).toBe(before);
    await inside(`rm ${keys}; mv /var/lib/understudy/keys ${keys}; mv ${folder} ${folder}.own; ln -s /etc/sudoers.d ${folder}`);
    await expect(under.prepare()).rejects.toThrow(`${folder} is a link`);
    expect(await inside(looked)).toBe(before);
    await inside(`rm ${folder}; mv ${folder}.own ${folder}`);
    await under.prepare();
  });

  it('keeps the keys that are there, also where the last line has no end', async () => {
    const own = await inside(`cat ${keys}`);
    await inside(`printf 'ssh-ed25519 AAAA admin' > ${keys}`);
    await under.prepare();
    expect(await inside(`cat ${keys}`)).toBe(`ssh-ed25519 AAAA admin\n${own}`);
    await inside(`printf '%s' '${own}' > ${keys}`);
  });
});

describe('a key', () => {
  const keys = '/var/lib/understudy/.ssh/authorized_keys';

  it('is let out again where another one takes its place, and no other with it', async () => {
    const other = under.account.publicKey.replace(/AAAA.{8}/, 'AAAABBBBCCCC');
    await inside(`echo 'ssh-ed25519 AAAA admin' >> ${keys}`);
    await inside(under.script(other));
    expect(await inside(`cat ${keys}`)).toBe(`ssh-ed25519 AAAA admin\n${other}\n`);
    await under.prepare();
    expect(await inside(`cat ${keys}`)).toBe(`ssh-ed25519 AAAA admin\n${under.account.publicKey}\n`);
  });
});

describe('the helper', () => {
  const state = async (): Promise<string> => (await under.run(['systemctl', 'is-active', 'widget.service'])).said.trim();

  it.each(ESCAPES)('refuses $what', async ({ argv }) => {
    const before = await under.packages();
    const { code, said } = await under.run(argv);
    expect(code, said).not.toBe(0);
    expect(await under.packages()).toBe(before);
    expect((await inside('ls /tmp/escaped /etc/escaped 2>/dev/null || true')).trim()).toBe('');
  });

  it('holds a unit against every start, also over a reboot, and frees it', async () => {
    expect(await state()).toBe('active');
    expect(await under.helper('unit-hold', 'widget.service')).toMatchObject({ code: 0 });
    expect(await under.helper('unit-hold', 'widget.service')).toMatchObject({ code: 0 });
    expect(await state()).toBe('inactive');
    await inside('systemctl start widget.service');
    expect(await state()).toBe('inactive');
    await expect(inside(removeScript('understudy'))).rejects.toThrow('Something is still held');
    await under.reboot('reboot-held');
    expect(await state()).toBe('inactive');
    expect(await under.helper('unit-free', 'widget.service')).toMatchObject({ code: 0 });
    expect(await state()).toBe('inactive');
    expect(await under.helper('unit-start', 'widget.service')).toMatchObject({ code: 0 });
    expect(await state()).toBe('active');
    expect((await inside('ls -d /etc/systemd/system/widget.service.d 2>/dev/null || true')).trim()).toBe('');
  });

  it('is seen to run until the host goes down, however long something delays that', async () => {
    const host = under.open();
    const before = await bootId(host, DEADLINE_MS);
    await inside('systemd-inhibit --what=shutdown --mode=delay sleep 100 >/dev/null 2>&1 &');
    expect(await requestReboot(host, 'reboot-delayed', fence)).toEqual({ status: 'started' });
    const seen = new Set<string>();
    await eventually(
      'it has another boot id',
      async () => {
        const job = await host.jobs.state('reboot-delayed', DEADLINE_MS);
        const now = await bootId(host, DEADLINE_MS);
        if (before.status !== 'read' || now.status !== 'read') return false;
        if (now.bootId === before.bootId) seen.add(job.status);
        return now.bootId !== before.bootId;
      },
      60_000,
    );
    expect(seen).toContain('running');
    expect(seen).not.toContain('exited');
    await under.machine.untilUp(60_000);
  });

  it('gives way to nothing that was changed beside it: a configuration that others may write', async () => {
    await inside('chmod o+w /etc/understudy/helper.conf');
    expect(await under.helper('unit-stop', 'widget.service')).toMatchObject({
      code: 64,
      said: expect.stringContaining('can be written by others than root') as string,
    });
    await inside('chmod o-w /etc/understudy/helper.conf');
  });

  it('loses its permissions when they are taken away', async () => {
    const host = under.open();
    expect(await rebootRefusal(host, DEADLINE_MS)).toEqual({ status: 'allowed' });
    await inside(removeScript('understudy'));
    expect((await inside(`ls ${HELPER} /etc/sudoers.d/understudy /etc/understudy 2>/dev/null || true`)).trim()).toBe('');
    expect(await rebootRefusal(host, DEADLINE_MS)).not.toEqual({ status: 'allowed' });
    expect(await inside('cat /var/lib/understudy/.ssh/authorized_keys')).toBe('ssh-ed25519 AAAA admin\n');
  });
});
