import type { Evidence } from '../platform.js';
import { observePostgres, type Session, type SessionNode } from './observe.js';
import type { PostgresSnapshot } from './snapshot.js';
import { answering, lagBytes, notPromotable, streamsFrom, writableOnes } from './topology.js';

/** Marks of a virtual machine: the processor's own flag, and what the board says it is. Containers share their host's. */
const HYPERVISOR_LOOK = `
grep -q -m 1 '^flags.*[[:space:]]hypervisor' /proc/cpuinfo 2>/dev/null && echo 'cpu=/proc/cpuinfo carries the flag "hypervisor"'
for f in sys_vendor product_name; do
  [ -r /sys/class/dmi/id/$f ] && printf 'dmi=/sys/class/dmi/id/%s says "%s"\\n' "$f" "$(cat /sys/class/dmi/id/$f)"
done
exit 0`;
const VIRTUAL_BOARDS =
  /vmware|virtual|kvm|qemu|xen|hyper-v|microsoft corporation|amazon ec2|google compute|openstack|proxmox|bochs/i;

/**
 * What was seen that speaks for an HA layer. `application` needs a standby that was seen streaming and could be
 * promoted; what was declared counts for nothing here.
 */
export async function collectEvidence(session: Session, deadlineMs: number): Promise<readonly Evidence[]> {
  const snapshot = await observePostgres(session, deadlineMs);
  const hypervisor = (await Promise.all(session.nodes.map((node) => hypervisorOf(node, deadlineMs)))).flat();
  return [...replicationEvidence(snapshot), ...hypervisor];
}

/** Pure: what the databases themselves show. */
export function replicationEvidence(snapshot: PostgresSnapshot): readonly Evidence[] {
  const actives = writableOnes(snapshot);
  const [active] = actives;
  if (active === undefined)
    return [
      {
        supports: 'none',
        detail: 'No node of the cluster was seen to accept writes, so nothing shows that a workload is protected.',
      },
    ];
  if (actives.length > 1) {
    return [
      {
        supports: 'none',
        detail: `More than one node accepts writes (${actives.map((node) => node.node).join(', ')}): these are separate databases, not one cluster.`,
      },
    ];
  }
  const standbys = snapshot.nodes.filter((node) => node !== active && streamsFrom(node, active));
  const fit = standbys.filter((node) => notPromotable(node) === undefined);
  if (fit.length > 0) {
    return fit.map((node) => ({
      supports: 'application' as const,
      detail: `Node ${node.node} streams from ${active.node} on timeline ${answering(node)?.timeline}, ${lagBytes(node, active)} bytes behind, and can be promoted.`,
    }));
  }
  const seen = standbys.map((node) => `${node.node} streams, but ${notPromotable(node)}`);
  const others =
    snapshot.nodes.length === 1
      ? 'it is the only node of the cluster'
      : seen.join('; ') || 'none of the other nodes streams from it';
  const senders = answering(active)?.senders.length ?? 0;
  return [
    {
      supports: 'none',
      detail: `Node ${active.node} accepts writes and no standby that could take over was seen: ${others}. It has ${senders} WAL sender(s).`,
    },
  ];
}

async function hypervisorOf(node: SessionNode, deadlineMs: number): Promise<readonly Evidence[]> {
  const look = await node.host.access.run({ argv: ['sh', '-c', HYPERVISOR_LOOK], deadlineMs });
  if (look.status === 'unknown') return [];
  const lines = look.stdout.split('\n').filter((line) => line !== '');
  const host = node.host.definition.slug;
  return lines
    .filter((line) => line.startsWith('cpu=') || VIRTUAL_BOARDS.test(line))
    .map((line) => ({
      supports: 'hypervisor' as const,
      detail: `Host ${host} is a virtual machine: ${line.slice(line.indexOf('=') + 1)}. A hypervisor can restart it elsewhere; the database in it goes down to be patched.`,
    }));
}
