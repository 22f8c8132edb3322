import type { Host } from '@understudy/hosts';
import type { Stack, UnitState, Unseen } from './snapshot.js';

/** One look, as the account that we have on the host, which needs no privilege for it. It changes nothing. */
const LOOK = `
printf 'boot=%s\\n' "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
for unit in pacemaker corosync; do
  printf 'unit=%s\\n' "$unit"
  systemctl show -p LoadState -p ActiveState -p SubState -p Result -p UnitFileState -- "$unit.service" || exit 1
  [ ! -e "/etc/systemd/system/$unit.service.d/understudy-hold.conf" ] || echo held=yes
done
[ ! -e /etc/understudy/pacemaker/standby ] || echo standby=ours
printf 'conf=%s\\n' "$(sha256sum /etc/corosync/corosync.conf 2>/dev/null)"
dpkg-query -W -f 'package=\${Package} \${Version} \${db:Status-Abbrev}\\n' pacemaker corosync 2>/dev/null
exit 0`;

const MOST_OUTPUT_BYTES = 64 * 1024;

/** Looks at one node's host. Never throws. */
export async function observeStack(host: Host, deadlineMs: number): Promise<Stack | Unseen> {
  const look = await host.access.run({ argv: ['sh', '-c', LOOK, 'look'], deadlineMs, maxOutputBytes: MOST_OUTPUT_BYTES });
  if (look.status === 'unknown') return { seen: false, reason: look.reason };
  if (look.code !== 0)
    return {
      seen: false,
      reason: `systemd could not be asked: ${look.stderr.trim().slice(0, 200) || `ended with ${look.code}`}`,
    };
  return readStack(look.stdout);
}

/** Pure: what the look printed. A host without the two units is no node of such a cluster. */
export function readStack(output: string): Stack | Unseen {
  const [head = '', pacemaker = '', corosync = ''] = output.split(/^unit=.*$/m);
  const units = [pacemaker, corosync].map(readUnit);
  const [first, second] = units;
  if (first === undefined || second === undefined)
    return { seen: false, reason: 'this host has no units pacemaker.service and corosync.service' };
  return {
    seen: true,
    pacemaker: first,
    corosync: second,
    standbyIsOurs: /^standby=ours$/m.test(corosync),
    bootId: /^boot=([A-Za-z0-9._:-]{1,100})\s*$/m.exec(head)?.[1] ?? null,
    packages: Object.fromEntries([...corosync.matchAll(PACKAGE)].map((parts) => [parts[1] as string, parts[2] as string])),
    corosyncConf: /^conf=([0-9a-f]{64})\b/m.exec(corosync)?.[1] ?? null,
  };
}

/** `corosync 3.1.7-1+deb12u1 ii`; only what is fully installed. */
const PACKAGE = /^package=([a-z0-9][a-z0-9+.-]{1,100}) ([A-Za-z0-9.+:~-]{1,100}) ii\s*$/gm;

function readUnit(text: string): UnitState | undefined {
  const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  if (value('ActiveState') === '' || value('LoadState') === 'not-found') return undefined;
  return {
    activeState: value('ActiveState'),
    subState: value('SubState'),
    result: value('Result'),
    enabled: /^enabled/.test(value('UnitFileState')),
    held: value('held') === 'yes',
  };
}
