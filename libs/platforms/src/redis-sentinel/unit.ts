import { type Host, privileged } from '@understudy/hosts';
import type { OnDisk } from './session.js';
import type { NodeSettings } from './settings.js';
import type { Build, ConfigFile, Kept, Unit, Unseen } from './snapshot.js';

/** In the account's folder on the host: what a node's priority was before we took it away. */
export const NOTES = '.understudy/redis-sentinel';

/** One look as the account that we have on the host. Redis's configuration file is closed to it: the helper reads four lines of it. */
const LOOK = `
unit=$1 note=$2 what=$3
shift 3
printf 'boot=%s\\n' "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
systemctl show -p LoadState -p ActiveState -p SubState -p Result -p UnitFileState -- "$unit" || exit 1
[ ! -e "/etc/systemd/system/$unit.d/understudy-hold.conf" ] || echo held=yes
[ ! -f "$note" ] || sed 's/^/kept=/' "$note"
if lines=$("$@" 2>&1); then
  echo file=read
  printf '%s\\n' "$lines" | sed 's/^/line=/'
else
  printf 'unread=%s\\n' "$(printf '%s' "$lines" | tr '\\n' ' ' | cut -c1-300)"
fi
[ "$what" = all ] || exit 0
printf 'binary=%s\\n' "$(redis-server --version 2>/dev/null)"
dpkg-query -W -f 'package=\${Package} \${Version} \${db:Status-Abbrev}\\n' redis-server redis-tools redis-sentinel 2>/dev/null
exit 0`;

const MOST_OUTPUT_BYTES = 64 * 1024;
/** Redis's own, where its file does not say it. */
const DEFAULT_PRIORITY = 100;

/** Looks at one node's host. `known`: left out of the look, and told as it was. Never throws. */
export async function observeUnit(
  host: Host,
  { unit, node }: NodeSettings,
  known: OnDisk | undefined,
  deadlineMs: number,
): Promise<Unit | Unseen> {
  const look = await host.access.run({
    argv: ['sh', '-c', LOOK, 'look', unit, `${NOTES}/${node}`, known === undefined ? 'all' : 'unit', ...privileged('redis-look')],
    deadlineMs,
    maxOutputBytes: MOST_OUTPUT_BYTES,
  });
  if (look.status === 'unknown') return { seen: false, reason: look.reason };
  if (look.code !== 0)
    return {
      seen: false,
      reason: `systemd could not be asked: ${look.stderr.trim().slice(0, 200) || `ended with ${look.code}`}`,
    };
  return readUnit(look.stdout, unit, known);
}

/** Pure: what the look printed. A unit that systemd does not know is no answer: nothing could be held there. */
export function readUnit(output: string, name: string, known?: OnDisk): Unit | Unseen {
  const lines = output.split('\n').map((line) => line.trim());
  const values = (key: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  const value = (key: string): string => values(key).at(-1) ?? '';
  if (value('ActiveState') === '') return { seen: false, reason: 'systemd did not say how the unit is' };
  if (value('LoadState') === 'not-found')
    return { seen: false, reason: `there is no unit ${name} on this host; name it in the node's setting "unit"` };
  return {
    seen: true,
    name,
    activeState: value('ActiveState'),
    subState: value('SubState'),
    result: value('Result'),
    enabled: /^enabled/.test(value('UnitFileState')),
    held: values('held').length > 0,
    kept: readKept(values('kept')),
    file:
      value('file') === 'read' ? readFile(values('line')) : { read: false, reason: value('unread') || 'the look ended early' },
    bootId: /^[A-Za-z0-9._:-]{1,100}$/.exec(value('boot'))?.[0] ?? null,
    binary: known?.binary ?? readBuild(value('binary')),
    packages: known?.packages ?? Object.fromEntries(values('package').flatMap(packageOf)),
  };
}

/** `drain 100` */
function readKept(lines: readonly string[]): Kept | null {
  const [, purpose, priority] = /^(drain|switchover) (\d{1,9})$/.exec(lines[0] ?? '') ?? [];
  return purpose === undefined ? null : { purpose: purpose as Kept['purpose'], priority: Number(priority) };
}

/** The last line of a kind counts, as it does to Redis. */
function readFile(lines: readonly string[]): ConfigFile {
  const words = lines.map((line) =>
    line
      .toLowerCase()
      .split(/\s+/)
      .map((word) => word.replaceAll('"', '')),
  );
  const last = (...names: string[]): readonly string[] | undefined => words.filter(([name = '']) => names.includes(name)).at(-1);
  const [, priority] = last('replica-priority', 'slave-priority') ?? [];
  const [, address, port] = last('replicaof', 'slaveof') ?? [];
  const follows = address === undefined || address === 'no' ? null : { address, port: Number(port) };
  return { read: true, priority: priority === undefined ? DEFAULT_PRIORITY : Number(priority), follows };
}

/** `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=d81b8ff71cfb150e` */
function readBuild(text: string): Build | null {
  const version = /\bv=(\d+(?:\.\d+)+)/.exec(text)?.[1];
  return version === undefined ? null : { version, build: /\bbuild=(\w+)/.exec(text)?.[1] ?? null };
}

/** `redis-server 5:7.0.15-1~deb12u1 ii`; only what is fully installed. */
function packageOf(line: string): readonly (readonly [string, string])[] {
  const parts = /^([a-z0-9][a-z0-9+.-]{1,100}) ([A-Za-z0-9.+:~-]{1,100}) ii\s*$/.exec(line);
  return parts === null ? [] : [[parts[1] as string, parts[2] as string]];
}
