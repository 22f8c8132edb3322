#!/usr/bin/env node
/**
 * Lints one project: `node tools/lint.mjs services/drift`. Nx calls it (nx.json, targetDefaults), so that answers are cached.
 * It exists because a service's folder contains its domain project: without the ignore below, every domain file would be
 * linted twice. Exit code: eslint's.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';

const [projectRoot, ...rest] = process.argv.slice(2);
if (projectRoot === undefined || !existsSync(join(projectRoot, 'package.json'))) {
  process.stderr.write(`usage: node tools/lint.mjs PROJECT_FOLDER [eslint options]; "${projectRoot}" holds no package.json\n`);
  process.exit(2);
}
const nested = readdirSync(projectRoot, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
  .map((entry) => join(projectRoot, entry.name))
  .filter((folder) => existsSync(join(folder, 'package.json')));
const ignores = nested.flatMap((folder) => ['--ignore-pattern', `${folder}/**`]);
const done = spawnSync(
  process.execPath,
  [
    'node_modules/eslint/bin/eslint.js',
    '--max-warnings',
    '0',
    '--no-error-on-unmatched-pattern',
    ...ignores,
    ...rest,
    projectRoot,
  ],
  { stdio: 'inherit' },
);
process.exit(done.status ?? 1);
