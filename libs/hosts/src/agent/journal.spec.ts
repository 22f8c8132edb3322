import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { build, eventually, hostsProcess, killBelow, processesBelow, testHost, type TestHost } from '@understudy/testing';
import { HostError } from '../host-error.js';
import type { ActRequest, Fence } from '../journal.js';

const asRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const LOG = '0190f5fe-7c00-7a00-8000-000000000001';
const fence: Fence = { logId: LOG, epoch: 5 };
const DEADLINE_MS = 20_000;

beforeAll(() => build('libs/hosts'));

describe.each([{ owner: undefined }, ...(asRoot ? [{ owner: NOBODY }] : [])])(
  'node journal on a host of user $owner',
  ({ owner }) => {
    let test: TestHost;
    const act = (key: string, script: string, more: Partial<ActRequest> = {}): ActRequest => ({
      key,
      fence,
      argv: ['sh', '-c', script],
      deadlineMs: DEADLINE_MS,
      ...more,
    });
    beforeEach(() => (test = testHost(owner === undefined ? {} : { owner })));
    afterEach(() => test.remove());

    it('runs an act once and answers its key with what was recorded', async () => {
      const request = act('step/04-patch-b/1/stop/1', 'cat; echo ran >>runs; echo err >&2; exit 3', { stdin: 'in\n' });
      const ended = { status: 'ended', code: 3, stdout: 'in\n', stderr: 'err\n' };
      expect(await test.host.journal.act(request)).toEqual({ ...ended, repeated: false });
      expect(await test.again().journal.act(request)).toEqual({ ...ended, repeated: true });
      expect(readFileSync(join(test.root, 'runs'), 'utf8')).toBe('ran\n');
    });

    it('has written begun, synced, before the act runs, and ended after it', async () => {
      const request = act('step/begun/1', 'ls .understudy/v1/acts/*/claim; ls .understudy/v1/acts/*/exit 2>/dev/null; true');
      expect(await test.host.journal.act(request)).toMatchObject({ stdout: '.understudy/v1/acts/step!begun!1/claim\n' });
      expect(existsSync(join(test.root, '.understudy/v1/acts/step!begun!1/exit'))).toBe(true);
    });

    it('never runs an act again that was begun and has no end', async () => {
      const request = act('step/cut/1', 'echo ran >>runs; sleep 300', { deadlineMs: 700 });
      expect(await test.host.journal.act(request)).toMatchObject({ status: 'unknown' });
      await eventually('the act was ended by the host itself', () => processesBelow(test.root).length === 0);
      expect(await test.again().journal.act(request)).toEqual({
        status: 'unknown',
        reason: expect.stringContaining('no end is recorded') as string,
      });
      expect(readFileSync(join(test.root, 'runs'), 'utf8')).toBe('ran\n');
      const [entry] = await entriesOf('step/cut');
      expect(entry).toMatchObject({ key: 'step/cut/1', epoch: 5 });
      expect(entry).not.toHaveProperty('ended');
    });

    it('ends an act at its deadline with everything it started, and says that it does not know', async () => {
      const before = performance.now();
      const result = await test.host.journal.act(act('step/long/1', 'sleep 300 & sleep 300', { deadlineMs: 500 }));
      expect(result.status).toBe('unknown');
      expect(performance.now() - before).toBeLessThan(8_000);
      await eventually('nothing is left running', () => processesBelow(test.root).length === 0);
    });

    it('lets an act go on that outlives its caller, and tells the next caller how it ended', async () => {
      const script = `
      const host = hosts.openHost({ slug: 'h', access: { kind: 'local', root: args[0] }, patching: {} });
      await host.journal.act({ key: 'step/orphan/1', fence: ${JSON.stringify(fence)}, deadlineMs: 20000,
        argv: ['sh', '-c', 'echo ran >>runs; while [ ! -e go ]; do sleep 0.05; done; echo finished'] });`;
      const caller = hostsProcess(script, [test.root], owner);
      await eventually('the act runs', () => existsSync(join(test.root, 'runs')));
      caller.kill('SIGKILL');
      writeFileSync(join(test.root, 'go'), '');
      const request = act('step/orphan/1', 'echo again >>runs');
      expect(await test.host.journal.act(request)).toMatchObject({
        status: 'ended',
        code: 0,
        stdout: 'finished\n',
        repeated: true,
      });
      expect(readFileSync(join(test.root, 'runs'), 'utf8')).toBe('ran\n');
    });

    it('runs one key once, however many ask at once from several processes', async () => {
      const script = `
      const all = Array.from({ length: 25 }, () => hosts.openHost({ slug: 'h', access: { kind: 'local', root: args[0] }, patching: {} }));
      const results = await Promise.all(all.map((host) => host.journal.act({ key: 'step/race/1', fence: ${JSON.stringify(fence)},
        argv: ['sh', '-c', 'echo ran >>runs; echo once'], deadlineMs: 60000 })));
      process.stdout.write(JSON.stringify(results.map((result) => [result.status, result.repeated, result.stdout ?? result.reason])));`;
      const outputs = await Promise.all([1, 2, 3, 4].map(() => outputOf(hostsProcess(script, [test.root], owner))));
      const results = outputs.flatMap((text) => JSON.parse(text) as [string, boolean, string][]);
      expect(readFileSync(join(test.root, 'runs'), 'utf8')).toBe('ran\n');
      expect(results).toHaveLength(100);
      expect(results.filter(([status, repeated]) => status !== 'ended' || !repeated)).toEqual([['ended', false, 'once\n']]);
      expect(results.every(([, , stdout]) => stdout === 'once\n')).toBe(true);
    }, 120_000);

    it('shows to whoever has raised the epoch each act of a lower one that can still run', async () => {
      const old: Fence = { logId: LOG, epoch: 1 };
      await test.host.journal.raise(old, DEADLINE_MS);
      const acts = Array.from({ length: 30 }, (_, index) =>
        test.again().journal.act(act(`step/old/${index}`, `echo ${index} >>runs`, { fence: old })),
      );
      await eventually('some acts have begun', async () => (await entriesOf('step/old')).length >= 3);
      expect(await test.host.journal.raise({ logId: LOG, epoch: 2 }, DEADLINE_MS)).toEqual({ status: 'raised' });
      const seen = new Set((await entriesOf('step/old')).map((entry) => entry.key));
      const results = await Promise.all(acts);
      const ran = readFileSync(join(test.root, 'runs'), 'utf8').trim().split('\n');
      expect(ran.map((index) => `step/old/${index}`).filter((key) => !seen.has(key))).toEqual([]);
      expect(results.filter((result) => result.status === 'ended')).toHaveLength(ran.length);
      expect(results.filter((result) => result.status === 'fenced')).toHaveLength(30 - ran.length);
      expect(await entriesOf('step/old')).toHaveLength(ran.length);
    }, 60_000);

    it('never runs an act twice, whenever its processes are killed', async () => {
      const outcomes: string[] = [];
      const begunThen = (): number => outcomes.filter((outcome) => outcome !== 'ran now').length;
      // The kill comes a little later in each round, until it has come after the beginning often enough.
      for (let round = 0; round < 150 && begunThen() < 8; round++) {
        const request = act(`step/killed/${round}`, `echo ran >>runs-${round}`);
        const first = test.host.journal.act(request);
        await new Promise((resolve) => setTimeout(resolve, round * 4));
        await killBelow(test.root);
        await first;
        await eventually('nothing runs', () => processesBelow(test.root).length === 0);
        const again = await test.host.journal.act(request);
        const path = join(test.root, `runs-${round}`);
        const runs = existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
        expect(runs).toBeLessThanOrEqual(1);
        if (again.status === 'ended') expect(runs).toBe(1);
        outcomes.push(again.status === 'ended' ? (again.repeated ? 'recorded' : 'ran now') : again.status);
      }
      expect(outcomes.every((outcome) => ['recorded', 'ran now', 'unknown'].includes(outcome))).toBe(true);
      expect(outcomes).toContain('ran now'); // killed before it was begun
      expect(begunThen()).toBe(8); // and after
    }, 120_000);

    it('lets epochs only go up', async () => {
      const { journal } = test.host;
      expect(await journal.raise({ logId: LOG, epoch: 7 }, DEADLINE_MS)).toEqual({ status: 'raised' });
      expect(await journal.raise({ logId: LOG, epoch: 7 }, DEADLINE_MS)).toEqual({ status: 'raised' });
      const fenced = { status: 'fenced', seen: { logId: LOG, epoch: 7 } };
      expect(await journal.raise({ logId: LOG, epoch: 6 }, DEADLINE_MS)).toEqual(fenced);
      expect(await journal.act(act('step/old/1', 'touch touched'))).toEqual(fenced);
      expect(await journal.begin({ key: 'step/old/2', fence, deadlineMs: DEADLINE_MS })).toEqual(fenced);
      expect(existsSync(join(test.root, 'touched'))).toBe(false);
      expect(await journal.act(act('step/new/1', 'true', { fence: { logId: LOG, epoch: 100 } }))).toMatchObject({
        status: 'ended',
      });
      expect(await journal.raise({ logId: LOG, epoch: 99 }, DEADLINE_MS)).toEqual({
        status: 'fenced',
        seen: { logId: LOG, epoch: 100 },
      });
      expect(await entriesOf('step/old')).toEqual([]);
    });

    it('refuses another log, whatever its epoch', async () => {
      await test.host.journal.raise(fence, DEADLINE_MS);
      const other = { logId: '0190f5fe-7c00-7a00-8000-000000000002', epoch: 900 };
      expect(await test.host.journal.raise(other, DEADLINE_MS)).toEqual({ status: 'fenced', seen: fence });
      expect(await test.host.journal.act(act('step/foreign/1', 'true', { fence: other }))).toEqual({
        status: 'fenced',
        seen: fence,
      });
    });

    it('keeps the highest epoch when many raise at once, and remembers a bounded number', async () => {
      const epochs = Array.from({ length: 90 }, (_, index) => ((index * 37) % 90) + 1);
      await Promise.all(epochs.map((epoch) => test.host.journal.raise({ logId: LOG, epoch }, 60_000)));
      expect(await test.host.journal.raise({ logId: LOG, epoch: 89 }, DEADLINE_MS)).toEqual({
        status: 'fenced',
        seen: { logId: LOG, epoch: 90 },
      });
      expect(await test.host.journal.raise({ logId: LOG, epoch: 91 }, DEADLINE_MS)).toEqual({ status: 'raised' });
      expect(readdirSync(join(test.root, '.understudy/v1/fence')).length).toBeLessThanOrEqual(65);
    }, 120_000);

    it('enters an outside act around the call', async () => {
      const outside = { key: 'step/promote/1', fence, deadlineMs: DEADLINE_MS };
      const { journal } = test.host;
      expect(await journal.end(outside, 0)).toEqual({ status: 'unknown', reason: 'it was never begun here' });
      expect(await journal.begin(outside)).toEqual({ status: 'begun' });
      expect(await journal.begin(outside)).toMatchObject({ status: 'unknown' });
      expect(await journal.end(outside, 0)).toEqual({ status: 'recorded' });
      expect(await journal.end(outside, 9)).toEqual({ status: 'recorded' });
      expect(await journal.begin(outside)).toEqual({ status: 'known', code: 0 });
    });

    it('lists entries by prefix, oldest first, with their times', async () => {
      for (const key of ['a/2', 'a/1', 'b/1']) await test.host.journal.act(act(key, 'exit 2'));
      const entries = await entriesOf('a/');
      expect(entries.map((entry) => entry.key)).toEqual(['a/2', 'a/1']);
      for (const entry of entries) {
        expect(Date.parse(entry.begunAt)).toBeGreaterThan(Date.now() - 60_000);
        expect(entry.ended?.code).toBe(2);
        expect(Date.parse(entry.ended?.at ?? '')).toBeGreaterThanOrEqual(Date.parse(entry.begunAt));
      }
      expect((await entriesOf('')).map((entry) => entry.key)).toEqual(['a/2', 'a/1', 'b/1']);
    });

    it('stays readable whatever a power cut left of an entry', async () => {
      await test.host.journal.act(act('whole/1', 'true'));
      for (const [name, claim, exit] of [
        ['torn-claim!1', '', undefined],
        ['torn-exit!1', 'torn-exit/1 5 log 2026-01-01T00:00:00Z 1 1 boot\n', ''],
        ['half!1', 'half/1 5', '0'],
      ] as const) {
        const folder = join(test.root, '.understudy/v1/acts', name);
        mkdirSync(folder);
        writeFileSync(join(folder, 'claim'), claim, { mode: 0o644 });
        if (exit !== undefined) writeFileSync(join(folder, 'exit'), exit, { mode: 0o644 });
      }
      const keys = (await entriesOf('')).map((entry) => [entry.key, entry.ended?.code]);
      expect(keys).toEqual(
        expect.arrayContaining([
          ['whole/1', 0],
          ['torn-claim/1', undefined],
          ['torn-exit/1', undefined],
          ['half/1', undefined],
        ]),
      );
      for (const key of ['torn-claim/1', 'torn-exit/1', 'half/1']) {
        expect(await test.host.journal.act(act(key, 'touch touched'))).toMatchObject({ status: 'unknown' });
      }
      expect(existsSync(join(test.root, 'touched'))).toBe(false);
    });

    it('leaves input on disk for nobody: it is private, and gone once the act has opened it', async () => {
      const request = act('step/secret/1', 'cat >/dev/null; grep -rl planted .understudy/v1; true', { stdin: 'planted' });
      expect(await test.host.journal.act(request)).toMatchObject({ stdout: '' });
      expect(execFileSync('stat', ['-c', '%a', join(test.root, '.understudy')]).toString()).toBe('700\n');
    });

    it('refuses a key that is none, before anything is sent', async () => {
      for (const key of ['', '../up', '-x', 'a b', 'a\nb', 'a*', 'x'.repeat(201)]) {
        await expect(test.host.journal.act(act(key, 'true'))).rejects.toBeInstanceOf(HostError);
      }
    });

    it('puts its program back when somebody removed it', async () => {
      await test.host.journal.raise(fence, DEADLINE_MS);
      for (const name of readdirSync(join(test.root, '.understudy'))) {
        if (name.endsWith('.sh')) rmSync(join(test.root, '.understudy', name));
      }
      expect(await test.host.journal.act(act('step/again/1', 'echo yes'))).toMatchObject({ status: 'ended', stdout: 'yes\n' });
    });

    it('runs nothing when the journal cannot be written', async () => {
      await test.host.journal.raise(fence, DEADLINE_MS);
      rmSync(join(test.root, '.understudy/v1/acts'), { recursive: true, force: true });
      writeFileSync(join(test.root, '.understudy/v1/acts'), 'in the way');
      expect(await test.host.journal.act(act('step/full/1', 'touch touched'))).toMatchObject({ status: 'unknown' });
      expect(existsSync(join(test.root, 'touched'))).toBe(false);
    });

    async function entriesOf(prefix: string) {
      const read = await test.host.journal.entries(prefix, DEADLINE_MS);
      if (read.status !== 'read') throw new Error(read.reason);
      return read.entries;
    }
  },
);

async function outputOf(child: ReturnType<typeof hostsProcess>): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout ?? []) text += String(chunk);
  return text;
}
