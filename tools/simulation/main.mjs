#!/usr/bin/env node
/** `npm run sim`: whole windows in virtual time under seeded faults. `--help` says the rest. */
import { parseArgs } from 'node:util';
import { findPlanted } from './planted.mjs';
import { runWindows, simulationOf } from './pool.mjs';
import { Tally } from './tally.mjs';

const HELP = `npm run sim -- [options]

  Runs whole maintenance windows on the real domain, runner, verb loop and nextAct in virtual time, each out of one seed,
  under seeded faults; the invariants are judged after every step. Exits with 1 when one was broken, when a class of faults
  never struck, or when a rare situation never came about.

  --windows N     how many windows, from seed --from on (default 2000)
  --from N        the first seed (default 1)
  --threads N     how many at once (default: one per core)
  --faults N      at most so many faults are planned per window
  --seed N        one window; with --trace everything that happens in it
  --only A,B      with --seed: only these of its faults strike (as a shrunk history names them)
  --trace         with --seed: prints the history
  --planted       finds each planted bug, in a copy; words after it choose some by name
  --help          this`;

const ROOT = new URL('../../', import.meta.url);
// From within a promise, the next tick comes when every promise that could go on has done so.
const drained = () => new Promise((resolve) => process.nextTick(resolve));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    windows: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    threads: { type: 'string' },
    faults: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    trace: { type: 'boolean' },
    planted: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

const numberOf = (text) => (text === undefined ? undefined : Number(text));

async function main() {
  if (values.help) return console.log(HELP);
  if (values.planted) return void (process.exitCode = (await findPlanted(ROOT, positionals)) ? 0 : 1);
  const simulation = await import(simulationOf(ROOT));
  process.exitCode = values.seed === undefined ? await many(simulation) : await one(simulation);
}

async function one({ runWindow, shrink }) {
  const options = {
    seed: Number(values.seed),
    drained,
    ...(values.only === undefined ? {} : { only: values.only.split(',').filter(Boolean).map(Number) }),
    ...(values.faults === undefined ? {} : { mostFaults: Number(values.faults) }),
  };
  const result = await runWindow({ ...options, ...(values.trace ? { trace: (line) => console.log(line) } : {}) });
  console.log(
    `seed ${result.seed}: ${result.results.join(', ')}; ${result.events} events, ${result.steps} steps, log ${result.hash}`,
  );
  if (result.breaches.length === 0) return 0;
  if (values.only === undefined) await explain(result, options, shrink);
  else for (const breach of result.breaches) console.log(`  broken: ${breach.invariant}: ${breach.detail}`);
  return 1;
}

/** The fewest faults that still fail, and how to see them. */
async function explain(result, options, shrink) {
  const [breach] = result.breaches;
  console.log(`seed ${result.seed}: invariant ${breach.invariant} is broken: ${breach.detail}`);
  const { only, tries, result: small } = await shrink(result, options);
  const faults = small.planned
    .filter(({ id }) => only.includes(id))
    .map(({ id, fault, fromStep }) => `    ${id}: ${fault}, from step ${fromStep}`);
  console.log(`  ${only.length} of its ${result.planned.length} faults are enough (${tries} windows tried):`);
  if (faults.length > 0) console.log(faults.join('\n'));
  console.log(`  then: ${small.breaches[0].invariant}: ${small.breaches[0].detail}`);
  console.log(`  replay: npm run sim -- --seed ${result.seed} --only '${only.join(',')}' --trace`);
}

async function many({ runWindow, shrink, FAULT_CLASSES, GOALS }) {
  const from = Number(values.from);
  const windows = Number(values.windows);
  const mostFaults = numberOf(values.faults);
  const tally = new Tally({ windows, classes: FAULT_CLASSES, goals: GOALS });
  const simulation = simulationOf(ROOT);
  await runWindows({
    simulation,
    from,
    to: from + windows - 1,
    mostFaults,
    threads: numberOf(values.threads),
    onResult: (answer) => tally.add(answer),
  });
  tally.print();
  for (const seed of tally.failedSeeds.slice(0, 5)) {
    const options = { seed, drained, ...(mostFaults === undefined ? {} : { mostFaults }) };
    await explain(await runWindow(options), options, shrink);
  }
  console.log(tally.closingLine);
  return tally.isGood ? 0 : 1;
}

await main();
