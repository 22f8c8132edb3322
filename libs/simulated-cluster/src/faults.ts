import { withDisk, withHost, withNode } from './change.js';
import { hostOf, isUp, nodeOf } from './read.js';
import { kill, promote } from './service.js';
import type { World } from './world.js';

/** Faults and foreign hands. Each answers the same world when it changed nothing, so that a caller can count. */
export type Fault =
  | { readonly fault: 'reboot'; readonly host: string }
  /** Power is cut; it comes back after `forMs`, or never. */
  | { readonly fault: 'power-off'; readonly host: string; readonly forMs: number | 'for-ever' }
  /** Somebody switches it on again. */
  | { readonly fault: 'power-on'; readonly host: string }
  | { readonly fault: 'kill'; readonly node: string }
  | { readonly fault: 'unlink' | 'link'; readonly host: string }
  | { readonly fault: 'freeze' | 'thaw'; readonly node: string }
  /** A package was half installed: the release on disk does not start. */
  | { readonly fault: 'break-release' | 'mend-release'; readonly node: string }
  /** Somebody promotes a standby without asking. */
  | { readonly fault: 'foreign-promotion'; readonly node: string }
  | { readonly fault: 'setting'; readonly node: string; readonly name: string; readonly value: string }
  | { readonly fault: 'disable-autostart'; readonly node: string };

export function inject(world: World, fault: Fault): World {
  switch (fault.fault) {
    case 'reboot':
      return powerOff(world, fault.host, world.nowMs + world.pace.rebootMs);
    case 'power-off':
      return powerOff(world, fault.host, fault.forMs === 'for-ever' ? Number.POSITIVE_INFINITY : world.nowMs + fault.forMs);
    case 'power-on':
      return isUp(world, fault.host) ? world : withHost(world, fault.host, { upAtMs: world.nowMs });
    case 'kill':
      return nodeOf(world, fault.node).service.state === 'stopped' ? world : kill(world, fault.node);
    case 'unlink':
    case 'link':
      return linked(world, fault.host, fault.fault === 'link');
    case 'freeze':
    case 'thaw':
      return frozen(world, fault.node, fault.fault === 'freeze');
    case 'break-release':
    case 'mend-release':
      return broken(world, fault.node, fault.fault === 'break-release');
    case 'foreign-promotion':
      return promote(world, fault.node).world;
    case 'setting':
      return setting(world, fault.node, fault.name, fault.value);
    case 'disable-autostart':
      return nodeOf(world, fault.node).disk.autostart ? withDisk(world, fault.node, { autostart: false }) : world;
  }
}

function powerOff(world: World, host: string, upAtMs: number): World {
  const { boots, upAtMs: already } = hostOf(world, host);
  if (already !== null) return world;
  const dark = Object.values(world.nodes)
    .filter((node) => node.host === host)
    .reduce((next, node) => kill(next, node.node), world);
  return withHost(dark, host, { upAtMs, boots: boots + 1 });
}

function linked(world: World, host: string, value: boolean): World {
  return hostOf(world, host).linked === value ? world : withHost(world, host, { linked: value });
}

function frozen(world: World, node: string, value: boolean): World {
  return nodeOf(world, node).frozen === value ? world : withNode(world, node, { frozen: value });
}

function broken(world: World, node: string, value: boolean): World {
  return nodeOf(world, node).disk.broken === value ? world : withDisk(world, node, { broken: value });
}

function setting(world: World, node: string, name: string, value: string): World {
  const { settings } = nodeOf(world, node).disk;
  return settings[name] === value ? world : withDisk(world, node, { settings: { ...settings, [name]: value } });
}
