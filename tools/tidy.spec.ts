/**
 * What lint cannot see: promises about the tree as a whole. Each check says what to do about a finding; none has a list of
 * exceptions that could grow unseen, except the entry points below.
 */
import { execFileSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readFacts, resolveRelative } from './source-facts.js';
import { ROOT, listFiles, listProjects, read } from './workspace.js';

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;

const files = listFiles();
const projects = listProjects(files);
const isGenerated = (path: string): boolean => path.startsWith('libs/contracts/src/gen/');
const isSpec = (path: string): boolean =>
  path.endsWith('.spec.ts') || basename(path) === 'contract.ts' || path.includes('/fixtures/');
const sources = files.filter((path) => path.endsWith('.ts') && !isGenerated(path));
const facts = new Map(sources.map((path) => [path, readFacts(path, read(path), MAX_FUNCTION_LINES)]));

/** Folders that grow by extension: a port and a table above, one folder per member below, one contract suite for all. */
const EXTENSIONS = [
  'libs/platforms/src',
  'libs/hosts/src/access',
  'libs/hosts/src/patching',
  'services/notification/src/channels',
  'services/notification/src/tickets',
].filter((folder) => files.some((path) => path.startsWith(`${folder}/`)));

/** Folders there that are no members: what several of them use. */
const SHARED = ['libs/platforms/src/postgres', 'libs/platforms/src/fixtures'];

/** The extension that a file belongs to: `libs/platforms/src/simulated`. */
function memberOf(path: string): string | undefined {
  if (SHARED.some((folder) => path.startsWith(`${folder}/`))) return undefined;
  const home = EXTENSIONS.find((folder) => path.startsWith(`${folder}/`));
  const member = home === undefined ? undefined : path.slice(home.length + 1).split('/');
  return member === undefined || member.length < 2 ? undefined : `${home}/${member[0]}`;
}

const members = [...new Set(files.map(memberOf))].filter((member) => member !== undefined);

describe('sizes', () => {
  it(`keeps every file within ${MAX_FILE_LINES} lines`, () => {
    const written = files.filter((path) => /\.(ts|mjs|sql|sh|md|proto)$/.test(path) && !isGenerated(path));
    const long = written
      .map((path) => ({ path, lines: read(path).trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > MAX_FILE_LINES)
      .map(({ path, lines }) => `${path}: ${lines} lines; one idea each`);
    expect(long).toEqual([]);
  });

  it(`keeps every function within ${MAX_FUNCTION_LINES} lines, in specs too`, () => {
    const long = sources.flatMap((path) =>
      facts.get(path)!.longFunctions.map(({ line, lines }) => `${path}:${line}: ${lines} lines`),
    );
    expect(long).toEqual([]);
  });
});

describe('extensions', () => {
  it.each(members)('%s runs its port’s contract suite', (member) => {
    const suite = `${dirname(member)}/contract.ts`;
    const running = sources.filter(
      (path) =>
        path.startsWith(`${member}/`) &&
        path.endsWith('.spec.ts') &&
        facts.get(path)!.imports.some((module) => resolveRelative(path, module) === suite),
    );
    expect(running, `a spec in ${member}/ imports ${suite} and runs it`).not.toEqual([]);
  });

  it.each(members)('%s is named by its port’s folder', (member) => {
    const beside = sources.filter((path) => dirname(path) === dirname(member) && !isSpec(path));
    const naming = beside.filter((path) =>
      facts.get(path)!.imports.some((module) => resolveRelative(path, module)?.startsWith(`${member}/`)),
    );
    expect(naming, `the table in ${dirname(member)}/ names ${member}`).not.toEqual([]);
  });

  /** The simulated platform is a world behind a real driver: it runs that driver's own next act, snapshot and checks, by design. */
  const BUILT_ON: Readonly<Record<string, string>> = { 'libs/platforms/src/simulated': 'libs/platforms/src/postgres-streaming' };

  it('keeps siblings apart: what two members need lives above them', () => {
    const crossing = sources.flatMap((path) =>
      facts
        .get(path)!
        .imports.map((module) => memberOf(resolveRelative(path, module) ?? ''))
        .filter((target) => memberOf(path) !== undefined && target !== undefined && target !== memberOf(path))
        .filter((target) => dirname(target!) === dirname(memberOf(path)!) && BUILT_ON[memberOf(path)!] !== target)
        .map((target) => `${path} imports from ${target}`),
    );
    expect([...new Set(crossing)]).toEqual([]);
  });
});

describe('events', () => {
  const services = projects.filter((project) => project.tags.includes('type:domain')).map((project) => project.folder);

  it.each(services)('%s keeps a stored sample of every version of every event, and reads each', async (domain) => {
    const inside = sources.filter((path) => path.startsWith(`${domain}/`) && !isSpec(path));
    const upcasters = await Promise.all(inside.filter((path) => basename(path) === 'upcast.ts').map(loadUpcaster));
    const versioned = upcasters.flatMap(({ versions }) => Object.keys(versions));
    const declared = [...new Set(inside.flatMap((path) => facts.get(path)!.eventTypes))];
    expect(
      declared.filter((type) => !versioned.includes(type)),
      'events whose version stands in no upcast.ts',
    ).toEqual([]);
    expect(upcasters.flatMap(unreadable), 'one file per type and version, as it was stored').toEqual([]);
  });

  interface Upcaster {
    readonly folder: string;
    /** Today's version of each event type. */
    readonly versions: Readonly<Record<string, number>>;
    readonly upcast: (stored: Readonly<Record<string, unknown>>) => { type: string };
  }

  /** An `upcast.ts` exports one table of versions and one function. */
  async function loadUpcaster(path: string): Promise<Upcaster> {
    const exported: unknown[] = Object.values((await import(pathToFileURL(join(ROOT, path)).href)) as object);
    const versions = exported.find((value) => typeof value === 'object') as Upcaster['versions'];
    const upcast = exported.find((value) => typeof value === 'function') as Upcaster['upcast'];
    expect({ versions, upcast }, path).toEqual({ versions: expect.any(Object), upcast: expect.any(Function) });
    return { folder: dirname(path), versions, upcast };
  }

  function unreadable({ folder, versions, upcast }: Upcaster): string[] {
    return Object.entries(versions).flatMap(([type, latest]) =>
      Array.from({ length: latest }, (_, index) => index + 1).flatMap((version) => {
        const sample = `${folder}/samples/${type}.v${version}.json`;
        if (!files.includes(sample)) return [`${sample} is missing`];
        const kept = JSON.parse(read(sample)) as Readonly<Record<string, unknown>>;
        const stored = kept['schemaVersion'] === version ? kept : { type, schemaVersion: version, body: kept };
        return upcast(stored).type === type ? [] : [`${sample} is read as another event`];
      }),
    );
  }
});

describe('sources', () => {
  /** Files that a person, npm or a host starts; everything else is reached from one of these. */
  const isEntry = (path: string): boolean => {
    const project = projects.find(
      (candidate) => path.startsWith(`${candidate.folder}/`) && exportsOf(candidate.folder).includes(path),
    );
    return project !== undefined || isSpec(path) || STARTED.has(path) || path === 'vitest.config.ts';
  };
  /** What a project offers to others, by its source. */
  const exportsOf = (folder: string): readonly string[] =>
    [...read(`${folder}/package.json`).matchAll(/"source": "\.\/([^"]+)"/g)].map(([, file]) => `${folder}/${file}`);
  /** What the root's npm scripts and the images start, and each service's migrations, by their sources. */
  const STARTED = new Set([
    // A project without `src` is built from its own folder.
    ...[...`${read('package.json')}${read('deploy/Dockerfile')}`.matchAll(/([\w/-]+)\/dist\/([\w/-]+)\.js/g)].flatMap(
      ([, project, file]) => [`${project?.replace(/^\//, '')}/src/${file}.ts`, `${project}/${file}.ts`],
    ),
    ...files.filter((path) => /^services\/[^/]+\/src\/migrate\.ts$/.test(path)),
    // What a test run sets up once.
    ...files
      .filter((path) => /vitest\.config\.\w+$/.test(path))
      .flatMap((path) => [...read(path).matchAll(/globalSetup: \['([^']+)'\]/g)].map(([, file]) => file ?? '')),
  ]);

  it('imports every source file from another one, specs apart', () => {
    const reached = new Set<string>();
    const queue = sources.filter((path) => isEntry(path));
    const fromSpecs = new Set<string>();
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (reached.has(path)) continue;
      reached.add(path);
      const { imports, mentioned } = facts.get(path)!;
      const next = [...imports, ...mentioned]
        .map((module) => resolveRelative(path, module))
        .filter((target) => target !== undefined);
      for (const target of next.filter((target) => facts.has(target))) {
        if (isSpec(path) && !path.startsWith('e2e/') && !path.startsWith('tools/')) fromSpecs.add(target);
        else queue.push(target);
      }
    }
    const orphans = sources.filter((path) => !reached.has(path));
    const hint = (path: string): string =>
      `${path}${fromSpecs.has(path) ? ' (only a spec uses it: libs/testing is the place)' : ''}`;
    expect(orphans.map(hint)).toEqual([]);
  });

  it('suppresses no check', () => {
    const words = [
      'eslint-disable',
      '@ts-ignore',
      '@ts-expect-error',
      '@ts-nocheck',
      'v8 ignore',
      'c8 ignore',
      'istanbul ignore',
    ];
    const focused = /\b(describe|it|test)\.(only|todo)\b/;
    const guilty = sources
      .filter((path) => path !== 'tools/tidy.spec.ts')
      .filter((path) => focused.test(read(path)) || words.some((word) => read(path).includes(word)));
    expect(guilty).toEqual([]);
  });

  it('speaks to Kafka in libs/messaging alone; who proves from outside, or is compared with, has a client of its own', () => {
    const speakers = sources.filter(
      (path) => facts.get(path)!.imports.includes('kafkajs') && !path.startsWith('libs/messaging/'),
    );
    expect(speakers).toEqual(['bench/src/kafka.ts', 'e2e/support/distributed/kafka.ts']);
  });
});

describe('migrations', () => {
  const folders = [...new Set(files.filter((path) => /\/migrations\/[^/]+\.sql$/.test(path)).map((path) => dirname(path)))];

  it.each(folders)('%s is numbered from 0001 without a gap', (folder) => {
    const names = files.filter((path) => dirname(path) === folder && path.endsWith('.sql')).map((path) => basename(path));
    const numbers = names.map((name) => /^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1] ?? name);
    expect(numbers).toEqual(names.map((_, index) => String(index + 1).padStart(4, '0')));
  });

  it('only grows: what a release shipped is neither changed nor taken away', () => {
    const release = lastRelease();
    if (release === undefined) return expect(folders.length).toBeGreaterThan(0);
    const shipped = git('ls-tree', '-r', '--name-only', release).filter((path) => /\/migrations\/[^/]+\.sql$/.test(path));
    const changed = shipped.filter(
      (path) => !files.includes(path) || git('show', `${release}:${path}`).join('\n') !== read(path),
    );
    expect(changed, `as they were in ${release}; add a new number instead`).toEqual([]);
  });

  function lastRelease(): string | undefined {
    return git('tag', '--list', 'v*', '--sort=-version:refname')[0] || undefined;
  }

  function git(...args: string[]): string[] {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\n');
  }
});
