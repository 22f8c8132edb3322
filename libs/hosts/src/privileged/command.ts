import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The one program that our user on a host may run as root. */
export const HELPER = '/usr/local/sbin/understudy-helper';

/** The helper's text, as a prepared host has it: one file, whose parts lie beside the sources, also for `dist`. */
const PARTS = ['helper.sh', 'helper-packages.sh', 'helper-pacemaker.sh', 'helper-verbs.sh'];
export const HELPER_PROGRAM = PARTS.map((part) =>
  readFileSync(new URL(`../../src/privileged/${part}`, import.meta.url), 'utf8'),
).join('');

/** What the installed helper answers to `version` where it is this one: SHA-256 of its text, in lower-case hex. */
export const HELPER_VERSION = createHash('sha256').update(HELPER_PROGRAM).digest('hex');

/** What it can be asked for. Each checks its arguments itself, whoever asks. */
export type PrivilegedVerb =
  | 'version'
  | 'apt-refresh'
  | 'apt-keep'
  | 'apt-install'
  | 'apt-return'
  | 'apt-repair'
  | 'unit-hold'
  | 'unit-free'
  | 'unit-start'
  | 'unit-stop'
  | 'patroni-tag'
  | 'redis-look'
  | 'pacemaker-look'
  | 'pacemaker-standby'
  | 'pacemaker-ban'
  | 'pacemaker-unban'
  | 'pacemaker-move'
  | 'pacemaker-clear'
  | 'pacemaker-trial'
  | 'reboot';

/** The command that asks for it, without a password and without a terminal. */
export function privileged(verb: PrivilegedVerb, ...args: readonly string[]): readonly [string, ...string[]] {
  return ['sudo', '-n', HELPER, verb, ...args];
}
