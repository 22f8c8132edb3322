import {
  attachedTo,
  beginStart,
  beginStop,
  createSlots,
  lostBytes,
  markStandby,
  nodeOf,
  point,
  promote,
  slotOf,
  takesWrites,
} from '@understudy/simulated-cluster';
import type { Site } from './ground.js';
import type { Random } from './random.js';
import type { Window } from './window.js';

/** Somebody switches over by hand, properly and without asking us: it takes its time, and he does not look for ours. */
export function switchOverByHand(window: Window, site: Site, chance: Random): boolean {
  const active = Object.values(site.world.nodes).find(takesWrites);
  const targets = active === undefined ? [] : attachedTo(site.world, active.node).filter((node) => !node.disk.drained);
  if (active === undefined || targets.length === 0) return false;
  window.ground.note(site.slug, `switchover from ${active.node}`, true);
  void walk(window, site.slug, active.node, chance.pick(targets).node);
  return window.ground.change(site.slug, 'foreign', (world) => beginStop(world, active.node));
}

async function walk(window: Window, slug: string, from: string, to: string): Promise<void> {
  const { ground, scheduler, hands } = window;
  for (let count = 0; count < 60 && nodeOf(ground.site(slug).world, from).service.state !== 'stopped'; count += 1)
    await scheduler.sleep(100, hands);
  await scheduler.sleep(200, hands);
  const { world } = ground.site(slug);
  if (nodeOf(world, from).service.state !== 'stopped' || lostBytes(world, to) > 0) {
    ground.change(slug, 'foreign', (each) => beginStart(each, from));
    return;
  }
  ground.change(slug, 'foreign', (each) => markStandby(each, from, to, slotOf(from)).world);
  const others = Object.keys(world.nodes).filter((node) => node !== to);
  ground.change(slug, 'foreign', (each) => createSlots(promote(each, to).world, to, others.map(slotOf)));
  await scheduler.sleep(100, hands);
  for (const node of others) {
    ground.change(slug, 'foreign', (each) => (takesWrites(nodeOf(each, node)) ? each : point(each, node, to, slotOf(node))));
    ground.change(slug, 'foreign', (each) => (nodeOf(each, node).disk.drained ? each : beginStart(each, node)));
  }
}
