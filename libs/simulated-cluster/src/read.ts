import type { SimulatedHost, SimulatedNode, World } from './world.js';

/** Readings of a world. @throws for a name that is not in it: a mistake of the caller, never of the world. */

export function nodeOf(world: World, node: string): SimulatedNode {
  const found = world.nodes[node];
  if (found === undefined) throw new Error(`There is no node ${node} in this world.`);
  return found;
}

export function hostOf(world: World, host: string): SimulatedHost {
  const found = world.hosts[host];
  if (found === undefined) throw new Error(`There is no host ${host} in this world.`);
  return found;
}

export function isUp(world: World, host: string): boolean {
  return hostOf(world, host).upAtMs === null;
}

export function takesWrites(node: SimulatedNode): boolean {
  return node.service.state === 'running' && !node.service.recovering;
}

/** Nodes that take writes now. More than one is a split brain. */
export function writableNodes(world: World): readonly string[] {
  return Object.values(world.nodes)
    .filter(takesWrites)
    .map(({ node }) => node);
}

/** Where a history left a timeline; undefined where it is still on it or never was. */
function endOf(node: SimulatedNode, timeline: number): number | undefined {
  return node.log.timeline === timeline ? node.log.position : node.log.lineage.find((part) => part.timeline === timeline)?.end;
}

/** The node's log is a beginning of the other's: it can follow without being rewound. */
export function canFollow(node: SimulatedNode, upstream: SimulatedNode): boolean {
  const end = endOf(upstream, node.log.timeline);
  return end !== undefined && node.log.position <= end && node.log.timeline <= upstream.log.timeline;
}

/** The standby receives from its upstream now (a frozen receiver still counts as attached). */
export function isAttached(world: World, node: SimulatedNode): boolean {
  const upstream = node.disk.upstream === null ? undefined : world.nodes[node.disk.upstream];
  if (upstream === undefined || !isUp(world, upstream.host) || !isUp(world, node.host)) return false;
  return receives(node) && sendsTo(upstream, node) && canFollow(node, upstream);
}

function receives(node: SimulatedNode): boolean {
  return node.service.state === 'running' && node.service.recovering;
}

function sendsTo(upstream: SimulatedNode, node: SimulatedNode): boolean {
  const runs = upstream.service.state === 'running' || upstream.service.state === 'stopping';
  return runs && (node.disk.slot === null || upstream.slots.includes(node.disk.slot));
}

/** Standbys attached to a node. */
export function attachedTo(world: World, upstream: string): readonly SimulatedNode[] {
  return Object.values(world.nodes).filter((node) => node.disk.upstream === upstream && isAttached(world, node));
}

/** Bytes that clients were told are safe and that the node's history has not got. */
export function lostBytes(world: World, node: string): number {
  const judged = nodeOf(world, node);
  return Object.entries(world.acknowledged).reduce((lost, [timeline, position]) => {
    const end = endOf(judged, Number(timeline)) ?? 0;
    return lost + Math.max(0, position - end);
  }, 0);
}
