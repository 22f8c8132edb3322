/** Every project is one package.json (with its tags) and one tsconfig.json, and the two say the same. */
import { existsSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, listFiles, listProjects, read } from './workspace.js';

const TYPES = ['kernel', 'domain', 'contract', 'infra', 'service', 'app', 'testing', 'e2e'].map((type) => `type:${type}`);
const SCOPES = ['shared', 'app', 'inventory', 'drift', 'orchestrator', 'notification'].map((scope) => `scope:${scope}`);

const files = listFiles();
const projects = listProjects(files);
const compiled = projects.filter((project) => existsSync(join(ROOT, project.folder, 'tsconfig.json')));

interface TsConfig {
  readonly references?: readonly { readonly path: string }[];
  readonly compilerOptions?: { readonly types?: readonly string[] };
}

function tsconfig(path: string): TsConfig {
  return JSON.parse(read(path)) as TsConfig;
}

function references(folder: string): string[] {
  const paths = tsconfig(join(folder, 'tsconfig.json')).references ?? [];
  return paths.map(({ path }) => normalize(join(folder, path))).sort();
}

describe('projects', () => {
  it.each(projects)('$folder has one type and one scope', ({ tags }) => {
    expect(tags.filter((tag) => tag.startsWith('type:'))).toEqual([expect.toBeOneOf(TYPES)]);
    expect(tags.filter((tag) => tag.startsWith('scope:'))).toEqual([expect.toBeOneOf(SCOPES)]);
  });

  it.each(compiled)('$folder depends on the same projects in package.json and tsconfig.json', ({ folder }) => {
    const manifest = JSON.parse(read(`${folder}/package.json`)) as { dependencies?: Record<string, string> };
    const named = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@understudy/'));
    const folders = named.map((name) => projects.find((project) => project.name === name)?.folder ?? `no project ${name}`);
    expect(references(folder)).toEqual(folders.sort());
  });

  it('are all built and type checked from the root', () => {
    const folders = compiled.map((project) => project.folder).sort();
    expect(references('.').filter((path) => path !== 'tsconfig.specs.json')).toEqual(folders);
    const specs = (tsconfig('tsconfig.specs.json').references ?? []).map(({ path }) => normalize(path)).sort();
    expect(specs).toEqual(folders);
  });

  it.each(compiled.filter(({ tags }) => tags.some((tag) => tag === 'type:domain' || tag === 'type:kernel')))(
    '$folder compiles without ambient types',
    ({ folder }) => expect(tsconfig(`${folder}/tsconfig.json`).compilerOptions?.types).toEqual([]),
  );

  it('bring no configuration of their own', () => {
    const configured = files.filter(
      (path) =>
        path.includes('/') &&
        /(^|\/)(project\.json|(eslint|vitest|prettier|jest|babel)\.config\.\w+|\.eslintrc.*|\.prettierrc.*|tsconfig\.\w+\.json)$/.test(
          path,
        ),
    );
    // Two other runs, one file after the other: the distributed promises on what was built, and specs on hosts of their own.
    expect(configured).toEqual(['e2e/hosts/vitest.config.mjs', 'e2e/vitest.config.mjs']);
  });

  it('take third-party packages in the exact version of the root', () => {
    const root = JSON.parse(read('package.json')) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
    };
    const loose = Object.entries({ ...root.dependencies, ...root.devDependencies }).filter(
      ([, version]) => !/^(npm:[^@]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    expect(loose).toEqual([]);
  });
});
