import { execFileSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';

/** The account that PostgreSQL runs as. Undefined: the caller's own (PostgreSQL refuses root, and nobody else may change). */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * As root, PostgreSQL needs an unprivileged account: `postgres` where it exists, else `nobody`. No account is made.
 * @throws when root finds neither in /etc/passwd.
 */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const fields = passwd.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and neither "postgres" nor "nobody" exists in /etc/passwd. Run as another user.',
  );
}

/** Gives files to the account; nothing to do where the caller's own account runs PostgreSQL. */
export function give(account: Account | undefined, ...paths: readonly string[]): void {
  if (account === undefined) return;
  for (const path of paths) chownSync(path, account.uid, account.gid);
}

export interface RunOptions {
  readonly account: Account | undefined;
  readonly timeoutMs: number;
  readonly cwd?: string;
}

/** Runs one program to its end as the account and answers its output. @throws with its output when it fails or is late. */
export function run(program: string, args: readonly string[], options: RunOptions): string {
  return execFileSync(program, [...args], {
    ...(options.account ?? {}),
    cwd: options.cwd ?? '/',
    timeout: options.timeoutMs,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
