/**
 * `npm run sim -- --planted`: plants each bug of `services/orchestrator/simulation/planted/*.patch` in a copy of the tree, compiles
 * it there, and runs windows until one fails. A bug that 2,000 windows do not find fails the run.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { applyPatch, copyTree, runNode } from '../copy-tree.mjs';
import { runWindows, simulationOf } from './pool.mjs';

const PLANTED = 'services/orchestrator/simulation/planted';
const MOST_WINDOWS = 2_000;
const BUILD = ['node_modules/ts7/bin/tsc', '-b', 'services/orchestrator/simulation'];
const BUILD_LIMIT_MS = 300_000;

/** @param {URL} root of the tree @param {readonly string[]} wanted words that choose patches by their names; none = all */
export async function findPlanted(root, wanted) {
  const source = fileURLToPath(root);
  const files = readdirSync(join(source, PLANTED))
    .filter((name) => name.endsWith('.patch') && (wanted.length === 0 || wanted.some((word) => name.includes(word))))
    .sort();
  const folder = mkdtempSync(join(tmpdir(), 'understudy-planted-'));
  const found = [];
  try {
    const tree = join(folder, 'tree');
    copyTree(source, tree, false);
    for (const file of files) {
      const answer = await tryPatch(tree, join(tree, PLANTED, file));
      found.push(answer.seed !== undefined);
      console.log(row(file, answer));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  const count = found.filter(Boolean).length;
  console.log(`planted bugs: ${count} of ${files.length} found`);
  return files.length > 0 && count === files.length;
}

async function tryPatch(tree, file) {
  const text = readFileSync(file, 'utf8');
  const bug = /^Bug: (.+)$/m.exec(text)?.[1] ?? '';
  const refusal = applyPatch(tree, file);
  if (refusal !== null) return { bug, said: `DOES NOT APPLY: ${refusal}` };
  try {
    const built = await runNode(tree, BUILD, BUILD_LIMIT_MS);
    if (built.code !== 0) return { bug, said: `DOES NOT COMPILE: ${built.output.split('\n')[0]}` };
    return { bug, ...(await firstFailure(tree)) };
  } finally {
    applyPatch(tree, file, true);
  }
}

/** Windows are counted in the order in which they ended, over all threads. */
async function firstFailure(tree) {
  let windows = 0;
  let found = { said: 'NOT FOUND' };
  const startedMs = performance.now();
  await runWindows({
    simulation: simulationOf(pathToFileURL(`${tree}/`)),
    from: 1,
    to: MOST_WINDOWS,
    onResult: ({ seed, result, error }) => {
      windows += 1;
      const breach = result?.breaches[0];
      if (breach === undefined && error === undefined) return false;
      found = { seed, said: error === undefined ? `${breach.invariant}: ${breach.detail}` : `no end: ${error.split('\n')[0]}` };
      return true;
    },
  });
  return { ...found, windows, tookMs: performance.now() - startedMs };
}

function row(file, { bug, seed, windows, said, tookMs }) {
  const where =
    seed === undefined ? 'NOT FOUND' : `found after ${windows} windows (seed ${seed}, ${(tookMs / 1_000).toFixed(1)} s)`;
  return `${where}: ${file.replace('.patch', '')}: ${bug}\n    ${said}`;
}
