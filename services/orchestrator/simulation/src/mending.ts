import {
  beginStart,
  canFollow,
  hostOf,
  inject,
  isUp,
  nodeOf,
  rebuild,
  writableNodes,
  type World,
} from '@understudy/simulated-cluster';
import type { Ground } from './ground.js';

/** What somebody on call does with his own hands: links, power, hung receivers, half-installed releases, nodes that are down. */
export function mend(ground: Ground, cluster: string): void {
  const { world } = ground.site(cluster);
  for (const { host } of Object.values(world.hosts)) {
    ground.changeHost(host, 'foreign', (each) => inject(each, { fault: 'link', host }));
    if (hostOf(world, host).upAtMs === Infinity)
      ground.changeHost(host, 'foreign', (each) => inject(each, { fault: 'power-on', host }));
  }
  for (const { node } of Object.values(world.nodes)) {
    ground.change(cluster, 'foreign', (each) => inject(each, { fault: 'thaw', node }));
    ground.change(cluster, 'foreign', (each) => inject(each, { fault: 'mend-release', node }));
  }
  remake(ground, cluster);
  for (const { node } of Object.values(world.nodes))
    if (mayStart(ground.site(cluster).world, node)) ground.change(cluster, 'foreign', (each) => beginStart(each, node));
}

/** Where several nodes take writes the youngest history counts; who cannot follow it is made anew from it. */
function remake(ground: Ground, cluster: string): void {
  const { world } = ground.site(cluster);
  const writers = writableNodes(world).map((name) => nodeOf(world, name));
  const right = writers.sort((left, other) => other.log.timeline - left.log.timeline)[0];
  if (right === undefined) return;
  for (const node of Object.values(world.nodes)) {
    if (node.node === right.node || node.disk.drained || !isUp(world, node.host)) continue;
    const lost = (writers.length > 1 && writers.includes(node)) || !canFollow(node, right);
    if (lost) ground.change(cluster, 'foreign', (each) => rebuild(each, node.node, right.node));
  }
}

/** A node that somebody took out on purpose stays out; a former primary is started only where nobody else serves. */
function mayStart(world: World, name: string): boolean {
  const node = nodeOf(world, name);
  if (node.service.state !== 'stopped' || node.disk.drained || !isUp(world, node.host)) return false;
  if (node.disk.standby) return true;
  const others = Object.values(world.nodes).filter((other) => other !== node);
  const starts = others.some((other) => other.service.state === 'starting' && !other.disk.standby);
  return writableNodes(world).length === 0 && !starts && newest(world) === node.log.timeline;
}

function newest(world: World): number {
  return Math.max(...Object.values(world.nodes).map((node) => node.log.timeline));
}
