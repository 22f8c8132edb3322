import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isReachable, serverUser } from '@understudy/runtime';
import type { Cleanup } from './cleanup.js';
import { endProcessesOf } from './processes.js';

/**
 * Makes the demo's one folder and promises its removal, with every process that belongs to it. As root, PostgreSQL
 * runs under another account, so the folder must lie where that account can go.
 */
export function makeWorkspace(cleanup: Cleanup): string {
  const user = serverUser();
  const parent = [tmpdir(), '/tmp', '/var/tmp'].find((candidate) => isReachable(candidate, user)) ?? tmpdir();
  const folder = mkdtempSync(join(parent, 'understudy-demo-'));
  chmodSync(folder, 0o711);
  cleanup.defer(`folder ${folder}`, async () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  cleanup.defer(`processes of ${folder}`, async () => {
    const left = await endProcessesOf(folder);
    if (left.length > 0) throw new Error(`still running: ${left.join(', ')}`);
  });
  return folder;
}
