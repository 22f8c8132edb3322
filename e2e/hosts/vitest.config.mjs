import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// As in the specs: our packages come from their sources.
const conditions = ['source', 'node', 'development|production'];

/** Specs that need hosts of their own, beside the code that they are about. Two cores carry few hosts: one file after the other. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['{libs,services}/**/*.hosts.spec.ts'],
    pool: 'forks',
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
