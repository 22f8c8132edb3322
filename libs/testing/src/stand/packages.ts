import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeBelow } from './files.js';
import { shell } from './shell.js';

/** A package made for a test, of a few kilobytes. */
export interface MadePackage {
  readonly name: string;
  readonly version: string;
  /** `all` where it is not said. */
  readonly architecture?: string;
  readonly depends?: string;
  /** Fields of its control file beside the usual ones, such as `Breaks: other (<< 2)`. */
  readonly fields?: readonly string[];
  /** Shell script, run before it is unpacked. */
  readonly preinst?: string;
  /** Shell script, run when it is configured. */
  readonly postinst?: string;
  /** Files by their absolute paths. */
  readonly files?: Readonly<Record<string, string>>;
  readonly conffiles?: readonly string[];
}

/** Builds packages into a folder and indexes it, as an archive that apt reads by `deb [trusted=yes] file:FOLDER ./`. */
export async function makeArchive(folder: string, packages: readonly MadePackage[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const made of packages) await build(folder, made);
  await shell(['sh', '-c', 'apt-ftparchive packages . > Packages'], { cwd: folder });
}

async function build(
  folder: string,
  { name, version, architecture = 'all', depends, fields = [], preinst, postinst, files = {}, conffiles = [] }: MadePackage,
): Promise<void> {
  const root = join(folder, `.build-${name}-${version}-${architecture}`);
  const control = [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    'Maintainer: Understudy <nobody@example.invalid>',
    ...(depends === undefined ? [] : [`Depends: ${depends}`]),
    ...fields,
    `Description: ${name} for a test`,
  ];
  writeBelow(root, 'DEBIAN/control', `${control.join('\n')}\n`);
  for (const [script, text] of Object.entries({ preinst, postinst }))
    if (text !== undefined) writeBelow(root, `DEBIAN/${script}`, `#!/bin/sh\nset -e\n${text}\n`, 0o755);
  if (conffiles.length > 0) writeBelow(root, 'DEBIAN/conffiles', conffiles.map((path) => `${path}\n`).join(''));
  for (const [path, text] of Object.entries(files)) writeBelow(root, path, text);
  await shell(['dpkg-deb', '--root-owner-group', '-b', root, folder]);
  await shell(['rm', '-r', root]);
}
