import { describe, expect, it } from 'vitest';
import { eventually, processesBelow, testHost } from '@understudy/testing';
import { hostAccessContract } from '../contract.js';
import { openAccess } from '../index.js';
import { Slots } from '../slots.js';

const asRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

hostAccessContract('local', async () => {
  const { host, remove } = testHost();
  return { access: host.access, remove };
});

describe('local access', () => {
  it.runIf(asRoot)('runs as the owner of the root folder when we are root, without our groups (needs root)', async () => {
    const { host, remove } = testHost({ owner: NOBODY });
    const result = await host.access.run({ argv: ['sh', '-c', 'id -u; id -G; touch made; stat -c %u made'], deadlineMs: 10_000 });
    expect(result).toMatchObject({ code: 0, stdout: `${NOBODY}\n${NOBODY}\n${NOBODY}\n` });
    await remove();
  });

  it('refuses a root folder that is not absolute', () => {
    const definition = { slug: 'a', access: { kind: 'local', root: 'here' }, patching: {} } as const;
    expect(() => openAccess(definition)).toThrow('The root folder of host a is "here". Give it as an absolute path.');
  });

  it('answers unknown, and that nothing was started, when the root folder is not there', async () => {
    const access = openAccess({ slug: 'a', access: { kind: 'local', root: '/nonexistent/understudy' }, patching: {} });
    expect(await access.run({ argv: ['true'], deadlineMs: 1_000 })).toEqual({
      status: 'unknown',
      reason: expect.stringContaining('the command was not started') as string,
    });
  });

  it('counts the wait for a place towards the deadline', async () => {
    const { host, remove } = testHost();
    const blockers = Array.from({ length: 16 }, () => host.access.run({ argv: ['sleep', '300'], deadlineMs: 120_000 }));
    await eventually('all places are taken', () => processesBelow(host.access.root).length === 16);
    const late = await host.access.run({ argv: ['true'], deadlineMs: 100 });
    expect(late).toEqual({ status: 'unknown', reason: expect.stringContaining('never started') as string });
    await host.access.close();
    expect((await Promise.all(blockers)).every((result) => result.status === 'unknown')).toBe(true);
    await remove();
  });
});

describe('Slots', () => {
  it('hands places on in the order of asking and gives up the impatient', async () => {
    const slots = new Slots(1);
    const order: string[] = [];
    expect(await slots.take(1_000)).toBe(true);
    const impatient = slots.take(10).then((got) => order.push(`impatient ${got}`));
    await impatient;
    const first = slots.take(5_000).then((got) => order.push(`first ${got}`));
    const second = slots.take(5_000).then((got) => order.push(`second ${got}`));
    slots.giveBack();
    await first;
    slots.giveBack();
    await second;
    expect(order).toEqual(['impatient false', 'first true', 'second true']);
    slots.giveBack();
    expect(await slots.take(0)).toBe(true);
  });
});
