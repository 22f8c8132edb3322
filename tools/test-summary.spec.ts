import { describe, expect, it } from 'vitest';
import { summarise } from './test-summary.mjs';

const clean = { tests: [{ name: 'a', state: 'passed' as const }], brokenModules: [], unhandledErrors: [], ci: true };
const skip = (note?: string) => ({ name: 'b', state: 'skipped' as const, ...(note === undefined ? {} : { note }) });

describe('the closing line of a test run', () => {
  it('counts passed and failed, and is good when nothing failed', () => {
    expect(summarise(clean)).toMatchObject({ closing: '1 passed, 0 failed', good: true, lines: [] });
  });

  it('is bad when a test failed, never finished, a file did not load, or an error escaped', () => {
    const failures = [
      { ...clean, tests: [...clean.tests, { name: 'b', state: 'failed' as const }] },
      { ...clean, tests: [...clean.tests, { name: 'b', state: 'pending' as const }] },
      { ...clean, brokenModules: ['x.spec.ts'] },
      { ...clean, unhandledErrors: ['boom'] },
    ];
    for (const run of failures) expect(summarise(run)).toMatchObject({ closing: '1 passed, 1 failed', good: false });
  });

  it('is bad when no test ran', () =>
    expect(summarise({ ...clean, tests: [] })).toMatchObject({ good: false, lines: ['no test ran'] }));

  it('prints each skip with its reason; a skip for a missing part passes on a workbench and fails under CI', () => {
    const run = { ...clean, tests: [...clean.tests, skip('needs a second PostgreSQL')] };
    expect(summarise({ ...run, ci: false })).toMatchObject({
      closing: '1 passed, 0 failed, 1 skipped',
      good: true,
      lines: ['skipped: b: needs a second PostgreSQL'],
    });
    expect(summarise(run).good).toBe(false);
  });

  it('accepts under CI a skip that says it does not apply, and never one without a reason', () => {
    expect(summarise({ ...clean, tests: [...clean.tests, skip('not applicable: runs as root')] }).good).toBe(true);
    expect(summarise({ ...clean, ci: false, tests: [...clean.tests, skip()] }).good).toBe(false);
  });
});
