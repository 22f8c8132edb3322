/** What the documents say about the tree is true. */
import { describe, expect, it } from 'vitest';
import { listFiles, read } from './workspace.js';

const files = listFiles();
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...files.filter((path) => path.startsWith('docs/') && path.endsWith('.md')),
];

/** Paths that come to be by running something. */
const MADE = [/(^|\/)dist\//, /^node_modules\//, /^understudy-(report|data)/, /^\.nx\//, /^\.cache\//];

/** Words in backticks that are paths of this repository: they hold a slash and begin with a name of the root. */
function namedPaths(document: string): string[] {
  const roots = new Set(files.map((path) => path.split('/')[0]!));
  const quoted = [...read(document).matchAll(/`([^`\s]+)`/g)].map(([, word]) => word!);
  return quoted.filter((word) => word.includes('/') && roots.has(word.split('/')[0]!) && !MADE.some((made) => made.test(word)));
}

/** `services/<service>/domain/` and `libs/*` name what fits; a final slash names a folder. */
function exists(path: string): boolean {
  const pattern = path
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/<[^>]+>|\*+/g, '[^/]+')
    .replace(/\/$/, '');
  const matcher = new RegExp(`^${pattern}(/|$)`);
  return files.some((file) => matcher.test(file));
}

describe('documents', () => {
  it.each(DOCUMENTS)('%s names only paths that exist', (document) => {
    expect(namedPaths(document).filter((path) => !exists(path))).toEqual([]);
  });

  it('ARCHITECTURE.md names every project', () => {
    const map = read('ARCHITECTURE.md');
    const folders = files
      .filter((path) => /^(libs|services)\/[^/]+\/package\.json$/.test(path))
      .map((path) => path.replace('/package.json', ''));
    expect(folders.filter((folder) => !map.includes(folder.split('/')[1]!))).toEqual([]);
  });

  it('README.md shows the first steps as they are tested, and the output of a demo', () => {
    const steps = read('docs/first-steps/first-steps.sh');
    expect(read('README.md'), 'run node tools/readme-demo.mjs').toContain(steps.slice(steps.indexOf('# 1. ')).trimEnd());
    const lastLine = /\n(\{"scenario".*\})\n```/.exec(read('README.md'))?.[1];
    expect(JSON.parse(lastLine ?? '{}')).toMatchObject({
      scenario: 'happy',
      result: 'succeeded',
      lostWrites: 0,
      chain: 'intact',
    });
  });

  it('docs/adr is numbered without a gap', () => {
    const numbers = files
      .filter((path) => /^docs\/adr\/\d{4}-/.test(path))
      .map((path) => Number(path.slice('docs/adr/'.length, 'docs/adr/'.length + 4)));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });
});

/** Every row of the tables of a document, cell by cell. `head`: what stands above the first column. */
function rowsOf(document: string, head: string): string[][] {
  return read(document)
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([first]) => first !== head);
}

/** Tests as a cell names them: `file` "name", one or several; each file has to hold its name. */
function expectTests(cell: string): void {
  expect(cell, 'a test, as `file` "name"').toMatch(/^`[^`]+` "[^"]+"(, `[^`]+` "[^"]+")*$/);
  const named = [...cell.matchAll(/`([^`]+)` "([^"]+)"/g)].map(([, file, name]) => ({ file: file!, name: name! }));
  for (const { file, name } of named) {
    expect(files, `${file} of this row`).toContain(file);
    expect(read(file), `${file} holds the test "${name}"`).toContain(name);
  }
}

describe('docs/refusals.md', () => {
  const rows = rowsOf('docs/refusals.md', 'clause');

  it('has rows of clause, test and message', () => {
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter((row) => row.length !== 3 || row.some((cell) => cell === ''))).toEqual([]);
  });

  const code = files
    .filter((path) => /\.(ts|sh|sql|mjs)$/.test(path) && !path.endsWith('.spec.ts'))
    .map((path) => read(path))
    .join('\n');

  it.each(rows)('%s: the quoted message is one of ours', (_clause, _test, message) => {
    const quoted = [...message.matchAll(/“([^”]+)”/g)].flatMap(([, words]) => words!.split('…'));
    expect(quoted.map((words) => words.trim()).filter((words) => words.length > 3 && !code.includes(words))).toEqual([]);
  });

  it.each(rows)('%s: the test exists', (_clause, test) => expectTests(test));
});

describe('docs/faults.md', () => {
  const rows = rowsOf('docs/faults.md', 'fault');
  const simulation = 'services/orchestrator/simulation/src';

  /** As they stand in the source: the list of the armed ones, and the keys of those that strike at once, or are drawn apart. */
  function faultClasses(): string[] {
    const source = read(`${simulation}/faults.ts`);
    const armed = /const ARMS: readonly Arm\[\] = \[([^\]]*)\]/.exec(source)?.[1] ?? '';
    const blows = [...source.matchAll(/const (?:BLOWS|DRAWN_APART): [^=]*= \{\n([\s\S]*?)\n\};/g)]
      .map(([, text]) => text)
      .join('\n');
    return [
      ...[...armed.matchAll(/'([^']+)'/g)].map(([, name]) => name!),
      ...[...blows.matchAll(/^ {2}'?([a-z-]+)'?: \(/gm)].map(([, name]) => name!),
    ];
  }
  const goals = [...read(`${simulation}/goals.ts`).matchAll(/saw: '([^']+)'/g)].map(([, name]) => name!);
  const simulated = new Set(rows.flatMap((row) => [...(row[5] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name!)));

  it('has rows of fault, observation, record, consequence, test and simulation', () => {
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter((row) => row.length !== 6 || row.some((cell) => cell === ''))).toEqual([]);
  });

  it.each(rows)('%s: the test exists', (...row) => expectTests(row[4]!));

  it.each(rows)('%s: the simulation plays it, or it is said why not', (...row) => {
    expect(row[5]).toMatch(/^(`[^`]+`(, `[^`]+`)*|none: .+)$/);
  });

  it('names every class of faults of the simulation, and no other', () => {
    const classes = faultClasses();
    expect(classes.length).toBeGreaterThan(40);
    expect(classes.filter((name) => !simulated.has(name))).toEqual([]);
    expect([...simulated].filter((name) => !classes.includes(name) && !goals.includes(name))).toEqual([]);
  });
});
