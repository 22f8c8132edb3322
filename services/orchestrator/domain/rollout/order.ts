import {
  activeNodes,
  fitToServe,
  lagWithin,
  type ClusterDefinition,
  type ClusterSnapshot,
  type NodeSnapshot,
} from '@understudy/cluster';

/**
 * Standby-first: every standby before the switchover, the worst candidate for promotion first, so that the best one is
 * touched last and the unpatched active node stays the way back for as long as possible. A witness carries no data and no
 * workload and has no place here.
 */

export interface Place {
  readonly node: string;
  readonly host: string;
  /** Why the node is patched at this place, in words. */
  readonly reason: string;
}

export type Order =
  | { readonly possible: true; readonly order: readonly Place[]; readonly active: string; readonly target: string }
  | { readonly possible: false; readonly because: string };

/** Orders the data nodes of one look, or says why no rolling order exists. */
export function orderOf(snapshot: ClusterSnapshot, definition: ClusterDefinition, workload: string): Order {
  const actives = activeNodes(snapshot, workload);
  const [active] = actives;
  if (!snapshot.complete) return impossible(`The look at ${snapshot.cluster} was not complete: ${sentences(snapshot)}`);
  if (active === undefined) return impossible(`No node of ${snapshot.cluster} serves ${workload}.`);
  if (actives.length > 1) return impossible(`Several nodes serve ${workload}: ${actives.map((node) => node.node).join(', ')}.`);
  const also = alsoServed(snapshot, workload);
  if (also !== null) return impossible(also);
  const standbys = snapshot.nodes.filter((node) => node.roles[workload] === 'standby');
  if (standbys.length === 0) return impossible(`${active.node} is alone: there is no standby that could take ${workload} over.`);
  const ranked = [...standbys].sort((left, right) =>
    compareCandidates(promotable(left, definition), promotable(right, definition)),
  );
  const target = ranked.findLast((node) => mayServe(node, definition));
  if (target === undefined)
    return impossible(`No standby of ${snapshot.cluster} may take ${workload} over: ${whyNone(ranked, definition)}`);
  return {
    possible: true,
    active: active.node,
    target: target.node,
    order: [
      ...ranked.map((node) => ({ node: node.node, host: node.host, reason: reasonOf(node, target, definition) })),
      {
        node: active.node,
        host: active.host,
        reason: `serves ${workload}: last, after the workload has moved to a patched standby`,
      },
    ],
  };
}

/**
 * A rollout moves one workload. Where a node serves another one too, it could never be drained: said before anything is
 * touched, not in the middle with two versions running.
 */
function alsoServed(snapshot: ClusterSnapshot, workload: string): string | null {
  for (const { node, roles } of snapshot.nodes) {
    const other = Object.keys(roles).find((name) => name !== workload && roles[name] === 'active');
    if (other !== undefined)
      return `${node} serves ${other} as well: a rollout moves ${workload} alone, and ${node} could never be taken out of service.`;
  }
  return null;
}

/** May this standby receive the workload: fit as observed, and not excluded by its owner? */
export function mayServe(node: NodeSnapshot, definition: ClusterDefinition): boolean {
  return fitToServe(promotable(node, definition));
}

/** Negative where `left` is the worse candidate for promotion. Ties are broken by name, so that one look has one order. */
export function compareCandidates(left: NodeSnapshot, right: NodeSnapshot): number {
  return (
    Number(left.promotion.promotable) - Number(right.promotion.promotable) ||
    Number(fitToServe(left)) - Number(fitToServe(right)) ||
    Number(lagWithin(left)) - Number(lagWithin(right)) ||
    lagBytes(right) - lagBytes(left) ||
    (left.node < right.node ? -1 : 1)
  );
}

/** What the owner said about promotion counts as much as what the platform says. */
function promotable(node: NodeSnapshot, definition: ClusterDefinition): NodeSnapshot {
  const reason = definition.nodes.find((candidate) => candidate.slug === node.node)?.notPromotable;
  return reason === undefined ? node : { ...node, promotion: { promotable: false, reason } };
}

function lagBytes(node: NodeSnapshot): number {
  return node.lag === null ? Number.MAX_SAFE_INTEGER : node.lag.bytes;
}

function impossible(because: string): Order {
  return { possible: false, because };
}

function sentences(snapshot: ClusterSnapshot): string {
  return snapshot.disagreements.length === 0 ? 'not every node answered.' : snapshot.disagreements.join(' ');
}

function whyNone(standbys: readonly NodeSnapshot[], definition: ClusterDefinition): string {
  return standbys.map((node) => `${node.node} ${weakness(promotable(node, definition))}`).join('; ') + '.';
}

/** The first thing that keeps a standby from serving, in words. */
export function weakness(node: NodeSnapshot): string {
  if (!node.promotion.promotable) return `is not promotable (${node.promotion.reason})`;
  if (node.availability !== 'serving') return `is ${node.availability} (${node.native})`;
  if (!node.joined) return 'does not replicate from the active node';
  if (!node.electable) return 'is taken out of election';
  if (node.lag === null) return 'has a lag that could not be told';
  if (!lagWithin(node)) return `lags ${node.lag.bytes} bytes behind, the ceiling is ${node.lag.ceilingBytes}`;
  return 'is fit to serve';
}

function reasonOf(node: NodeSnapshot, target: NodeSnapshot, definition: ClusterDefinition): string {
  if (node.node === target.node) return 'the best candidate: last of the standbys, so that it stays at hand until then';
  return `standby, ${weakness(promotable(node, definition))}; patched before better candidates`;
}
