import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  build,
  eventually,
  hostsProcess,
  isAlive,
  killBelow,
  processesBelow,
  testHost,
  type TestHost,
} from '@understudy/testing';
import type { JobRequest, JobState } from '../jobs.js';
import type { Fence } from '../journal.js';

const asRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const fence: Fence = { logId: 'log-1', epoch: 5 };
const DEADLINE_MS = 20_000;
const BOOT_FILE = { reboot: { command: 'reboot', bootIdFile: 'boot_id' } };

beforeAll(() => build('libs/hosts'));

describe.each([{ owner: undefined }, ...(asRoot ? [{ owner: NOBODY }] : [])])(
  'detached jobs on a host of user $owner',
  ({ owner }) => {
    let test: TestHost;
    const job = (jobId: string, script: string, more: Partial<JobRequest> = {}): JobRequest => ({
      jobId,
      fence,
      argv: ['sh', '-c', script],
      limitMs: 60_000,
      ...more,
    });
    const state = (jobId: string): Promise<JobState> => test.again().jobs.state(jobId, DEADLINE_MS);
    const ended = (jobId: string): Promise<void> =>
      eventually(`job ${jobId} ends`, async () => (await state(jobId)).status !== 'running');
    /** As a drive does: an answer that did not arrive is asked for again. */
    const stopped = async (jobId: string, graceMs: number): Promise<JobState> => {
      const answers: JobState[] = [];
      await eventually(`job ${jobId} is stopped`, async () => {
        const answer = await test.host.jobs.stop(jobId, graceMs, DEADLINE_MS);
        return answers.push(answer) > 0 && answer.status !== 'unknown' && answer.status !== 'running';
      }).catch((error: unknown) => expect.fail(`${String(error)} It answered: ${JSON.stringify(answers)}`));
      return answers.at(-1) ?? { status: 'unknown', reason: 'it was not asked' };
    };
    const text = async (jobId: string): Promise<string> => {
      const read = await test.host.jobs.output(jobId, 0, 100_000, DEADLINE_MS);
      return read.status === 'read' ? read.text : read.reason;
    };
    beforeEach(() => (test = testHost({ patching: BOOT_FILE, ...(owner === undefined ? {} : { owner }) })));
    beforeEach(() => writeFileSync(join(test.root, 'boot_id'), 'boot-1\n', { mode: 0o644 }));
    afterEach(() => test.remove());

    it('runs with arguments, environment and input, leaves log and exit code', async () => {
      const request: JobRequest = {
        ...job('step-04-1', ''),
        argv: ['sh', '-c', 'printf "%s|%s|" "$1" "$A"; cat; echo err >&2; exit 4', 'sh', "it's\n$HOME"],
        env: { A: 'x = "y"' },
        stdin: 'input',
      };
      expect(await test.host.jobs.start(request)).toEqual({ status: 'started' });
      await ended('step-04-1');
      expect(await state('step-04-1')).toMatchObject({ status: 'exited', code: 4 });
      expect(await text('step-04-1')).toBe('it\'s\n$HOME|x = "y"|inputerr\n');
    });

    it('is absent before it was started', async () => {
      expect(await state('never')).toEqual({ status: 'absent' });
      expect(await test.host.jobs.output('never', 0, 10, DEADLINE_MS)).toMatchObject({ status: 'unknown' });
      expect(await test.host.jobs.stop('never', 100, DEADLINE_MS)).toEqual({ status: 'absent' });
    });

    it('is found by its id from another process after its starter was killed', async () => {
      const script = `
      const host = hosts.openHost({ slug: 'h', access: { kind: 'local', root: args[0] }, patching: ${JSON.stringify(BOOT_FILE)} });
      await host.jobs.start({ jobId: 'orphan', fence: ${JSON.stringify(fence)}, limitMs: 60000,
        argv: ['sh', '-c', 'echo begun; while [ ! -e go ]; do sleep 0.05; done; exit 6'] });
      process.stdout.write('started'); await new Promise((resolve) => setTimeout(resolve, 60000));`;
      const starter = hostsProcess(script, [test.root], owner);
      await new Promise((resolve) => starter.stdout?.once('data', resolve));
      starter.kill('SIGKILL');
      await eventually('the starter is gone', () => !isAlive(starter.pid ?? 0));
      expect(await state('orphan')).toMatchObject({ status: 'running' });
      writeFileSync(join(test.root, 'go'), '');
      await ended('orphan');
      expect(await state('orphan')).toMatchObject({ status: 'exited', code: 6 });
      expect(await text('orphan')).toBe('begun\n');
    });

    it('starts one id once, however many start it at once', async () => {
      const starts = await Promise.all(
        Array.from({ length: 20 }, () =>
          test.again().jobs.start(job('twice', 'echo ran >>runs; sleep 0.2', { stdin: 'secret' })),
        ),
      );
      expect(starts.filter((start) => start.status === 'started')).toHaveLength(1);
      expect(starts.filter((start) => start.status === 'known')).toHaveLength(19);
      await ended('twice');
      expect(await test.host.jobs.start(job('twice', 'echo ran >>runs'))).toEqual({ status: 'known' });
      expect(readFileSync(join(test.root, 'runs'), 'utf8')).toBe('ran\n');
    });

    it('is refused for a lower epoch or another log, and nothing runs', async () => {
      await test.host.journal.raise({ logId: 'log-1', epoch: 6 }, DEADLINE_MS);
      const fenced = { status: 'fenced', seen: { logId: 'log-1', epoch: 6 } };
      expect(await test.host.jobs.start(job('late', 'touch touched'))).toEqual(fenced);
      expect(await test.host.jobs.start(job('late', 'touch touched', { fence: { logId: 'log-2', epoch: 9 } }))).toEqual(fenced);
      expect(await state('late')).toEqual({ status: 'absent' });
      expect(existsSync(join(test.root, 'touched'))).toBe(false);
    });

    it('ends itself at its limit with all that it started, though nobody watches', async () => {
      await test.host.jobs.start(job('limited', 'sleep 300 & echo $$ $!; sleep 300', { limitMs: 600 }));
      await ended('limited');
      expect(await state('limited')).toMatchObject({ status: 'exited', code: 124 });
      const pids = (await text('limited')).trim().split(' ').map(Number);
      expect(pids).toHaveLength(2);
      await eventually('nothing is left running', () => processesBelow(test.root).length === 0 && !pids.some(isAlive));
    });

    it('runs as long as anything of it does, also when its first process has ended or nobody watches', async () => {
      await test.host.jobs.start(job('left', '(while [ ! -e go ]; do sleep 0.05; done) & exit 3'));
      await test.host.jobs.start(job('limited', 'sleep 300 & exit 3', { limitMs: 600 }));
      await test.host.jobs.start(job('unwatched', 'sleep 300 & echo begun'));
      await eventually('it has begun', async () => (await text('unwatched')) === 'begun\n');
      await ended('limited');
      expect(await state('limited')).toMatchObject({ status: 'exited', code: 124 });
      expect(await state('left')).toMatchObject({ status: 'running' });
      writeFileSync(join(test.root, 'go'), '');
      await ended('left');
      expect(await state('left')).toMatchObject({ status: 'exited', code: 3 });
      const supervisor = Number(readFileSync(join(test.root, '.understudy/v1/jobs/unwatched/super'), 'utf8').split(' ')[0]);
      process.kill(supervisor, 'SIGKILL');
      expect(await state('unwatched')).toMatchObject({ status: 'running' });
      expect(await stopped('unwatched', 300)).toMatchObject({ status: 'lost' });
      await eventually('nothing is left running', () => processesBelow(test.root).length === 0);
    });

    it('gives a job the time to give something back when its limit has passed', async () => {
      const script = 'trap "echo given back; exit 0" TERM; while :; do sleep 0.1; done';
      await test.host.jobs.start(job('polite', script, { limitMs: 500 }));
      await ended('polite');
      expect(await text('polite')).toContain('given back\n');
    });

    it('keeps its limit though its supervisor was killed', async () => {
      await test.host.jobs.start(job('unsupervised', 'echo $$; exec sleep 300', { limitMs: 1_500 }));
      const supervisor = Number(readFileSync(join(test.root, '.understudy/v1/jobs/unsupervised/super'), 'utf8').split(' ')[0]);
      await eventually('the job runs', async () => /\d/.test(await text('unsupervised')));
      process.kill(supervisor, 'SIGKILL');
      expect(await state('unsupervised')).toMatchObject({ status: 'running' });
      await ended('unsupervised');
      expect(await state('unsupervised')).toMatchObject({ status: 'lost' });
      await eventually('nothing is left running', () => processesBelow(test.root).length === 0);
    });

    it('stops when asked: TERM, then KILL; an ended job stays as it ended', async () => {
      await test.host.jobs.start(job('soft', 'exec sleep 300'));
      expect(await stopped('soft', 5_000)).toMatchObject({ status: 'exited', code: 143 });
      await test.host.jobs.start(job('hard', 'trap "" TERM; echo deaf; while :; do sleep 0.1; done'));
      await eventually('it hears no TERM', async () => (await text('hard')) === 'deaf\n');
      expect(await stopped('hard', 300)).toMatchObject({ status: 'exited', code: 137 });
      await test.host.jobs.start(job('done', 'exit 0'));
      await ended('done');
      const before = await state('done');
      expect(await stopped('done', 300)).toEqual(before);
    });

    it('is lost when all its processes were killed, and when the host has another boot id', async () => {
      await test.host.jobs.start(job('killed', 'sleep 300'));
      await test.host.jobs.start(job('rebooted', 'sleep 300'));
      expect(await state('rebooted')).toMatchObject({ status: 'running' });
      writeFileSync(join(test.root, 'boot_id'), 'boot-2\n');
      expect(await state('rebooted')).toMatchObject({ status: 'lost' });
      writeFileSync(join(test.root, 'boot_id'), 'boot-1\n');
      await killBelow(test.root);
      expect(await state('killed')).toMatchObject({ status: 'lost' });
    });

    it('does not take a stranger with the same process id for the job', async () => {
      await test.host.jobs.start(job('reused', 'sleep 300'));
      await killBelow(test.root);
      const folder = join(test.root, '.understudy/v1/jobs/reused');
      for (const name of ['pid', 'super']) writeFileSync(join(folder, name), `${process.pid} 12345 boot-1\n`);
      expect(await state('reused')).toMatchObject({ status: 'lost' });
      expect(await stopped('reused', 100)).toMatchObject({ status: 'lost' });
    });

    it('answers its output by offset, in bounded pieces, never half a character', async () => {
      await test.host.jobs.start(job('chatty', 'for i in 1 2 3 4 5 6 7; do printf "ä€😀-"; done'));
      await ended('chatty');
      const whole = 'ä€😀-'.repeat(7);
      for (const size of [4, 5, 7, 13, 1_000]) {
        let from = 0;
        let seen = '';
        for (let piece = 0; piece < 100 && from < Buffer.byteLength(whole); piece++) {
          const read = await test.host.jobs.output('chatty', from, size, DEADLINE_MS);
          if (read.status !== 'read') throw new Error(read.reason);
          expect(Buffer.byteLength(read.text)).toBeLessThanOrEqual(size);
          seen += read.text;
          from = read.nextByte;
        }
        expect(seen).toBe(whole);
      }
      expect(await test.host.jobs.output('chatty', 10_000, 10, DEADLINE_MS)).toEqual({
        status: 'read',
        text: '',
        nextByte: 10_000,
      });
    });

    it('keeps its input from everybody, and only until the job has opened it', async () => {
      // The secret is only in a variable of the job's shell: whatever finds it on the way found it somewhere else.
      const script = [
        'IFS= read -r secret',
        'for file in .understudy/v1/jobs/secret/* .understudy/v1/jobs/secret/.[!.]* /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do',
        '  case $({ tr "\\0" " " <"$file"; } 2>/dev/null) in *"$secret"*) echo "found in $file" ;; esac',
        'done',
        'echo looked',
      ].join('\n');
      await test.host.jobs.start(job('secret', script, { stdin: `${['plan', 'ted'].join('')}-${process.pid}-secret` }));
      await ended('secret');
      expect(await text('secret')).toBe('looked\n');
    });
  },
);
