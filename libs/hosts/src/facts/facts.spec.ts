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
  });
});
