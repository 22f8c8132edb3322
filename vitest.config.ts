import { defineConfig } from 'vitest/config';

// Specs import our packages from source: every project's `exports` has a `source` condition.
const conditions = ['source', 'node', 'development|production'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['{libs,services,practice,bench,e2e,tools}/**/*.spec.ts'],
    // The promises of the distributed shape need what was built: `npm run e2e`.
    exclude: ['**/node_modules/**', '**/dist/**', 'e2e/scenarios/distributed/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
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
