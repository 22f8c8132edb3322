import { defineConfig } from 'vitest/config';

// Specs import our packages from source: every project's `exports` has a `source` condition.
const conditions = ['source', 'node', 'development|production'];

const NEVER = ['**/node_modules/**', '**/dist/**'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'specs',
          include: ['{libs,services,practice,bench,tools}/**/*.spec.ts'],
          // Those need hosts of their own: `npm run e2e:hosts`.
          exclude: [...NEVER, '**/*.hosts.spec.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Whole windows under load have the machine to themselves: they are about time.
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.spec.ts'],
          // The promises of the distributed shape need what was built: `npm run e2e`. Hosts: as above.
          exclude: [...NEVER, 'e2e/scenarios/distributed/**', '**/*.hosts.spec.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
    coverage: {
      provider: 'custom',
      customProviderModule: './tools/domain-coverage.mjs',
      include: ['services/*/domain/**/*.ts'],
      exclude: ['**/*.spec.ts', '**/dist/**', '**/samples/**', '**/fixtures/**'],
      reporter: [['text', { skipFull: true }]],
      reportsDirectory: '.cache/coverage',
      // Lines too: a file that no spec loads has no branches to miss.
      thresholds: { branches: 100, functions: 100, lines: 100 },
    },
  },
});
