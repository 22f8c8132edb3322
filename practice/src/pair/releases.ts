import { cpSync, linkSync, lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** One release of PostgreSQL as it lies in an npm package: the folder that holds `bin`, `lib` and `share`. */
export interface Release {
  /** e.g. `17.9` */
  readonly version: string;
  /** Absolute path of the package's `native` folder. */
  readonly nativeFolder: string;
}

export function releaseFolderName(version: string): string {
  return `postgresql-${version}`;
}

/**
 * Copies a release once per cluster, to where PostgreSQL's account can read it (60 MB). The package itself may lie
 * in a home folder that nobody else may enter. Nodes get their own tree by `linkRelease`.
 */
export function copyRelease(release: Release, store: string): string {
  const folder = join(store, releaseFolderName(release.version));
  cpSync(release.nativeFolder, folder, { recursive: true, verbatimSymlinks: true, mode: 0 });
  return folder;
}

/**
 * Gives a node its own tree of a release: own folders and links, files shared by hard links. So a release costs no
 * space per node, and yet removing or replacing a file on one node changes nothing on another, as on real hosts.
 */
export function linkRelease(source: string, target: string): void {
  mkdirSync(target, { recursive: true, mode: 0o755 });
  for (const name of readdirSync(source)) {
    const from = join(source, name);
    const to = join(target, name);
    const found = lstatSync(from);
    if (found.isDirectory()) linkRelease(from, to);
    else if (found.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
    else linkSync(from, to);
  }
}

/** Points `current` of a node at a release it has, atomically: a new link is made and renamed over the old one. */
export function flipCurrent(nodeRoot: string, version: string): void {
  const fresh = join(nodeRoot, '.current.new');
  symlinkSync(join('releases', releaseFolderName(version)), fresh);
  renameSync(fresh, join(nodeRoot, 'current'));
}
