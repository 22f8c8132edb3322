#!/usr/bin/env node
/**
 * Refreshes the marked blocks of README.md: the demo's real output (runs it), and the first steps (from the tested script).
 * `node tools/readme-demo.mjs --keep-demo` leaves the demo's block alone.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DEMO_DEADLINE_MS = 180_000;

let readme = readFileSync('README.md', 'utf8');
readme = replaceBlock(readme, 'first-steps', 'sh', firstSteps());
if (!process.argv.includes('--keep-demo')) readme = replaceBlock(readme, 'demo', 'text', runDemo());
writeFileSync('README.md', readme);

function replaceBlock(text, name, language, body) {
  const block = new RegExp(`(<!-- ${name}: [^\\n]*-->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!block.test(text)) throw new Error(`README.md has no block "${name}"`);
  return text.replace(block, (_, start, end) => `${start}\n\`\`\`${language}\n${body}\n\`\`\`\n\n${end}`);
}

/** The numbered steps of the script; its helpers are one file away. */
function firstSteps() {
  const script = readFileSync('docs/first-steps/first-steps.sh', 'utf8');
  return script.slice(script.indexOf('# 1. ')).trimEnd();
}

function runDemo() {
  const scratch = mkdtempSync(join(tmpdir(), 'understudy-readme-'));
  try {
    const demo = spawnSync('npm', ['run', '--silent', 'demo', '--', '--report', join(scratch, 'report.html')], {
      encoding: 'utf8',
      timeout: DEMO_DEADLINE_MS,
      env: { ...process.env, NO_COLOR: '1' },
    });
    if (demo.status !== 0) throw new Error(`the demo ended with ${demo.status}:\n${demo.stdout}\n${demo.stderr}`);
    return demo.stdout.trimEnd().replaceAll(join(scratch, 'report.html'), 'understudy-report.html');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
