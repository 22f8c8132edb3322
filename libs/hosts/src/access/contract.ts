import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, isAlive } from '@understudy/testing';
import type { CommandResult, HostAccess } from './access.js';

/** A host to run the contract against: an access, and a way to open it once more. */
export interface AccessUnderTest {
  readonly access: HostAccess;
  remove(): Promise<void>;
}

const DEADLINE_MS = 20_000;

/** What every access must do, whatever carries the commands. */
export function hostAccessContract(name: string, open: () => Promise<AccessUnderTest>): void {
  describe(`host access contract: ${name}`, () => {
    let under: AccessUnderTest;
    const run = (argv: readonly [string, ...string[]], stdin?: string): Promise<CommandResult> =>
      under.access.run({ argv, deadlineMs: DEADLINE_MS, ...(stdin === undefined ? {} : { stdin }) });
    const output = async (argv: readonly [string, ...string[]], stdin?: string): Promise<string> => {
      const result = await run(argv, stdin);
      if (result.status !== 'exited' || result.code !== 0) throw new Error(JSON.stringify(result));
      return result.stdout;
    };
    beforeEach(async () => (under = await open()));
    afterEach(() => under.remove());

    it('answers the exit code, and standard output apart from standard error', async () => {
      const result = await run(['sh', '-c', 'echo out; echo err >&2; exit 7']);
      expect(result).toEqual({ status: 'exited', code: 7, stdout: 'out\n', stderr: 'err\n', truncated: false });
    });

    it('answers 127 for a program that is not there', async () => {
      expect(await run(['understudy-no-such-program'])).toMatchObject({ status: 'exited', code: 127 });
    });

    it('says when a command was handed over, and not for one that could not be', async () => {
      const said: string[] = [];
      const onSent = (word: string) => ({ onSent: () => void said.push(word) });
      const running = under.access.run({
        argv: ['sh', '-c', 'cat >got; while [ ! -e go ]; do sleep 0.05; done'],
        stdin: 'whole',
        deadlineMs: DEADLINE_MS,
        ...onSent('one'),
      });
      await eventually('it was handed over', () => said.length === 1);
      await output(['sh', '-c', 'while [ "$(cat got 2>/dev/null)" != whole ]; do sleep 0.05; done; touch go']);
      expect(await running).toMatchObject({ status: 'exited', code: 0 });
      await under.access.close();
      await under.access.run({ argv: ['true'], deadlineMs: DEADLINE_MS, ...onSent('two') });
      expect(said).toEqual(['one']);
    });

    it('passes arguments as they are: no shell is put between', async () => {
      const args = ['a b', '', "it's", '"quoted"', 'two\nlines', '$HOME `id` $(id)', '*', '-n', 'ä€😀', '\\'];
      const seen = await output(['sh', '-c', 'for a in "$@"; do printf "%s\\0" "$a"; done', 'sh', ...args]);
      expect(seen.split('\0').slice(0, -1)).toEqual(args);
    });

    it('passes standard input to its end, also when it is large or when nobody reads it', async () => {
      const text = 'line with "quotes"\n'.repeat(50_000);
      expect(await output(['cat'], text)).toBe(text);
      expect(await run(['true'], text)).toMatchObject({ status: 'exited', code: 0 });
    });

    it('ends standard input when there is none', async () => {
      expect(await output(['cat'])).toBe('');
    });

    it('runs in the root folder of the host', async () => {
      expect((await output(['pwd', '-P'])).trim()).toBe(under.access.root);
    });

    it('runs with the C locale and with nothing of our own environment', async () => {
      process.env['UNDERSTUDY_PLANTED'] = 'secret';
      try {
        const environment = await output(['env']);
        expect(environment).toContain('LC_ALL=C\n');
        expect(environment).not.toContain('UNDERSTUDY_PLANTED');
      } finally {
        delete process.env['UNDERSTUDY_PLANTED'];
      }
    });

    it('survives output that is no text', async () => {
      const result = await run(['sh', '-c', "printf 'a\\377\\376\\000b'; printf '\\200' >&2"]);
      expect(result).toMatchObject({ status: 'exited', code: 0 });
      if (result.status === 'exited') expect([result.stdout.at(0), result.stdout.at(-1)]).toEqual(['a', 'b']);
    });

    it('cuts long output, says so, and lets the command end', async () => {
      const result = await under.access.run({
        argv: ['sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x; echo done >&2'],
        deadlineMs: DEADLINE_MS,
        maxOutputBytes: 1_000,
      });
      expect(result).toEqual({ status: 'exited', code: 0, stdout: 'x'.repeat(1_000), stderr: 'done\n', truncated: true });
    });

    it('answers unknown at the deadline, and nothing is left running', async () => {
      const result = await under.access.run({
        argv: ['sh', '-c', 'sleep 300 & echo "$$ $!" >pids; wait'],
        deadlineMs: 1_000,
      });
      expect(result.status).toBe('unknown');
      const pids = (await output(['cat', 'pids'])).trim().split(' ').map(Number);
      expect(pids).toHaveLength(2);
      await eventually('both processes are gone', () => pids.every((pid) => !isAlive(pid)));
    });

    it('answers when the command ends, also while a daemon that it left holds the output open', async () => {
      const before = performance.now();
      const result = await run(['sh', '-c', 'sleep 30 & echo started']);
      expect(result).toMatchObject({ status: 'exited', code: 0, stdout: 'started\n' });
      expect(performance.now() - before).toBeLessThan(10_000);
    });

    it('runs many at once and mixes nothing up', async () => {
      const words = Array.from({ length: 60 }, (_, index) => `word-${index}`);
      expect(await Promise.all(words.map((word) => output(['cat'], word)))).toEqual(words);
    });

    it('answers unknown for what was under way when it is closed, and for what comes after', async () => {
      const underWay = run(['sleep', '300']);
      await output(['true']);
      await under.access.close();
      expect((await underWay).status).toBe('unknown');
      expect((await run(['true'])).status).toBe('unknown');
    });
  });
}
