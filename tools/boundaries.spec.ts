/**
 * The boundary rule of Nx needs a project graph and, in a checkout where none was made yet, skips itself with a warning and
 * succeeds. So this plants violations in a cold copy, lints the way `npm run lint` does, and expects each to be reported.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyCold } from './workspace.js';

const BOUNDARIES = '@nx/enforce-module-boundaries';
const PURE = 'services/inventory/domain';
const PLANTED: readonly { file: string; source: string; rule: string | undefined }[] = [
  { file: `${PURE}/planted-infra.ts`, source: `export * from '@understudy/runtime';`, rule: BOUNDARIES },
  { file: `${PURE}/planted-package.ts`, source: `export { Client } from 'pg';`, rule: BOUNDARIES },
  { file: `${PURE}/planted-scope.ts`, source: `export * from '@understudy/drift-domain';`, rule: BOUNDARIES },
  { file: `${PURE}/planted-testing.ts`, source: `export * from '@understudy/testing';`, rule: BOUNDARIES },
  { file: `${PURE}/planted-relative.ts`, source: `export * from '../../../libs/runtime/src/index.js';`, rule: BOUNDARIES },
  { file: `${PURE}/planted-builtin.ts`, source: `export { readFile } from 'node:fs';`, rule: 'no-restricted-imports' },
  { file: `${PURE}/planted-kafka.ts`, source: `export { Kafka } from 'kafkajs';`, rule: 'no-restricted-imports' },
  { file: `${PURE}/planted-clock.ts`, source: `export const now = (): number => Date.now();`, rule: 'no-restricted-properties' },
  {
    file: `${PURE}/planted-chance.ts`,
    source: `export const dice = (): number => Math.random();`,
    rule: 'no-restricted-properties',
  },
  { file: `${PURE}/planted-date.ts`, source: `export const today = (): Date => new Date();`, rule: 'no-restricted-syntax' },
  { file: `${PURE}/planted-timer.ts`, source: `export const later = setTimeout;`, rule: 'no-restricted-globals' },
  { file: `${PURE}/planted-default.ts`, source: `export default 1;`, rule: 'no-restricted-syntax' },
  // What is allowed stays allowed: a rule that reports everything would pass the checks above.
  { file: `${PURE}/planted-kernel.ts`, source: `export type { ClusterDefinition } from '@understudy/cluster';`, rule: undefined },
  {
    file: `${PURE}/planted.spec.ts`,
    source: `import * as testing from '@understudy/testing';\nimport { it } from 'vitest';\n\nit('imports', () => void testing);`,
    rule: undefined,
  },
];

const LINT_DEADLINE_MS = 240_000;

interface LintedFile {
  readonly filePath: string;
  readonly messages: readonly { ruleId: string | null; message: string }[];
}

describe('module boundaries', () => {
  let checkout: string;
  let linted: LintedFile[];
  let status: number | null;

  beforeAll(() => {
    checkout = mkdtempSync(join(tmpdir(), 'understudy-boundaries-'));
    copyCold(checkout);
    for (const { file, source } of PLANTED) writeFileSync(join(checkout, file), `${source}\n`);
    const report = join(checkout, 'lint.json');
    const eslint = join(checkout, 'node_modules/eslint/bin/eslint.js');
    const done = spawnSync(process.execPath, [eslint, '--max-warnings', '0', '--format=json', `--output-file=${report}`, PURE], {
      cwd: checkout,
      encoding: 'utf8',
      timeout: LINT_DEADLINE_MS,
      env: { ...process.env, NX_DAEMON: 'false' },
    });
    status = done.status;
    linted = readReport(report, `${done.stdout}${done.stderr}`);
  }, LINT_DEADLINE_MS);

  afterAll(() => rmSync(checkout, { recursive: true, force: true }));

  it.each(PLANTED)('reports $file as $rule', ({ file, rule }) => {
    const found = linted.filter((entry) => entry.filePath.endsWith(file));
    expect(found).toHaveLength(1);
    const rules = found[0]!.messages.map((message) => message.ruleId);
    if (rule === undefined) expect(found[0]!.messages).toEqual([]);
    else expect(rules).toContain(rule);
  });

  it('fails the lint run as a whole', () => expect(status).toBe(1));
});

function readReport(path: string, output: string): LintedFile[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LintedFile[];
  } catch (cause) {
    throw new Error(`lint left no report; it said:\n${output}`, { cause });
  }
}
