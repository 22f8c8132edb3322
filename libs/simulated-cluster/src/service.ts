import { withDisk, withNode } from './change.js';
import { attachedTo, isUp, nodeOf, takesWrites } from './read.js';
import { slotOf, type SimulatedMark, type Synchronous, type World } from './world.js';

/** Bytes of one record of the log. */
const RECORD_BYTES = 100;

/** What an orchestrator does to a node, one pure function each. They never judge: whoever asks is responsible. */

export function beginStart(world: World, node: string): World {
  const { service, host } = nodeOf(world, node);
  if (service.state !== 'stopped' || !isUp(world, host)) return world;
  return withNode(world, node, { service: { state: 'starting', untilMs: world.nowMs + world.pace.startMs } });
}

export function beginStop(world: World, node: string): World {
  const { service } = nodeOf(world, node);
  if (service.state === 'stopped' || service.state === 'stopping') return world;
  return withNode(world, node, { service: { state: 'stopping', untilMs: world.nowMs + world.pace.stopMs } });
}

/** At once and uncleanly: nothing is flushed to standbys, no last record is written. */
export function kill(world: World, node: string): World {
  const { log, disk } = nodeOf(world, node);
  const cleanStop = disk.standby ? log.cleanStop : null;
  return withNode(world, node, { service: { state: 'stopped' }, runningVersion: null, log: { ...log, cleanStop } });
}

export function markDrained(world: World, node: string): World {
  return withDisk(world, node, { drained: true, autostart: false });
}

export function release(world: World, node: string): World {
  return withDisk(world, node, { drained: false, autostart: true });
}

export function point(world: World, node: string, upstream: string, slot: string): World {
  return withDisk(world, node, { upstream, slot });
}

/** False when the node runs: its files must not be turned under it. */
export function markStandby(
  world: World,
  node: string,
  upstream: string,
  slot: string,
): { readonly world: World; readonly done: boolean } {
  if (nodeOf(world, node).service.state !== 'stopped') return { world, done: false };
  return { world: withDisk(point(world, node, upstream, slot), node, { standby: true }), done: true };
}

export function unmarkStandby(world: World, node: string): World {
  return withDisk(world, node, { standby: false });
}

/** Ends recovery on a new timeline. False when it does not run in recovery. */
export function promote(world: World, node: string): { readonly world: World; readonly done: boolean } {
  const { service, log } = nodeOf(world, node);
  if (service.state !== 'running' || !service.recovering) return { world, done: false };
  const lineage = [...log.lineage, { timeline: log.timeline, end: log.position }];
  const promoted = withNode(world, node, {
    service: { state: 'running', recovering: false },
    log: {
      timeline: log.timeline + 1,
      position: log.position + RECORD_BYTES,
      checkpoint: log.position,
      lineage,
      cleanStop: null,
    },
  });
  return { world: withDisk(promoted, node, { standby: false }), done: true };
}

export function createSlots(world: World, node: string, slots: readonly string[]): World {
  return withNode(world, node, { slots: [...new Set([...nodeOf(world, node).slots, ...slots])] });
}

export function dropSlots(world: World, node: string, slots: readonly string[]): World {
  return withNode(world, node, { slots: nodeOf(world, node).slots.filter((slot) => !slots.includes(slot)) });
}

export function setMark(world: World, node: string, mark: SimulatedMark | null): World {
  return withDisk(world, node, { switchover: mark });
}

export function changeMark(world: World, node: string, change: Partial<SimulatedMark>): World {
  const mark = nodeOf(world, node).disk.switchover;
  return mark === null ? world : setMark(world, node, { ...mark, ...change });
}

export function setSynchronous(world: World, node: string, synchronous: Synchronous): World {
  return withNode(world, node, { synchronous });
}

export function relaxSynchronous(world: World, node: string, drained: string, synchronous: Synchronous): World {
  const { disk, synchronous: before } = nodeOf(world, node);
  const kept = disk.relaxed === null ? withDisk(world, node, { relaxed: { drained, before } }) : world;
  return setSynchronous(kept, node, synchronous);
}

export function restoreSynchronous(world: World, node: string): World {
  const { relaxed } = nodeOf(world, node).disk;
  return relaxed === null ? world : withDisk(setSynchronous(world, node, relaxed.before), node, { relaxed: null });
}

/** Writes a checkpoint's record, which every receiver then has to confirm. */
export function checkpoint(world: World, node: string): World {
  const { log } = nodeOf(world, node);
  return withNode(world, node, { log: { ...log, checkpoint: log.position, position: log.position + RECORD_BYTES } });
}

/** Installs a release; the running one stays until the next start. `broken`: it will not start. */
export function install(world: World, node: string, version: string, broken = false): World {
  return withDisk(world, node, { installedVersion: version, broken });
}

/** Made anew from a backup of another node, by hand: its own data is gone. It does not run, and would come up as a standby. */
export function rebuild(world: World, node: string, upstream: string): World {
  const above = nodeOf(world, upstream);
  const empty = withNode(kill(world, node), node, { log: { ...above.log, cleanStop: null }, slots: [] });
  const pointed = withDisk(point(empty, node, upstream, slotOf(node)), node, {
    standby: true,
    drained: false,
    autostart: true,
    switchover: null,
    relaxed: null,
    broken: false,
  });
  return createSlots(pointed, upstream, [slotOf(node)]);
}

/**
 * One client writes to one node. Acknowledged when the node takes writes and as many synchronous standbys as needed
 * have the write; without that it is on the disk and nobody was told.
 */
export function write(
  world: World,
  node: string,
  bytes = RECORD_BYTES,
): { readonly world: World; readonly acknowledged: boolean } {
  const target = nodeOf(world, node);
  if (!takesWrites(target) || !isUp(world, target.host)) return { world, acknowledged: false };
  const position = target.log.position + bytes;
  const { timeline } = target.log;
  const written = withNode(world, node, { log: { ...target.log, position } });
  const { needed, names } = target.synchronous;
  const confirming = attachedTo(written, node).filter(
    (standby) => !standby.frozen && standby.log.timeline === timeline && names.includes(standby.node),
  );
  if (confirming.length < needed) return { world: written, acknowledged: false };
  const acknowledged = { ...written.acknowledged, [timeline]: Math.max(position, written.acknowledged[timeline] ?? 0) };
  const flushed = { ...written.nodes };
  for (const standby of confirming.slice(0, needed)) flushed[standby.node] = { ...standby, log: { ...standby.log, position } };
  return { world: { ...written, nodes: flushed, acknowledged }, acknowledged: true };
}
