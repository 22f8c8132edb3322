/** The demo's promises, from outside: every figure is computed again, nothing stays behind, whoever runs it and however it ends. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processesNaming, release, REPOSITORY, runDemo, type DemoOptions, type DemoResult } from '../support/index.js';

const RUN_LIMIT_MS = 240_000;
const KEYS = [
  'scenario',
  'result',
  'versionsBefore',
  'versionsAfter',
  'interruptionMs',
  'resolutionMs',
  'switchovers',
  'acknowledgedWrites',
  'failedWrites',
  'lostWrites',
  'events',
  'chain',
  'report',
];

let base: string;
let options: DemoOptions;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'understudy-demo-spec-'));
  chmodSync(base, 0o755);
  options = { cwd: join(base, 'cwd'), temporary: join(base, 'tmp') };
  for (const folder of [options.cwd, options.temporary]) {
    mkdirSync(folder);
    chmodSync(folder, 0o777);
  }
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

interface LastLine {
  readonly result: string;
  readonly versionsAfter: Readonly<Record<string, string>>;
  readonly switchovers: number;
  readonly acknowledgedWrites: number;
  readonly lostWrites: number;
  readonly chain: string;
  readonly report: string;
}

function nothingLeft(): void {
  expect(readdirSync(options.temporary)).toEqual([]);
  expect(processesNaming(options.temporary)).toEqual([]);
}

async function judged(...args: readonly string[]): Promise<LastLine & DemoResult> {
  const evidence = join(base, 'evidence');
  const ended = await runDemo([...args, '--evidence', evidence, '--judge', join(REPOSITORY, 'e2e/judge.mjs')], options).ended;
  expect(ended.code, `${ended.output}\n${ended.errors}`).toBe(0);
  nothingLeft();
  const line = JSON.parse(ended.lastLine) as LastLine;
  expect(Object.keys(line)).toEqual(KEYS);
  expect(line.lostWrites).toBe(0);
  expect(line.acknowledgedWrites).toBeGreaterThanOrEqual(500);
  expect(line.chain).toBe('intact');
  expect(readdirSync(options.cwd).map((name) => join(options.cwd, name))).toEqual([line.report]);
  expect(line.report).toMatch(/understudy-report-[0-9a-f-]{36}\.html$/);
  expect(readFileSync(line.report, 'utf8')).toContain('<html');
  return { ...ended, ...line };
}

describe('npm run demo', () => {
  const { version: newer } = release('newer');
  const { version: older } = release('older');

  it(
    'happy: both nodes run the newer version, and a judge that knows nothing of us finds the same figures',
    async () => {
      const run = await judged();
      expect(run.result).toBe('succeeded');
      expect(Object.values(run.versionsAfter)).toEqual([newer, newer]);
      expect(run.switchovers).toBeGreaterThanOrEqual(3);
    },
    RUN_LIMIT_MS,
  );

  it(
    'happy with three nodes',
    async () => {
      const run = await judged('--nodes', '3');
      expect(run.result).toBe('succeeded');
      expect(Object.values(run.versionsAfter)).toEqual([newer, newer, newer]);
    },
    RUN_LIMIT_MS,
  );

  it(
    'drift: the gate closes with the finding, and the window goes on when it is mended',
    async () => {
      const run = await judged('--scenario', 'drift');
      expect(run.result).toBe('succeeded');
      expect(run.output).toMatch(/seed \d+: fault/);
      expect(run.output).toMatch(/gate drift closed/);
      expect(run.output).toMatch(/finding: /);
    },
    RUN_LIMIT_MS,
  );

  it(
    'bad-patch: rolled back, both nodes run what they ran',
    async () => {
      const run = await judged('--scenario', 'bad-patch');
      expect(run.result).toBe('rolled-back');
      expect(Object.values(run.versionsAfter)).toEqual([older, older]);
    },
    RUN_LIMIT_MS,
  );

  it(
    'crash: killed while the standby is patched, it comes back, goes on and ends well',
    async () => {
      const run = await judged('--scenario', 'crash');
      expect(run.result).toBe('succeeded');
      expect(Object.values(run.versionsAfter)).toEqual([newer, newer]);
      expect(run.output).toMatch(/kill -9: the product \(process \d+\) is gone in the middle of \d+-patch-practice-b/);
      expect(run.output).toMatch(/the product serves again[\s\S]*taken over by the next start[\s\S]*\+ patch practice-b to/);
    },
    RUN_LIMIT_MS,
  );

  it(
    'hypervisor: refused with the reason, and a downtime plan',
    async () => {
      const run = await judged('--scenario', 'hypervisor');
      expect(run.result).toBe('refused');
      expect(run.switchovers).toBe(0);
      expect(run.output).toMatch(/downtime plan/);
    },
    RUN_LIMIT_MS,
  );

  it(
    'two at once do not meet',
    async () => {
      const runs = await Promise.all(
        ['one', 'two'].map((name) => runDemo(['--scenario', 'hypervisor', '--report', join(base, name)], options).ended),
      );
      for (const run of runs) expect(run.code, run.output + run.errors).toBe(0);
      nothingLeft();
    },
    RUN_LIMIT_MS,
  );

  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s in the middle leaves nothing',
    async (signal) => {
      const demo = runDemo([], options);
      await demo.said(/admitted/);
      demo.child.kill(signal);
      const { code, errors } = await demo.ended;
      expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(errors).toContain('nothing was left behind');
      nothingLeft();
      expect(readdirSync(options.cwd)).toEqual([]);
    },
    RUN_LIMIT_MS,
  );

  it.runIf(process.getuid?.() === 0)(
    'an unprivileged user needs nothing more',
    async () => {
      const nobody = readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .find((line) => line.startsWith('nobody:'))
        ?.split(':');
      const account = { uid: Number(nobody?.[2]), gid: Number(nobody?.[3]) };
      const { code, output, errors, lastLine } = await runDemo([], { ...options, account }).ended;
      expect(code, output + errors).toBe(0);
      const { result, lostWrites, versionsAfter } = JSON.parse(lastLine) as LastLine;
      expect({ result, lostWrites }).toEqual({ result: 'succeeded', lostWrites: 0 });
      expect(Object.values(versionsAfter)).toEqual([newer, newer]);
      nothingLeft();
    },
    RUN_LIMIT_MS,
  );

  it('says what it does not understand', async () => {
    const { code, errors } = await runDemo(['--scenario', 'merry'], options).ended;
    expect(code).toBe(2);
    expect(errors).toMatch(/no scenario "merry".*--help/);
  });
});
