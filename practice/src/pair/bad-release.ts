import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PracticeNode } from './model.js';
import { releaseFolderName } from './releases.js';

/**
 * Makes a release that lies ready on a host a bad build: its server says which version it is and ends when it is started. A bad
 * build is on every host, whichever standby comes first.
 */
export function breakRelease({ root }: Pick<PracticeNode, 'root'>, version: string): void {
  const server = join(root, 'releases', releaseFolderName(version), 'bin', 'postgres');
  const script = `#!/bin/sh
case "$1" in
  -V|--version) echo "postgres (PostgreSQL) ${version}"; exit 0 ;;
esac
echo "postgres: symbol lookup error: undefined symbol: PQresultStatus" >&2
exit 127
`;
  writeFileSync(`${server}.new`, script);
  chmodSync(`${server}.new`, 0o755);
  renameSync(`${server}.new`, server);
}
