import { randomInt } from 'node:crypto';
import { helpText, parse } from './demo/args.js';
import { Cleanup } from './demo/cleanup.js';
import { runDemo, type DemoEnd } from './demo/run.js';
import { latentFaults } from './pair/index.js';

const CLEANUP_STEP_LIMIT_MS = 15_000;
const SEEDS = 1_000_000;
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

async function main(): Promise<number> {
  const parsed = parse(process.argv.slice(2), latentFaults, () => randomInt(SEEDS));
  if (parsed.parsed === 'help') {
    process.stdout.write(`${helpText(latentFaults)}\n`);
    return 0;
  }
  if (parsed.parsed === 'wrong') {
    process.stderr.write(`${parsed.why} See npm run demo -- --help.\n`);
    return 2;
  }
  const cleanup = new Cleanup();
  const interrupt = new AbortController();
  let signalled: keyof typeof EXIT_BY_SIGNAL | undefined;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      signalled ??= name;
      interrupt.abort(new Error(`stopped by ${name}`));
    });
  }
  let end: DemoEnd | undefined;
  let failure: unknown;
  try {
    end = await runDemo({ args: parsed.args, screen: process.stdout, cleanup, signal: interrupt.signal });
  } catch (error) {
    failure = error;
  }
  const left = await cleanup.run(CLEANUP_STEP_LIMIT_MS);
  for (const sentence of left) process.stderr.write(`Not undone: ${sentence}\n`);
  if (signalled !== undefined) {
    process.stderr.write(
      `Stopped by ${signalled}; ${left.length === 0 ? 'nothing was left behind' : 'see above what was left behind'}.\n`,
    );
    return EXIT_BY_SIGNAL[signalled];
  }
  return finish(end, failure, left);
}

function finish(end: DemoEnd | undefined, failure: unknown, left: readonly string[]): number {
  if (end === undefined) {
    process.stderr.write(`The demo failed: ${failure instanceof Error ? failure.message : String(failure)}\n`);
    return 1;
  }
  for (const problem of end.problems) process.stdout.write(`WRONG: ${problem}\n`);
  process.stdout.write(`${JSON.stringify(end.line)}\n`);
  return end.problems.length === 0 && left.length === 0 ? 0 : 1;
}

process.exitCode = await main();
