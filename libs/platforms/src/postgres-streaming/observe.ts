import type { Host } from '@understudy/hosts';
import type { ClusterTarget } from '../platform.js';
import { Connections } from '../postgres/connections.js';
import { observeDisk } from './disk.js';
import { observeServer, replayedRecord } from '../postgres/server.js';
import { clusterSettings, nodeSettings, type ClusterSettings, type NodeSettings } from './settings.js';
import type { Disk, PostgresNode, PostgresSnapshot } from './snapshot.js';
import { diskOf, isWritable } from './topology.js';

/** A target with its settings read: what every part of the driver works with. */
export interface Session {
  readonly target: ClusterTarget;
  readonly cluster: ClusterSettings;
  readonly nodes: readonly SessionNode[];
  readonly connections: Connections;
}

export interface SessionNode {
  /** Filled by the first look: within a verb nothing is installed, and asking the program again costs outage. */
  installedVersion?: string | null;
  readonly settings: NodeSettings;
  readonly host: Host;
  readonly notPromotable?: string;
}

/** @throws with a sentence when settings, a host or the `driver` credential are missing: registration should have refused them. */
export function openSession(target: ClusterTarget): Session {
  const cluster = clusterSettings(target.definition);
  const secret = target.secrets['driver'];
  if (secret === undefined) {
    throw new Error(`Cluster ${target.definition.slug} needs a credential for "driver": the login that observes and performs.`);
  }
  const nodes = target.definition.nodes.map((node) => {
    const host = target.hosts[node.host];
    if (host === undefined) throw new Error(`Node ${node.slug} is on host ${node.host}, which is not defined.`);
    const settings = nodeSettings(target.definition, node);
    return { settings, host, ...(node.notPromotable === undefined ? {} : { notPromotable: node.notPromotable }) };
  });
  return { target, cluster, nodes, connections: new Connections(secret, cluster.database) };
}

/** @throws when there is no such node: every caller has it from this session. */
export function sessionNode(session: Session, name: string): SessionNode {
  const found = session.nodes.find((candidate) => candidate.settings.node === name);
  if (found === undefined) throw new Error(`There is no node ${name} in this session.`);
  return found;
}

/** Runs `work` with a session and closes it. */
export async function withSession<T>(target: ClusterTarget, work: (session: Session) => Promise<T>): Promise<T> {
  const session = openSession(target);
  try {
    return await work(session);
  } finally {
    await session.connections.close();
  }
}

/** One look at every node's disk and server, all at once. Never throws for what the cluster does. */
export async function observePostgres(session: Session, deadlineMs: number): Promise<PostgresSnapshot> {
  const observedAt = new Date(session.target.now()).toISOString();
  const nodes = await Promise.all(session.nodes.map((node) => observeNode(session, node, deadlineMs)));
  return {
    cluster: session.target.definition.slug,
    database: session.cluster.database,
    observedAt,
    lagCeilingBytes: session.cluster.lagCeilingBytes,
    nodes: await withReplayedRecords(session, nodes, deadlineMs),
  };
}

async function observeNode(session: Session, node: SessionNode, deadlineMs: number): Promise<PostgresNode> {
  const { settings, host, notPromotable } = node;
  const [disk, server] = await Promise.all([
    observeDisk(settings, host, deadlineMs, node.installedVersion === undefined ? [] : ['quick']),
    observeServer(session.connections, settings, deadlineMs),
  ]);
  if (disk.seen) node.installedVersion ??= disk.installedVersion;
  return {
    node: settings.node,
    host: host.definition.slug,
    ...(notPromotable === undefined ? {} : { notPromotable }),
    address: settings.address,
    port: settings.port,
    slot: settings.slot,
    disk: disk.seen ? { ...disk, installedVersion: node.installedVersion ?? null } : disk,
    server,
  };
}

/**
 * The look right after the active node was stopped, when each process spawned on a host would be outage: its disk as the
 * act itself found it, every other node's server, and the disks of those as they were before. Good for one answer only,
 * that the promotion is safe: anything else is decided on a whole look.
 */
export async function observeAfterStop(
  session: Session,
  before: PostgresSnapshot,
  stopped: { readonly node: string; readonly disk: Disk },
  deadlineMs: number,
): Promise<PostgresSnapshot> {
  const observedAt = new Date(session.target.now()).toISOString();
  const nodes = await Promise.all(
    before.nodes.map(async (node): Promise<PostgresNode> => {
      if (node.node === stopped.node)
        return { ...node, disk: stopped.disk, server: { says: 'nothing', reason: 'it was stopped by us' } };
      const { settings } = sessionNode(session, node.node);
      return { ...node, server: await observeServer(session.connections, settings, deadlineMs) };
    }),
  );
  return { ...before, observedAt, nodes: await withReplayedRecords(session, nodes, deadlineMs) };
}

/**
 * Asks every standby which of the checkpoints in question it has replayed: of a node that lies stopped, or that a
 * switchover of ours stopped; and before that of the one to be stopped, so that it is known that a standby can tell.
 */
async function withReplayedRecords(
  session: Session,
  nodes: readonly PostgresNode[],
  deadlineMs: number,
): Promise<readonly PostgresNode[]> {
  const positions = nodes.flatMap((node) => checkpointInQuestion(node) ?? []);
  if (positions.length === 0) return nodes;
  return Promise.all(
    nodes.map(async (node) => {
      if (node.server.says !== 'answers' || !node.server.inRecovery) return node;
      const { settings } = sessionNode(session, node.node);
      const records = await Promise.all(positions.map((lsn) => replayedRecord(session.connections, settings, lsn, deadlineMs)));
      const replayedShutdowns = positions.filter((_, index) => records[index] === 'CHECKPOINT_SHUTDOWN');
      return { ...node, server: { ...node.server, replayedShutdowns, showsRecords: records.some((record) => record !== null) } };
    }),
  );
}

function checkpointInQuestion(node: PostgresNode): number | undefined {
  const disk = diskOf(node);
  const underWay = disk?.switchover?.returned === false;
  const stopped = disk?.process === false && disk.control?.state === 'shut-down';
  return stopped || (underWay && (isWritable(node) || disk.switchover?.stopAgeMs !== null))
    ? disk?.control?.checkpointLsn
    : undefined;
}
