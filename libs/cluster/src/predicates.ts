import type { ClusterSnapshot, NodeSnapshot } from './snapshot.js';

/** Nodes that are active for some workload, or that accept writes. More than one per workload is a split brain. */
export function activeNodes(snapshot: ClusterSnapshot, workload: string): readonly NodeSnapshot[] {
  return snapshot.nodes.filter((node) => node.roles[workload] === 'active');
}

/** The one node that serves the workload, or undefined where none or several do. */
export function activeNode(snapshot: ClusterSnapshot, workload: string): NodeSnapshot | undefined {
  const active = activeNodes(snapshot, workload);
  return active.length === 1 ? active[0] : undefined;
}

export function writableNodes(snapshot: ClusterSnapshot): readonly NodeSnapshot[] {
  return snapshot.nodes.filter((node) => node.writable === true);
}

export function nodeNamed(snapshot: ClusterSnapshot, node: string): NodeSnapshot | undefined {
  return snapshot.nodes.find((candidate) => candidate.node === node);
}

export function lagWithin(node: NodeSnapshot): boolean {
  return node.lag !== null && node.lag.bytes <= node.lag.ceilingBytes;
}

/** May this node receive a workload now? Healthy, joined, electable, promotable and within the lag ceiling. */
export function fitToServe(node: NodeSnapshot): boolean {
  return node.availability === 'serving' && node.joined && node.electable && node.promotion.promotable && lagWithin(node);
}

/** Standbys fit to serve, other than `except`: what remains when that node is taken out. */
export function fitStandbys(snapshot: ClusterSnapshot, workload: string, except?: string): readonly NodeSnapshot[] {
  return snapshot.nodes.filter((node) => node.node !== except && node.roles[workload] === 'standby' && fitToServe(node));
}

/** Does a majority of the voting members remain when `out` of `voters` are away? Platforms without votes pass voters = 0. */
export function quorumSurvives(voters: number, out: number): boolean {
  return voters === 0 || voters - out > voters / 2;
}
