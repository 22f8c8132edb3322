/** What is planted or taken away, to see that a test notices it, has to fit the code as it is. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { listFiles, ROOT } from './workspace.js';

const patches = listFiles().filter((path) => path.endsWith('.patch'));

describe('patches', () => {
  it('are there', () => expect(patches.length).toBeGreaterThan(50));

  it.each(patches)('%s applies', (path) => {
    const { status, stderr } = spawnSync('git', ['apply', '--check', path], { cwd: ROOT, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});
