/** What the checks of this folder ask about the tree: its files, its projects, a copy of it. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Tracked files and new ones that git does not ignore, as paths from the root; files deleted on disk are left out. */
export function listFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' });
  return [...new Set(listed.split('\n'))].filter((path) => path !== '' && existsSync(join(ROOT, path))).sort();
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export interface Project {
  /** Folder from the root, such as `services/drift/domain`. */
  readonly folder: string;
  readonly name: string;
  readonly tags: readonly string[];
}

/** Every workspace project: a folder below the root whose package.json is listed by git. */
export function listProjects(files: readonly string[]): Project[] {
  return files
    .filter((path) => path.endsWith('/package.json'))
    .map((path) => {
      const manifest = JSON.parse(read(path)) as { name: string; nx?: { tags?: string[] } };
      return { folder: dirname(path), name: manifest.name, tags: manifest.nx?.tags ?? [] };
    });
}

/**
 * A cold checkout in `target`: the listed files, nothing built, nothing cached. Third-party packages are linked, not copied;
 * our own packages point into the copy, as `npm ci` would have it.
 */
export function copyCold(target: string): void {
  const files = listFiles();
  for (const path of files) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(join(ROOT, path), join(target, path));
  }
  const installed = join(ROOT, 'node_modules');
  mkdirSync(join(target, 'node_modules', '@understudy'), { recursive: true });
  for (const entry of readdirSync(installed).filter((name) => name !== '@understudy')) {
    symlinkSync(join(installed, entry), join(target, 'node_modules', entry));
  }
  for (const project of listProjects(files)) {
    symlinkSync(join(target, project.folder), join(target, 'node_modules', project.name));
  }
}
