/** Stops a process of the product exactly where a fault would hurt most. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inject } from 'vitest';
import { REPOSITORY } from '../product.js';
import { waitFor } from './waiting.js';

const PRELOAD = join(REPOSITORY, 'e2e/support/distributed/places.mjs');

/** The named places of the processes that the stage starts meanwhile. */
export class Places {
  private constructor(
    private readonly folder: string,
    private readonly before: string | undefined,
  ) {}

  /** From now until `leave`, every process of the stage is started with the preload. */
  static inEveryProcess(): Places {
    const folder = mkdtempSync(join(inject('room'), 'places-'));
    const preload = pathToFileURL(PRELOAD);
    preload.searchParams.set('folder', folder);
    const before = process.env['NODE_OPTIONS'];
    process.env['NODE_OPTIONS'] = `${before ?? ''} --import ${preload.href}`.trim();
    return new Places(folder, before);
  }

  leave(): void {
    if (this.before === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = this.before;
  }

  /** The next time that the process comes to a place whose name and detail begin with this, it stops itself. */
  stopAt(pid: number, place: string): void {
    rmSync(this.file(pid, 'stopped'), { force: true });
    writeFileSync(this.file(pid, 'new'), place);
    renameSync(this.file(pid, 'new'), this.file(pid, 'stop-at'));
  }

  /** Waits until the process has stopped there; answers the place. */
  stopped(pid: number, limitMs: number): Promise<string> {
    return waitFor(`process ${pid} to stop at its place`, limitMs, () => {
      const place = readFileSync(this.file(pid, 'stopped'), 'utf8');
      return isStopped(pid) ? place : undefined;
    });
  }

  private file(pid: number, what: string): string {
    return join(this.folder, `${pid}.${what}`);
  }
}

/** proc(5): the state follows the command's name in parentheses; T = stopped by a signal. */
function isStopped(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}
