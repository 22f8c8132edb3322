import { withHost, withNode } from './change.js';
import { attachedTo, isAttached, nodeOf } from './read.js';
import { beginStart } from './service.js';
import type { SimulatedNode, World } from './world.js';

/** Bytes of the record that a clean stop of a primary writes last. */
const SHUTDOWN_RECORD_BYTES = 120;

/** Lets time pass: hosts come back, services start and stop, the log flows. One step; long times are cut by the caller. */
export function tick(world: World, ms: number): World {
  const later = { ...world, nowMs: world.nowMs + ms };
  return isSteady(later) ? flow(later, ms) : stopsEnd(flow(startsEnd(hostsReturn(later)), ms));
}

/** Nobody is on the way up or down. */
function isSteady({ hosts, nodes }: World): boolean {
  for (const host of Object.values(hosts)) if (host.upAtMs !== null) return false;
  for (const { service } of Object.values(nodes)) if (service.state === 'starting' || service.state === 'stopping') return false;
  return true;
}

function hostsReturn(world: World): World {
  return Object.values(world.hosts).reduce((next, host) => {
    if (host.upAtMs === null || host.upAtMs > next.nowMs) return next;
    const up = withHost(next, host.host, { upAtMs: null });
    const enabled = Object.values(up.nodes).filter((node) => node.host === host.host && node.disk.autostart);
    return enabled.reduce((booted, node) => beginStart(booted, node.node), up);
  }, world);
}

function startsEnd(world: World): World {
  return Object.values(world.nodes).reduce((next, node) => {
    if (node.service.state !== 'starting' || node.service.untilMs > next.nowMs) return next;
    if (node.disk.broken) return withNode(next, node.node, { service: { state: 'stopped' } });
    return withNode(next, node.node, {
      service: { state: 'running', recovering: node.disk.standby },
      runningVersion: node.disk.installedVersion,
      // A standby's control file goes on naming the checkpoint that it started from.
      log: { ...node.log, cleanStop: node.disk.standby ? node.log.cleanStop : null },
    });
  }, world);
}

function flow(world: World, ms: number): World {
  // In order, each from what the ones before it have by now: one copy, however many receive.
  let nodes: Record<string, SimulatedNode> | undefined;
  let next = world;
  for (const name of Object.keys(world.nodes)) {
    const node = nodeOf(next, name);
    const log = received(next, node, ms);
    if (log === node.log) continue;
    if (nodes === undefined) {
      nodes = { ...world.nodes };
      next = { ...world, nodes };
    }
    nodes[name] = { ...node, log };
  }
  return next;
}

function received(world: World, node: SimulatedNode, ms: number): SimulatedNode['log'] {
  if (node.frozen || node.disk.upstream === null || !isAttached(world, node)) return node.log;
  return catchUp(node, nodeOf(world, node.disk.upstream), world.pace.bytesPerMs * ms);
}

/** Follows the upstream's history, over the end of a timeline when there is one. */
function catchUp(node: SimulatedNode, upstream: SimulatedNode, bytes: number): SimulatedNode['log'] {
  const { timeline } = node.log;
  const end =
    timeline === upstream.log.timeline
      ? upstream.log.position
      : upstream.log.lineage.find((part) => part.timeline === timeline)?.end;
  const position = Math.min(end ?? node.log.position, node.log.position + bytes);
  if (timeline === upstream.log.timeline || position !== end)
    return position === node.log.position ? node.log : { ...node.log, position };
  const next = upstream.log.lineage.find((part) => part.timeline > timeline)?.timeline ?? upstream.log.timeline;
  return { ...node.log, position, timeline: next, lineage: [...node.log.lineage, { timeline, end: position }] };
}

function stopsEnd(world: World): World {
  return Object.values(world.nodes).reduce((next, node) => {
    if (node.service.state !== 'stopping' || node.service.untilMs > next.nowMs) return next;
    return endStop(next, nodeOf(next, node.node));
  }, world);
}

/** A primary writes its last record and ends when every attached receiver has it; a standby just ends. */
function endStop(world: World, node: SimulatedNode): World {
  const stopped = { service: { state: 'stopped' } as const, runningVersion: null };
  if (node.disk.standby) return withNode(world, node.node, stopped);
  if (node.log.cleanStop === null) {
    const position = node.log.position + SHUTDOWN_RECORD_BYTES;
    const log = { ...node.log, position, checkpoint: node.log.position, cleanStop: { timeline: node.log.timeline, position } };
    return withNode(world, node.node, { log });
  }
  const last = node.log.cleanStop;
  const waiting = attachedTo(world, node.node).filter(
    (standby) => standby.log.timeline === last.timeline && standby.log.position < last.position,
  );
  return waiting.length > 0 ? world : withNode(world, node.node, stopped);
}
