/**
 * What a run amounts to, as data: counts, one line per failure without a test, one line per skip, and whether the run is good.
 * Pure; `tools/run-tests.mjs` prints it.
 *
 * A skip says why: `ctx.skip('reason')`. A skip without a reason fails everywhere. Under CI a skip fails too, because there
 * every part is expected to be present, unless its reason begins with `not applicable:` (such as a test for a user that is
 * not root, run as root).
 *
 * @typedef {{ name: string, state: 'passed' | 'failed' | 'skipped' | 'pending', note?: string }} Outcome
 * @param {{ tests: readonly Outcome[], brokenModules: readonly string[], unhandledErrors: readonly string[], ci: boolean }} run
 * @returns {{ passed: number, failed: number, skipped: number, lines: string[], closing: string, good: boolean }}
 */
export function summarise({ tests, brokenModules, unhandledErrors, ci }) {
  const passed = tests.filter((test) => test.state === 'passed').length;
  const skips = tests.filter((test) => test.state === 'skipped');
  const unfinished = tests.filter((test) => test.state === 'pending');
  const failed =
    tests.filter((test) => test.state === 'failed').length + unfinished.length + brokenModules.length + unhandledErrors.length;
  const verdicts = skips.map((test) => ({
    line: `skipped: ${test.name}: ${test.note || 'no reason given'}`,
    refused: refusesSkip(test, ci),
  }));
  const lines = [
    ...unfinished.map((test) => `never finished: ${test.name}`),
    ...brokenModules.map((name) => `did not load: ${name}`),
    ...unhandledErrors.map((message) => `unhandled error outside of a test: ${message}`),
    ...verdicts.map(({ line, refused }) => (refused === undefined ? line : `${line} (${refused})`)),
  ];
  if (passed + failed + skips.length === 0) lines.push('no test ran');
  return {
    passed,
    failed,
    skipped: skips.length,
    lines,
    closing: closingLine({ passed, failed, skipped: skips.length }),
    good: passed > 0 && failed === 0 && verdicts.every(({ refused }) => refused === undefined),
  };
}

/** @param {{ passed: number, failed: number, skipped: number }} counts */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function refusesSkip(test, ci) {
  if (!test.note) return 'a skip needs a reason: this fails the run';
  if (ci && !test.note.startsWith('not applicable:'))
    return 'a part is missing, and CI=true expects every part: this fails the run';
  return undefined;
}
