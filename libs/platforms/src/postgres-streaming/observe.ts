import type { Host } from '@understudy/hosts';
import type { ClusterTarget } from '../platform.js';
import { Connections } from './connections.js';
import { observeDisk } from './disk.js';
import { hasReplayedShutdown, observeServer } from './server.js';
import { clusterSettings, nodeSettings, type ClusterSettings, type NodeSettings } from './settings.js';
import type { PostgresNode, PostgresSnapshot } from './snapshot.js';

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
    nodes: await withReplayedShutdowns(session, nodes, deadlineMs),
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

/** Where a node lies cleanly stopped as a primary, asks every standby whether it has replayed that node's last checkpoint. */
async function withReplayedShutdowns(
  session: Session,
  nodes: readonly PostgresNode[],
  deadlineMs: number,
): Promise<readonly PostgresNode[]> {
  const positions = nodes.flatMap(({ disk }) =>
    disk.seen && !disk.process && disk.control?.state === 'shut-down' ? [disk.control.checkpointLsn] : [],
  );
  if (positions.length === 0) return nodes;
  return Promise.all(
    nodes.map(async (node) => {
      if (node.server.says !== 'answers' || !node.server.inRecovery) return node;
      const settings = session.nodes.find((candidate) => candidate.settings.node === node.node)?.settings as NodeSettings;
      const seen = await Promise.all(positions.map((lsn) => hasReplayedShutdown(session.connections, settings, lsn, deadlineMs)));
      return { ...node, server: { ...node.server, replayedShutdowns: positions.filter((_, index) => seen[index]) } };
    }),
  );
}
