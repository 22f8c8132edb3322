/**
 * `npm run sim -- --planted`: plants each bug of `services/orchestrator/simulation/planted/*.patch` in a copy of the tree, compiles
 * it there, and runs windows from seed 1 on until one fails. A bug that 2,000 windows do not find fails the run; so does a named
 * seed (`src/named-seeds.ts`) that does not find the bug any more that it is named for.
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
  const { NAMED_SEEDS } = await import(simulationOf(root));
  const folder = mkdtempSync(join(tmpdir(), 'understudy-planted-'));
  const found = [];
  try {
    const tree = join(folder, 'tree');
    copyTree(source, tree, false);
    for (const file of files) {
      const named = NAMED_SEEDS.filter(({ planted }) => `${planted}.patch` === file).map(({ seed }) => seed);
      const answer = await tryPatch(tree, join(tree, PLANTED, file), named);
      found.push(answer.seed !== undefined && answer.blind.length === 0);
      console.log(row(file, answer));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  const count = found.filter(Boolean).length;
  console.log(`planted bugs: ${count} of ${files.length} found`);
  return files.length > 0 && count === files.length;
}

/** @param {readonly number[]} named seeds that have to find it, each for itself */
async function tryPatch(tree, file, named) {
  const text = readFileSync(file, 'utf8');
  const bug = /^Bug: (.+)$/m.exec(text)?.[1] ?? '';
  const refusal = applyPatch(tree, file);
  if (refusal !== null) return { bug, said: `DOES NOT APPLY: ${refusal}` };
  try {
    const built = await runNode(tree, BUILD, BUILD_LIMIT_MS);
    if (built.code !== 0) return { bug, said: `DOES NOT COMPILE: ${built.output.split('\n')[0]}` };
    const first = await firstFailure(tree, 1, MOST_WINDOWS);
    const blind = [];
    for (const seed of named) if ((await firstFailure(tree, seed, seed)).seed === undefined) blind.push(seed);
    return { bug, ...first, blind };
  } finally {
    applyPatch(tree, file, true);
  }
}

/** Windows are counted in the order in which they ended, over all threads. */
async function firstFailure(tree, from, to) {
  let windows = 0;
  let found = { said: 'NOT FOUND' };
  const startedMs = performance.now();
  await runWindows({
    simulation: simulationOf(pathToFileURL(`${tree}/`)),
    from,
    to,
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

function row(file, { bug, seed, windows, said, tookMs, blind = [] }) {
  const where =
    seed === undefined ? 'NOT FOUND' : `found after ${windows} windows (seed ${seed}, ${(tookMs / 1_000).toFixed(1)} s)`;
  const unseen = blind.map((each) => `\n    NAMED SEED ${each} does not find it any more`).join('');
  return `${where}: ${file.replace('.patch', '')}: ${bug}\n    ${said}${unseen}`;
}
