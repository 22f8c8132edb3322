import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, processesBelow, testHost, type TestHost } from '@understudy/testing';
import { HostError } from './host-error.js';
import { openHost } from './open-host.js';
import { bootId, rebootRefusal, requestReboot } from './power.js';

const DEADLINE_MS = 10_000;
const fence = { logId: 'log-1', epoch: 1 };
const practice = { reboot: { command: 'reboot', bootIdFile: 'boot_id' } };

/** What a power cut does to a host that is a folder: everything below it dies, this script included in the end. */
const REBOOT = `#!/bin/sh
for path in /proc/[0-9]*; do
  pid=\${path#/proc/}
  [ "$pid" != $$ ] || continue
  case "$(readlink "$path/cwd")/" in "$PWD"/*) kill -9 "$pid" ;; esac
done
echo boot-2 >boot_id
`;

describe('boot identity and reboot', () => {
  let test: TestHost;
  afterEach(() => test.remove());

  it("reads the kernel's boot id where the host names no file", async () => {
    test = testHost();
    expect(await bootId(test.host, DEADLINE_MS)).toEqual({
      status: 'read',
      bootId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
  });

  it('never reboots the machine that it runs on', async () => {
    test = testHost();
    const answer = await requestReboot(test.host, 'reboot-1', fence);
    expect(answer).toEqual({ status: 'refused', reason: expect.stringContaining('which is never rebooted') as string });
    expect(await rebootRefusal(test.host, DEADLINE_MS)).toEqual(answer);
    expect(await test.host.jobs.state('reboot-1', DEADLINE_MS)).toEqual({ status: 'absent' });
  });

  it('reboots a practice host by its own script: new boot id, and what ran there is lost', async () => {
    test = testHost({ patching: practice });
    writeFileSync(join(test.root, 'boot_id'), 'boot-1\n');
    writeFileSync(join(test.root, 'reboot'), REBOOT);
    chmodSync(join(test.root, 'reboot'), 0o755);
    await test.host.jobs.start({ jobId: 'patch', fence, argv: ['sleep', '300'], limitMs: 600_000 });
    expect(await rebootRefusal(test.host, DEADLINE_MS)).toEqual({ status: 'allowed' });
    expect(await requestReboot(test.host, 'reboot-1', fence)).toEqual({ status: 'started' });
    await eventually('the host has another boot id', async () => {
      const read = await bootId(test.host, DEADLINE_MS);
      return read.status === 'read' && read.bootId === 'boot-2';
    });
    expect(await test.host.jobs.state('patch', DEADLINE_MS)).toMatchObject({ status: 'lost' });
    await eventually('nothing runs there', () => processesBelow(test.root).length === 0);
    expect(await test.host.jobs.state('reboot-1', DEADLINE_MS)).toMatchObject({ status: 'lost' });
    expect(await requestReboot(test.host, 'reboot-1', fence)).toEqual({ status: 'known' });
  });

  it('refuses a reboot script that is not there, may not be run, or is a link', async () => {
    test = testHost({ patching: practice });
    writeFileSync(join(test.root, 'boot_id'), 'boot-1\n');
    const reason = async (): Promise<string> => JSON.stringify(await requestReboot(test.host, 'reboot-1', fence));
    expect(await reason()).toContain('is not a file below');
    symlinkSync('/bin/true', join(test.root, 'reboot'));
    expect(await reason()).toContain('is not a file below');
    await test.remove();
    test = testHost({ patching: practice });
    writeFileSync(join(test.root, 'reboot'), REBOOT, { mode: 0o644 });
    expect(await reason()).toContain('may not be run');
  });

  it('refuses paths that lead out of the root, and folders that do', async () => {
    test = testHost({ patching: { reboot: { command: 'elsewhere/true', bootIdFile: 'boot_id' } } });
    symlinkSync('/bin', join(test.root, 'elsewhere'));
    symlinkSync('/usr/bin', join(test.root, 'usr'));
    writeFileSync(join(test.root, 'boot_id'), 'boot-1\n');
    expect(JSON.stringify(await requestReboot(test.host, 'reboot-1', fence))).toContain('leads out of');
    for (const bootIdFile of ['/etc/hostname', '../boot_id', '']) {
      expect(() => openHost({ ...test.host.definition, patching: { reboot: { command: 'reboot', bootIdFile } } })).toThrow(
        HostError,
      );
    }
  });

  it('does not know a boot id that is not there or is no id', async () => {
    test = testHost({ patching: practice });
    expect(await bootId(test.host, DEADLINE_MS)).toMatchObject({ status: 'unknown' });
    writeFileSync(join(test.root, 'boot_id'), 'two words\n');
    expect(await bootId(test.host, DEADLINE_MS)).toMatchObject({ status: 'unknown' });
  });
});
