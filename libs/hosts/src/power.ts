import type { HostDefinition } from '@understudy/cluster';
import type { CommandResult } from './access/access.js';
import type { Host } from './host.js';
import { HostError } from './host-error.js';
import type { JobStart } from './jobs.js';
import type { Fence } from './journal.js';
import { HELPER_VERSION, privileged } from './privileged/command.js';

/**
 * Boot identity and reboot. A reboot is proven by a changed boot id and by nothing else: not by an exit code, not by
 * uptime. A reboot is a detached job; it runs until it dies with the host, also where
 * something delays the shutdown. Afterwards it is `lost` or has exited, and neither says whether the host came back; exited under
 * the same boot id it says that the host will not reboot any more.
 *
 * A `local` host is the orchestrator's own machine, which is never rebooted. The exception is a practice host: a folder
 * whose own script plays the reboot, named in `patching.reboot = { command, bootIdFile }`, both paths below its root. A host
 * behind SSH is rebooted by the privileged helper, where that is this release's.
 */
export type RebootStart = JobStart | { readonly status: 'refused'; readonly reason: string };

const BOOT_ID = /^[A-Za-z0-9._:-]{1,100}$/;
const KERNEL_BOOT_ID = '/proc/sys/kernel/random/boot_id';
const REBOOT_LIMIT_MS = 600_000;
const LOOK_DEADLINE_MS = 5_000;

/** Where this host's boot id lies, relative to its root; null for the kernel's own. @throws HostError for a path that leaves the root. */
export function bootIdFile(definition: HostDefinition): string | null {
  const file = definition.patching['reboot']?.['bootIdFile'];
  return file === undefined ? null : checkedBelowRoot(definition.slug, 'bootIdFile', file);
}

/** The host's boot id: another one than before is the proof of a reboot. */
export async function bootId(
  host: Host,
  deadlineMs: number,
): Promise<{ status: 'read'; bootId: string } | { status: 'unknown'; reason: string }> {
  const result = await host.access.run({ argv: ['cat', bootIdFile(host.definition) ?? KERNEL_BOOT_ID], deadlineMs });
  if (result.status === 'unknown') return result;
  const id = result.stdout.trim();
  if (result.code === 0 && BOOT_ID.test(id)) return { status: 'read', bootId: id };
  return {
    status: 'unknown',
    reason: `the boot id of ${host.definition.slug} could not be read: ${result.stderr.trim() || 'it is empty'}`,
  };
}

/** Starts the host's reboot as a detached job. Read `bootId` before, and again after, to know that it happened. */
export async function requestReboot(host: Host, jobId: string, fence: Fence): Promise<RebootStart> {
  const answer = await rebootRefusal(host, LOOK_DEADLINE_MS);
  if (answer.status !== 'allowed') return answer;
  const path = host.definition.patching['reboot']?.['command'] ?? '';
  const argv = host.definition.access.kind === 'ssh' ? privileged('reboot') : ([`./${path}`] as const);
  return host.jobs.start({ jobId, fence, argv, limitMs: REBOOT_LIMIT_MS });
}

/** Why this host may not be rebooted by us, in a sentence; null when it may. Looks only, so that it can be known beforehand. */
export async function rebootRefusal(
  host: Host,
  deadlineMs: number,
): Promise<{ status: 'allowed' } | { status: 'refused'; reason: string } | { status: 'unknown'; reason: string }> {
  const { slug, access, patching } = host.definition;
  if (access.kind === 'ssh') return helperRefusal(host, deadlineMs);
  const command = patching['reboot']?.['command'];
  if (command === undefined || bootIdFile(host.definition) === null) {
    return refused(
      `Host ${slug} is reached as "local": it is the machine that Understudy itself runs on, which is never rebooted. ` +
        'Run Understudy elsewhere, or, for a practice host, name its own script and boot id file in patching.reboot.',
    );
  }
  const path = checkedBelowRoot(slug, 'command', command);
  const look = await host.access.run({ argv: ['sh', '-c', BELOW_ROOT, 'look', path], deadlineMs });
  if (look.status === 'unknown') return look;
  return look.code === 0 ? { status: 'allowed' } : refused(`Host ${slug} cannot be rebooted: ${reasonOf(look)}`);
}

/** Whether the helper that would do it is there and is this release's. */
async function helperRefusal(host: Host, deadlineMs: number): ReturnType<typeof rebootRefusal> {
  const { slug } = host.definition;
  const look = await host.access.run({ argv: privileged('version'), deadlineMs });
  if (look.status === 'unknown') return look;
  if (look.code === 0 && look.stdout.trim() === HELPER_VERSION) return { status: 'allowed' };
  const why = look.code === 0 ? 'its helper is of another release' : reasonOf(look);
  return refused(`Host ${slug} cannot be rebooted: ${why}. Prepare it with the script that "npm run host:prepare" prints.`);
}

/** The script is a real file below the root, not a link out of it. */
const BELOW_ROOT = `
say() { printf '%s\\n' "$1" >&2; exit 1; }
[ -f "$1" ] && [ ! -L "$1" ] || say "$1 is not a file below $PWD"
[ -x "$1" ] || say "$1 may not be run"
folder=$(cd "$(dirname "$1")" && pwd -P) || say "$1 has no folder"
root=$(pwd -P)
case $folder/ in "$root"/*) exit 0 ;; *) say "$1 leads out of $root" ;; esac
`;

function checkedBelowRoot(slug: string, setting: string, path: string): string {
  if (path === '' || path.startsWith('/') || path.startsWith('-') || path.split('/').includes('..')) {
    throw new HostError(
      'host-setting-invalid',
      `patching.reboot.${setting} of host ${slug} is "${path}". Give a path below the host's root folder.`,
    );
  }
  return path;
}

function refused(reason: string): { readonly status: 'refused'; readonly reason: string } {
  return { status: 'refused', reason };
}

function reasonOf(result: Extract<CommandResult, { status: 'exited' }>): string {
  return result.stderr.trim() || `the look at its script ended with ${result.code}`;
}
