import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { describe, expect, it } from 'vitest';
import { testHost } from '@understudy/testing';
import { collectHostFacts, readFacts } from './facts.js';

describe('host facts', () => {
  it('are what the host is', async () => {
    const { host, remove } = testHost();
    const collected = await collectHostFacts(host, 30_000);
    if (collected.status !== 'collected') throw new Error(collected.reason);
    expect(collected.facts['kernel.release']).toBe(release());
    expect(collected.facts['os.id']).toMatch(/^[a-z]+$/);
    expect(collected.facts).toMatchObject({
      'sysctl.vm.swappiness': readFileSync('/proc/sys/vm/swappiness', 'utf8').trim(),
      'config./etc/nsswitch.conf': expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      'disk./': expect.stringMatching(/^(low|enough)$/) as string,
    });
    expect(await collectHostFacts(host, 30_000)).toEqual(collected);
    await remove();
  });

  it('are unknown when the host does not answer', async () => {
    const { host, remove } = testHost();
    await host.access.close();
    expect(await collectHostFacts(host, 1_000)).toMatchObject({ status: 'unknown' });
    await remove();
  });

  it('let nothing pass that is not on the list, or not of its shape', () => {
    const facts = readFacts('kernel.release\t6.1.0\nprimary_conninfo\tpassword=planted\nos.name\tplanted;secret=1\nos.id\n');
    expect(facts).toMatchObject({ 'kernel.release': '6.1.0', 'os.name': null, 'os.id': null });
    expect(JSON.stringify(facts)).not.toContain('planted');
    const families = [
      'sysctl.vm.swappiness\t60',
      'service.patroni.service\tenabled',
      'failed.app@1.service\tyes',
      'automation.puppet\ton',
      'disk./var\tlow',
    ];
    expect(Object.keys(readFacts(families.join('\n'))).slice(0, families.length)).toEqual(
      families.map((line) => line.split('\t')[0]),
    );
    const planted = [
      'sysctl.x\tpassword=planted',
      'config./etc/hosts\tplanted',
      'service.planted\tenabled',
      'service.a.service\tplanted',
      'automation.on\tplanted',
    ];
    expect(JSON.stringify(readFacts(planted.join('\n')))).not.toContain('planted');
    const many = Array.from({ length: 1_000 }, (_, index) => `service.s${index}.service\tenabled`).join('\n');
    expect(Object.keys(readFacts(many)).filter((name) => name.startsWith('service.'))).toHaveLength(400);
  });
});
