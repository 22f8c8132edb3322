#!/usr/bin/env node
/**
 * `npm run e2e:red`: takes each guard of `e2e/red/*.patch` away from a copy of the tree, builds it, runs the promise that stands on
 * it, and expects that to fail for the reason that the patch names. See `e2e/red/README.md`. Prints a table; exits 1 otherwise.
 * `--committed` copies HEAD instead of the tree as it is; words choose patches by their names.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { applyPatch, copyTree, runNode } from '../tools/copy-tree.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PATCHES = join(ROOT, 'e2e/red');
const BUILD = ['node_modules/ts7/bin/tsc', '-b', 'services/standalone', 'practice', 'e2e'];
const BUILD_LIMIT_MS = 600_000;
const RUN_LIMIT_MS = 1_200_000;

/** @typedef {{ file: string, promise: string, test: string, guard: string, seen: RegExp }} Patch */

/** @returns {Patch} */
function readPatch(file) {
  const text = readFileSync(join(PATCHES, file), 'utf8');
  const field = (name) => {
    const found = new RegExp(`^${name}: (.+)$`, 'm').exec(text);
    if (found === null) throw new Error(`${file} has no line "${name}: ...".`);
    return found[1].trim();
  };
  return { file, promise: field('Promise'), test: field('Test'), guard: field('Guard'), seen: new RegExp(field('Seen')) };
}

/** @returns {Promise<{ verdict: string, isRed: boolean, words: string }>} */
async function tryPatch(folder, patch) {
  const refusal = applyPatch(folder, join(PATCHES, patch.file));
  if (refusal !== null) return { verdict: 'DOES NOT APPLY', isRed: false, words: refusal };
  try {
    const built = await runNode(folder, BUILD, BUILD_LIMIT_MS);
    if (built.code !== 0) return { verdict: 'DOES NOT BUILD', isRed: false, words: built.output.split('\n')[0] };
    const run = await runNode(folder, ['e2e/run.mjs', `distributed/${patch.promise}`, '-t', patch.test], RUN_LIMIT_MS);
    writeFileSync(join(folder, `${patch.file}.log`), run.output);
    return judge(patch, run);
  } finally {
    applyPatch(folder, join(PATCHES, patch.file), true);
  }
}

function judge({ seen }, { code, output }) {
  const failed = /^end to end: \d+ passed, ([1-9]\d*) failed/m.exec(output);
  if (code === 0 || failed === null)
    return { verdict: code === 0 ? 'STAYS GREEN' : 'DID NOT RUN', isRed: false, words: output.slice(-500) };
  const line = output.split('\n').find((text) => seen.test(text));
  return line === undefined
    ? { verdict: 'FAILS FOR ANOTHER REASON', isRed: false, words: reasonOf(output) }
    : { verdict: 'red', isRed: true, words: line.trim() };
}

/** What vitest says below a failed test's name. */
function reasonOf(output) {
  const reason = /^\s+→ (.+)$/m.exec(output);
  return reason === null ? output.slice(-1_000) : reason[1];
}

const { values, positionals: wanted } = parseArgs({ allowPositionals: true, options: { committed: { type: 'boolean' } } });
const files = readdirSync(PATCHES)
  .filter((name) => name.endsWith('.patch'))
  .sort();
const patches = files.filter((name) => wanted.length === 0 || wanted.some((word) => name.includes(word))).map(readPatch);
const folder = mkdtempSync(join(tmpdir(), 'understudy-red-'));
let isGood = patches.length > 0;
try {
  chmodSync(folder, 0o755);
  const tree = join(folder, basename(ROOT));
  copyTree(ROOT, tree, values.committed === true);
  const rows = [];
  for (const patch of patches) {
    const started = Date.now();
    const { verdict, isRed, words } = await tryPatch(tree, patch);
    isGood &&= isRed;
    rows.push(
      `| ${patch.promise} | ${patch.guard} | ${verdict} | ${words.replaceAll('|', '/').slice(0, 160)} | ${Math.round((Date.now() - started) / 1000)} s |`,
    );
    console.log(`${verdict}: ${patch.file}: ${isRed ? words.slice(0, 200) : words}`);
  }
  console.log(`\n| promise | without | result | seen | took |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}`);
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(isGood ? 0 : 1);
