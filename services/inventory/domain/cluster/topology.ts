import type { ClusterSnapshot, NodeSnapshot } from '@understudy/cluster';
import { activeNode } from '@understudy/cluster';

/**
 * Did the picture change? What moves at every look (time of the look, lag in bytes) is left out, so that a quiet
 * cluster publishes nothing.
 */
export function topologyChanged(before: ClusterSnapshot | undefined, now: ClusterSnapshot): boolean {
  return before === undefined || JSON.stringify(picture(before)) !== JSON.stringify(picture(now));
}

function picture(snapshot: ClusterSnapshot): unknown {
  return [
    snapshot.platform,
    snapshot.complete,
    [...snapshot.disagreements].sort(),
    [...snapshot.nodes].sort(byNode).map(nodePicture),
  ];
}

function nodePicture(node: NodeSnapshot): unknown {
  return [
    node.node,
    node.host,
    node.reachable,
    node.availability,
    node.native,
    sorted(node.roles),
    node.writable,
    node.joined,
    node.electable,
    node.promotion.promotable ? '' : node.promotion.reason,
    sorted(node.versions).map(([item, version]) => [item, version.installed, version.running]),
    node.systemIdentifier,
    node.timeline,
    node.bootId,
  ];
}

const byNode = (left: NodeSnapshot, right: NodeSnapshot): number => (left.node < right.node ? -1 : 1);

function sorted<V>(record: Readonly<Record<string, V>>): readonly (readonly [string, V])[] {
  return Object.entries(record).sort(([left], [right]) => (left < right ? -1 : 1));
}

/** The one node that serves every workload of the definition, or '' where none or several do. */
export function servingNode(snapshot: ClusterSnapshot, workloads: readonly string[]): string {
  const names = new Set(workloads.map((workload) => activeNode(snapshot, workload)?.node ?? ''));
  return names.size === 1 ? ([...names][0] as string) : '';
}
