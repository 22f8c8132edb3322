/**
 * The rules a machine can see: `npm run lint`, or `npx eslint FOLDER`. The boundary rule needs Nx's project graph, and on a
 * cold checkout it would skip itself with a warning and succeed; hence the first statement below. `tools/boundaries.spec.ts`
 * plants violations in a cold copy and expects each to be reported. One process for the whole workspace: the types of a library
 * are worked out once, not once for each project that uses it.
 */
import { builtinModules } from 'node:module';
import { createProjectGraphAsync } from '@nx/devkit';
import nx from '@nx/eslint-plugin';
import { builtinRules } from 'eslint/use-at-your-own-risk';
import tseslint from 'typescript-eslint';

await createProjectGraphAsync({ exitOnError: true });

const KERNEL = ['type:kernel'];
const LIBRARIES = ['type:kernel', 'type:contract', 'type:infra'];
const EVERYTHING = ['*'];

/** What each tag may import, ARCHITECTURE.md "Boundaries"; `npm: []` means no package at all. */
const IMPORTS = {
  'type:kernel': { tags: KERNEL, npm: [] },
  'type:domain': { tags: KERNEL, npm: [] },
  'type:contract': { tags: ['type:contract'], npm: ['@bufbuild/protobuf'] },
  'type:infra': { tags: LIBRARIES },
  'type:service': { tags: [...LIBRARIES, 'type:domain'] },
  'type:app': { tags: [...LIBRARIES, 'type:domain', 'type:service', 'type:app'] },
  'type:testing': { tags: EVERYTHING },
  'type:e2e': { tags: ['type:contract', 'type:testing'] },
};
const SCOPES = ['inventory', 'drift', 'orchestrator', 'notification'];

function boundaries({ specs }) {
  const byType = Object.entries(IMPORTS).map(([sourceTag, { tags, npm }]) => ({
    sourceTag,
    onlyDependOnLibsWithTags: specs ? [...tags, 'type:testing'] : tags,
    ...(npm === undefined || specs ? {} : { allowedExternalImports: npm }),
  }));
  const byScope = SCOPES.map((scope) => ({
    sourceTag: `scope:${scope}`,
    onlyDependOnLibsWithTags: [`scope:${scope}`, 'scope:shared'],
  }));
  const shared = {
    sourceTag: 'scope:shared',
    onlyDependOnLibsWithTags: ['scope:shared'],
  };
  return [
    'error',
    {
      allow: [],
      // Specs of a library use libs/testing, which uses that library. Real cycles are refused by `tsc -b`.
      ignoredCircularDependencies: [['*', '@understudy/testing']],
      checkDynamicDependenciesExceptions: ['.*'],
      depConstraints: [
        ...byType,
        ...byScope,
        ...(specs ? [] : [shared]),
        { sourceTag: 'scope:app', onlyDependOnLibsWithTags: ['*'] },
      ],
    },
  ];
}

/** ESLint's own rule, counting decisions: a default (`??`, `= value`) and a look that may find nothing (`?.`) are none. */
const complexity = builtinRules.get('complexity');
const decisions = {
  ...complexity,
  create(context) {
    const { LogicalExpression, ...listeners } = complexity.create(context);
    for (const uncounted of ['AssignmentPattern', 'MemberExpression', 'CallExpression']) delete listeners[uncounted];
    return { ...listeners, LogicalExpression: (node) => node.operator !== '??' && LogicalExpression(node) };
  },
};

const SPECS = ['**/*.spec.ts', '**/contract.ts'];
const SOURCES = ['**/*.ts'];
const PURE = [
  'services/*/domain/**/*.ts',
  'services/orchestrator/simulation/**/*.ts',
  'libs/{cluster,decider,simulated-cluster}/src/**/*.ts',
];
const COMMAND_LINES = [
  'practice/**/*.ts',
  'bench/**/*.ts',
  'e2e/**/*.ts',
  'tools/**/*.ts',
  'services/*/src/{main,cli,backup,migrate,restore}.ts',
];

const KAFKA = { name: 'kafkajs', message: 'Kafka is spoken by libs/messaging alone; use its port.' };
const BUILTINS = `^(node:.*|(${builtinModules.filter((name) => /^[a-z]/.test(name)).join('|')})(/.*)?)$`;

const SYNTAX = [
  { selector: 'ExportDefaultDeclaration', message: 'Name what you export: a default export has as many names as importers.' },
  {
    selector: 'MethodDefinition[kind="constructor"] > FunctionExpression[params.length>4]',
    message: 'A class takes four things at most; one that needs more is two classes.',
  },
];
const CLOCK = { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'The time comes in as data.' };

const typed = {
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/only-throw-error': 'error',
  '@typescript-eslint/prefer-promise-reject-errors': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
  '@typescript-eslint/no-unnecessary-type-assertion': 'error',
  '@typescript-eslint/ban-ts-comment': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
  // Nest modules are classes that hold only a decorator.
  '@typescript-eslint/no-extraneous-class': 'off',
};

export default tseslint.config(
  {
    ignores: ['**/dist/**', '**/node_modules/**', '.nx/**', '.cache/**', 'coverage/**', 'libs/contracts/src/gen/**'],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: SOURCES,
    extends: [tseslint.configs.recommended],
    plugins: { '@nx': nx, understudy: { rules: { decisions } } },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...typed,
      '@nx/enforce-module-boundaries': boundaries({ specs: false }),
      'no-restricted-imports': ['error', { paths: [KAFKA] }],
      'no-restricted-syntax': ['error', ...SYNTAX],
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 70 }],
      // A switch over a union is one decision, however many members it has.
      'understudy/decisions': ['error', { max: 10, variant: 'modified' }],
      'no-console': 'error',
      'no-eval': 'error',
      eqeqeq: ['error', 'always'],
    },
  },
  {
    files: PURE,
    ignores: SPECS,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [KAFKA],
          patterns: [{ regex: BUILTINS, message: 'A domain imports nothing of the machine it runs on.' }],
        },
      ],
      'no-restricted-globals': [
        'error',
        ...[
          'process',
          'console',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'queueMicrotask',
          'fetch',
          'performance',
          'crypto',
          'Buffer',
          'globalThis',
        ].map((name) => ({
          name,
          message: 'A domain has no machine under it: time, ids, chance and observations come in as data.',
        })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'The time comes in as data.' },
        { object: 'Math', property: 'random', message: 'Chance comes in as data.' },
      ],
      'no-restricted-syntax': [
        'error',
        ...SYNTAX,
        CLOCK,
        { selector: 'CallExpression[callee.name="Date"]', message: CLOCK.message },
      ],
    },
  },
  // Who proves something from outside, and whom a benchmark is compared with, speak Kafka with none of our code.
  {
    files: ['libs/messaging/src/**/*.ts', 'e2e/support/distributed/kafka.ts', 'bench/src/kafka.ts'],
    rules: { 'no-restricted-imports': 'off' },
  },
  { files: COMMAND_LINES, rules: { 'no-console': 'off' } },
  {
    files: [...SPECS, 'libs/testing/**/*.ts', 'e2e/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': boundaries({ specs: true }),
      // A describe block holds many tests; each test is short.
      'max-lines-per-function': 'off',
    },
  },
  { files: ['vitest.config.ts', 'tools/**/*.ts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['**/*.mjs'],
    languageOptions: { ecmaVersion: 2024, sourceType: 'module' },
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 70 }],
      complexity: ['error', { max: 10, variant: 'modified' }],
      'no-unused-vars': 'error',
    },
  },
);
