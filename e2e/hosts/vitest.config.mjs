import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('../..', import.meta.url));
// As in the specs: our packages come from their sources.
const conditions = ['source', 'node', 'development|production'];
const limits = { testTimeout: 300_000, hookTimeout: 300_000 };

/** What needs hosts of its own. Two cores carry few hosts: one file after the other. */
export default defineConfig({
  root,
  test: {
    pool: 'forks',
    fileParallelism: false,
    maxWorkers: 1,
    projects: [
      {
        // Specs beside the code that they are about.
        root,
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { name: 'parts', include: ['{libs,services}/**/*.hosts.spec.ts'], ...limits },
      },
      // Whole windows, on what was built.
      { root, test: { name: 'windows', include: ['e2e/hosts/**/*.hosts.spec.ts'], ...limits } },
    ],
  },
});
