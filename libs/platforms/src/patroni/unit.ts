import type { Host } from '@understudy/hosts';
import type { NodeSettings } from './settings.js';
import type { Unit, Unseen } from './snapshot.js';

/**
 * One look, as the account that we have on the host, which needs no privilege for it. It changes nothing. What we leave
 * on a host is laid there by the privileged helper: a drop-in that holds the unit, and a folder with a second file for
 * Patroni that carries the tag.
 */
const LOOK = `
unit=$1 bin=$2 what=$3
printf 'boot=%s\\n' "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
systemctl show -p LoadState -p ActiveState -p SubState -p Result -p UnitFileState -- "$unit" || exit 1
folder=/etc/systemd/system/$unit.d
for f in "$folder"/understudy-*; do
  [ -e "$f" ] || continue
  case $f in */understudy-hold.conf) echo held=yes ;; *) echo tagged=yes ;; esac
done
for f in /etc/understudy/patroni.d/*; do
  [ -f "$f" ] && [ ! -L "$f" ] && echo tagged=yes
done
sed -n 's/^ *[0-9]*: [0-9A-F]*:\\([0-9A-F]*\\) [0-9A-F:]* 0A .*/listening=\\1/p' /proc/net/tcp /proc/net/tcp6 2>/dev/null
[ "$what" = all ] || exit 0
for p in "$bin/postgres" /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres /usr/bin/postgres; do
  [ -x "$p" ] && printf 'binary=%s\\n' "$("$p" --version 2>/dev/null)"
done
dpkg-query -W -f 'package=\${Package} \${Version} \${db:Status-Abbrev}\\n' 'postgresql-[0-9]*' patroni etcd-server 2>/dev/null
exit 0`;

const MOST_OUTPUT_BYTES = 64 * 1024;

/** What does not change within a verb, so that a second look need not ask for it. */
export type OnDisk = Pick<Unit, 'binaries' | 'packages'>;

/** Looks at one node's host. `known`: left out of the look, and told as it was. Never throws. */
export async function observeUnit(
  host: Host,
  { unit, binFolder, port }: NodeSettings,
  known: OnDisk | undefined,
  deadlineMs: number,
): Promise<Unit | Unseen> {
  const look = await host.access.run({
    argv: ['sh', '-c', LOOK, 'look', unit, binFolder ?? '/nowhere', known === undefined ? 'all' : 'unit'],
    deadlineMs,
    maxOutputBytes: MOST_OUTPUT_BYTES,
  });
  if (look.status === 'unknown') return { seen: false, reason: look.reason };
  if (look.code !== 0)
    return {
      seen: false,
      reason: `systemd could not be asked: ${look.stderr.trim().slice(0, 200) || `ended with ${look.code}`}`,
    };
  return readUnit(look.stdout, { name: unit, port }, known);
}

/** Pure: what the look printed. A unit that systemd does not know is no answer: nothing could be held there. */
export function readUnit(
  output: string,
  { name, port }: { readonly name: string; readonly port: number },
  known?: OnDisk,
): Unit | Unseen {
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
    tagged: values('tagged').length > 0,
    listens: values('listening').some((hex) => Number.parseInt(hex, 16) === port),
    bootId: /^[A-Za-z0-9._:-]{1,100}$/.exec(value('boot'))?.[0] ?? null,
    binaries: known?.binaries ?? values('binary').flatMap((text) => /(\d+(?:\.\d+)+)/.exec(text)?.[1] ?? []),
    packages: known?.packages ?? Object.fromEntries(values('package').flatMap(packageOf)),
  };
}

/** `postgresql-15 15.20-0+deb12u1 ii`; only what is fully installed. */
function packageOf(line: string): readonly (readonly [string, string])[] {
  const parts = /^([a-z0-9][a-z0-9+.-]{1,100}) ([A-Za-z0-9.+:~-]{1,100}) ii\s*$/.exec(line);
  return parts === null ? [] : [[parts[1] as string, parts[2] as string]];
}
