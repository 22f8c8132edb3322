/** `npm run bench [-- NAME...] [--write]`: runs benchmarks, all or by name; `--write` keeps the figures in docs/performance.md. */
import { cpus, totalmem } from 'node:os';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { append } from './append.js';
import { type Benchmark, type Report, isMet } from './benchmark.js';
import { grpc } from './grpc.js';
import { kafka } from './kafka.js';
import { replay } from './replay.js';
import { rest } from './rest.js';
import { saga } from './saga.js';

/** Every benchmark there is. Add yours here. */
const BENCHMARKS: readonly Benchmark[] = [append, replay, rest, kafka, grpc, saga];

const DOCUMENT = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function markdown(report: Report): string {
  const table = [report.columns, report.columns.map(() => '---'), ...report.rows].map((row) => `| ${row.join(' | ')} |`);
  const targets = report.targets.map((target) => {
    const sense = target.sense === 'at-least' ? 'at least' : 'at most';
    return `- ${target.what}: **${target.measured.toFixed(2)}** (${sense} ${target.required}: ${isMet(target) ? 'met' : 'MISSED'})`;
  });
  return [`## ${report.title}`, '', report.method, '', ...table, '', ...targets, ''].join('\n');
}

function chosen(names: readonly string[]): readonly Benchmark[] {
  const unknown = names.filter((name) => !BENCHMARKS.some((one) => one.name === name));
  if (unknown.length > 0) {
    const known = BENCHMARKS.map((one) => `  ${one.name}: ${one.purpose}`).join('\n');
    throw new RangeError(`There is no benchmark "${unknown.join('", "')}". There are:\n${known}`);
  }
  return names.length === 0 ? BENCHMARKS : BENCHMARKS.filter((one) => names.includes(one.name));
}

async function main(args: readonly string[]): Promise<void> {
  const reports: Report[] = [];
  for (const one of chosen(args.filter((arg) => arg !== '--write'))) {
    say(`${one.name}: ${one.purpose}`);
    const report = await one.run((line) => say(`  ${line}`));
    reports.push(report);
    say(`\n${markdown(report)}`);
  }
  if (args.includes('--write')) {
    const machine = `Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, PostgreSQL on the same machine with fsync on.`;
    const head = `# Performance\n\nMeasured by \`npm run bench -- --write\`. ${machine} Trust the ratios: each partner ran in the same run.\n`;
    mkdirSync(fileURLToPath(new URL('../../docs', import.meta.url)), { recursive: true });
    writeFileSync(DOCUMENT, [head, ...reports.map(markdown)].join('\n'));
    say(`Written to ${DOCUMENT}`);
  }
  if (reports.some((report) => !report.targets.every(isMet))) process.exitCode = 1;
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
});
