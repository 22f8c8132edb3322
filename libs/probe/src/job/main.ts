import { writeSync } from 'node:fs';
import { writeLine } from '../ledger.js';
import { runProbe } from './run.js';
import { type JobSpec, problemOf } from './spec.js';

/** The probe's job on the probe host: one JSON document on standard input, the ledger on standard output. */
async function main(): Promise<void> {
  const job = await readSpec();
  const problem = problemOf(job);
  if (problem !== null) throw new Error(problem);
  // Synchronous: a line is in the file before the next operation begins, whatever kills the process.
  const run = runProbe(job, (line) => writeSync(1, `${writeLine(line)}\n`));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => run.stop('asked'));
  process.on('SIGHUP', () => undefined);
  await run.done;
}

async function readSpec(): Promise<JobSpec> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  try {
    return JSON.parse(text) as JobSpec;
  } catch {
    throw new Error('the specification is not JSON'); // its text is not quoted: it may hold a password
  }
}

main().catch((error: unknown) => {
  writeSync(2, `error ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 64;
});
