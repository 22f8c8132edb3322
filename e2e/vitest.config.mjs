import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Files that look at one undisturbed window come first and one after the other, so that it is played once. */
const CALM = ['happy-window', 'linked-traces', 'replay', 'webhook-away'];

class InOrder {
  shard(files) {
    return files;
  }
  sort(files) {
    const rank = ({ moduleId }) => {
      const name = basename(moduleId, '.spec.ts');
      return `${CALM.includes(name) ? CALM.indexOf(name) : 'z'} ${name}`;
    };
    return [...files].sort((a, b) => rank(a).localeCompare(rank(b)));
  }
}

/** The promises of the distributed shape, on what was built: services run from `dist`, and so does what starts them. */
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['e2e/scenarios/distributed/**/*.spec.ts'],
    globalSetup: ['e2e/support/distributed/room.ts'],
    pool: 'forks',
    isolate: false,
    fileParallelism: false,
    maxWorkers: 1,
    sequence: { sequencer: InOrder },
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 120_000,
  },
});
