#!/usr/bin/env node
/**
 * `npm test`: type check, then one vitest run over the whole workspace, then one closing line `N passed, N failed`.
 * `npm test -- libs/hosts` runs the specs below a path, without the coverage thresholds.
 */
import { spawnSync } from 'node:child_process';
import { startVitest } from 'vitest/node';
import { closingLine, summarise } from './test-summary.mjs';

const filters = process.argv.slice(2);
const ci = process.env.CI === 'true' || process.env.CI === '1';

const types = spawnSync(process.execPath, ['node_modules/ts7/bin/tsc', '-b'], { stdio: 'inherit' });
if (types.status !== 0) {
  console.log('The types do not check; no test ran.');
  console.log(closingLine({ passed: 0, failed: 1, skipped: 0 }));
  process.exit(1);
}

/** @type {{ modules: readonly import('vitest/node').TestModule[], errors: readonly { message?: string }[] }} */
const ended = { modules: [], errors: [] };
const vitest = await startVitest('test', filters, {
  watch: false,
  coverage: { enabled: filters.length === 0 },
  reporters: ['default', { onTestRunEnd: (modules, errors) => void Object.assign(ended, { modules, errors }) }],
});
const summary = summarise({
  tests: ended.modules.flatMap((module) => [...module.children.allTests()].map((test) => outcome(module, test))),
  brokenModules: ended.modules.filter((module) => module.errors().length > 0).map((module) => module.relativeModuleId),
  unhandledErrors: ended.errors.map((error) => error.message ?? String(error)),
  ci,
});
const exitCode = process.exitCode ?? 0; // set by vitest: a failed test, a missed threshold
await vitest.close();
for (const line of summary.lines) console.log(line);
console.log(summary.closing);
process.exit(summary.good && exitCode === 0 ? 0 : 1);

function outcome(module, test) {
  const result = test.result();
  return { name: `${module.relativeModuleId} > ${test.fullName}`, state: result.state, note: result.note };
}
