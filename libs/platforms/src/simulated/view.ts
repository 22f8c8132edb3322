import { attachedTo, hostOf, isAttached, isUp, takesWrites, type SimulatedNode, type World } from '@understudy/simulated-cluster';
import type {
  Answering,
  Disk,
  PostgresNode,
  PostgresSnapshot,
  Sender,
  Server,
  SwitchoverMark,
  Unseen,
} from '../postgres-streaming/snapshot.js';
import { formatSynchronousNames } from '../postgres/synchronous-names.js';

const LAG_CEILING_BYTES = 16 * 1024 * 1024;
const SYSTEM_IDENTIFIER = '7000000000000000001';
/** The host's name is the address; every node listens on the same port. */
const PORT = 5_432;

/**
 * The world as the driver postgres-streaming would see it, in that driver's own snapshot: so the real `nextAct` decides
 * in a simulated world too.
 */
export function viewOf(world: World): PostgresSnapshot {
  return {
    cluster: world.cluster,
    database: world.workload,
    observedAt: new Date(world.nowMs).toISOString(),
    lagCeilingBytes: LAG_CEILING_BYTES,
    nodes: Object.values(world.nodes).map((node) => nodeView(world, node)),
  };
}

/** One node of it, as a look at that moment would show it. */
export function nodeView(world: World, node: SimulatedNode): PostgresNode {
  return {
    node: node.node,
    host: node.host,
    address: node.host,
    port: PORT,
    slot: `understudy_${node.node.replaceAll('-', '_')}`,
    disk: diskView(world, node),
    server: serverView(world, node),
  };
}

function diskView(world: World, node: SimulatedNode): Disk | Unseen {
  const { linked, boots } = hostOf(world, node.host);
  if (!linked) return { seen: false, reason: 'the link to the host is down' };
  if (!isUp(world, node.host)) return { seen: false, reason: 'the host is down' };
  const { disk, log, service } = node;
  return {
    seen: true,
    bootId: `${node.host}-boot-${boots}`,
    process: service.state !== 'stopped',
    autostart: disk.autostart,
    drained: disk.drained,
    standbySignal: disk.standby,
    relaxedFor: disk.relaxed?.drained ?? null,
    switchover: markView(world, node),
    control: {
      systemIdentifier: SYSTEM_IDENTIFIER,
      state: controlState(node),
      checkpointLsn: log.cleanStop?.position ?? log.checkpoint,
      timeline: log.timeline,
    },
    upstream: upstreamView(world, node),
    installedVersion: disk.installedVersion,
  };
}

function controlState(node: SimulatedNode): NonNullable<Disk['control']>['state'] {
  if (node.disk.standby && node.service.state !== 'stopped') return 'in-archive-recovery';
  if (node.log.cleanStop !== null) return 'shut-down';
  return node.disk.standby ? 'shut-down-in-recovery' : 'in-production';
}

function markView(world: World, node: SimulatedNode): SwitchoverMark | null {
  const mark = node.disk.switchover;
  if (mark === null) return null;
  return {
    key: mark.key,
    target: mark.target,
    freshLsn: mark.freshPosition,
    round: mark.round,
    freshAgeMs: world.nowMs - mark.freshAtMs,
    stopAgeMs: mark.stopAtMs === null ? null : world.nowMs - mark.stopAtMs,
    stopMissed: mark.stopMissed,
    promoting: mark.promoting !== false,
    returning: mark.returning,
    returned: mark.returned,
  };
}

function upstreamView(world: World, node: SimulatedNode): Disk['upstream'] {
  if (node.disk.upstream === null) return null;
  const above = world.nodes[node.disk.upstream];
  return { host: above?.host ?? node.disk.upstream, port: PORT, applicationName: node.node, slot: node.disk.slot, link: '' };
}

function serverView(world: World, node: SimulatedNode): Server {
  if (!hostOf(world, node.host).linked || !isUp(world, node.host)) return { says: 'nothing', reason: 'no route to the host' };
  switch (node.service.state) {
    case 'stopped':
      return { says: 'nothing', reason: 'connection refused' };
    case 'starting':
      return { says: 'starting' };
    case 'stopping':
      return { says: 'stopping' };
    case 'running':
      return answeringView(world, node);
  }
}

function answeringView(world: World, node: SimulatedNode): Answering {
  const primary = takesWrites(node);
  const upstream = upstreamView(world, node);
  const standbys = attachedTo(world, node.node);
  return {
    says: 'answers',
    inRecovery: !primary,
    systemIdentifier: SYSTEM_IDENTIFIER,
    timeline: node.log.timeline,
    // Standbys of this world are attached as soon as there is somebody to attach to: nobody needs a moment for it.
    upForMs: Infinity,
    version: node.runningVersion ?? node.disk.installedVersion,
    clusterName: node.node,
    currentLsn: primary ? node.log.position : null,
    receivedLsn: primary ? null : node.log.position,
    replayedLsn: primary ? null : node.log.position,
    replayPaused: false,
    applyDelayMs: 0,
    synchronousNames: formatSynchronousNames({ method: 'FIRST', ...node.synchronous }),
    upstream,
    receiver: isAttached(world, node) ? { status: 'streaming', host: upstream?.host ?? null, port: PORT } : null,
    senders: standbys.map((standby, index) => senderView(node, standby, index)),
    slots: node.slots.map((name) => ({
      name,
      kind: 'physical',
      active: standbys.some((standby) => standby.disk.slot === name),
      walStatus: 'reserved',
    })),
    replayedShutdowns: primary ? [] : replayedShutdowns(world, node),
    showsRecords: !primary,
  };
}

function senderView(node: SimulatedNode, standby: SimulatedNode, index: number): Sender {
  const behind = standby.log.timeline !== node.log.timeline;
  const synchronous = node.synchronous.names.includes(standby.node);
  return {
    pid: 1_000 + index,
    applicationName: standby.node,
    state: behind ? 'catchup' : 'streaming',
    confirmedLsn: standby.log.position,
    syncState: synchronous ? 'sync' : 'async',
    slot: standby.disk.slot,
  };
}

/** Clean stops of primaries whose last record this standby has. */
function replayedShutdowns(world: World, node: SimulatedNode): readonly number[] {
  return Object.values(world.nodes).flatMap(({ log: { cleanStop } }) =>
    cleanStop !== null && cleanStop.timeline === node.log.timeline && node.log.position >= cleanStop.position
      ? [cleanStop.position]
      : [],
  );
}
