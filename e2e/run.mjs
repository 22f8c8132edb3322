#!/usr/bin/env node
/**
 * `npm run e2e`: the promises of the distributed shape on what was built, one after the other; one closing line
 * `N passed, N failed`. `npm run e2e -- replay` runs the files whose path contains that, `-t WORDS` the tests whose name does.
 * Without Java or Maven there is no broker: every promise is skipped with that reason, and under CI=true that fails.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';
import { closingLine, summarise } from '../tools/test-summary.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { testNamePattern: { type: 'string', short: 't' } },
});
const ci = process.env.CI === 'true' || process.env.CI === '1';
const ended = { modules: [], errors: [] };
const vitest = await startVitest('test', positionals, {
  config: fileURLToPath(new URL('vitest.config.mjs', import.meta.url)),
  watch: false,
  reporters: ['verbose', { onTestRunEnd: (modules, errors) => void Object.assign(ended, { modules, errors }) }],
  ...values,
});
const tests = ended.modules.flatMap((module) => [...module.children.allTests()].map((test) => outcome(module, test)));
const summary = summarise({
  // What `-t` leaves out is not skipped: it was not asked for.
  tests: tests.filter(({ state, note }) => values.testNamePattern === undefined || state !== 'skipped' || note !== undefined),
  brokenModules: ended.modules.filter((module) => module.errors().length > 0).map((module) => module.relativeModuleId),
  unhandledErrors: ended.errors.map((error) => error.message ?? String(error)),
  ci,
});
const exitCode = process.exitCode ?? 0; // set by vitest
await vitest.close();
// Elsewhere than in CI the whole of it may be missing, if it says why.
const isAbsent = !ci && tests.length > 0 && tests.every(({ state, note }) => state === 'skipped' && note);
for (const line of summary.lines) console.log(line);
console.log(`end to end: ${closingLine(summary)}`);
// Closing sets it too, when something of the run could not be ended.
process.exit((summary.good || isAbsent) && exitCode === 0 && (process.exitCode ?? 0) === 0 ? 0 : 1);

function outcome(module, test) {
  const result = test.result();
  return { name: `${module.relativeModuleId} > ${test.fullName}`, state: result.state, note: result.note };
}
