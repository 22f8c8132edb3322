import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cleanup } from './cleanup.js';
import { endProcessesOf, processesOf } from './processes.js';

describe('undoing', () => {
  it('goes backwards, once, and past what fails or hangs', async () => {
    const done: string[] = [];
    const cleanup = new Cleanup();
    cleanup.defer('first', async () => void done.push('first'));
    cleanup.defer('broken', async () => Promise.reject(new Error('no')));
    cleanup.defer('hung', () => new Promise(() => undefined));
    cleanup.defer('last', async () => void done.push('last'));
    const [one, two] = await Promise.all([cleanup.run(50), cleanup.run(50)]);
    expect(done).toEqual(['last', 'first']);
    expect(one).toEqual(['hung: took longer than 50 ms', 'broken: no']);
    expect(two).toBe(one);
  });

  it('ends detached processes of a folder, and no others', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'understudy-cleanup-'));
    const mine = spawn('sleep', ['60'], { detached: true, stdio: 'ignore', cwd: folder });
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    const exited = once(mine, 'exit');
    try {
      await once(mine, 'spawn');
      expect(await processesOf(folder)).toContain(mine.pid);
      expect(await endProcessesOf(folder)).toEqual([]);
      await exited;
      expect(other.exitCode).toBeNull();
      expect(other.signalCode).toBeNull();
    } finally {
      other.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
