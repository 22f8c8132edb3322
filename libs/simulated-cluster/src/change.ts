import type { SimulatedDisk, SimulatedHost, SimulatedNode, World } from './world.js';
import { hostOf, nodeOf } from './read.js';

/** The world with one node, disk or host changed. */

export function withNode(world: World, node: string, change: Partial<SimulatedNode>): World {
  return { ...world, nodes: { ...world.nodes, [node]: { ...nodeOf(world, node), ...change } } };
}

export function withDisk(world: World, node: string, change: Partial<SimulatedDisk>): World {
  return withNode(world, node, { disk: { ...nodeOf(world, node).disk, ...change } });
}

export function withHost(world: World, host: string, change: Partial<SimulatedHost>): World {
  return { ...world, hosts: { ...world.hosts, [host]: { ...hostOf(world, host), ...change } } };
}
