import type { Host } from '@understudy/hosts';
import type { ClusterTarget } from '../platform.js';
import { Connections } from '../postgres/connections.js';
import type { ApiAccess } from './member-api.js';
import { clusterSettings, nodeSettings, type ClusterSettings, type NodeSettings } from './settings.js';
import type { OnDisk } from './unit.js';

/** A target with its settings read: what every part of the driver works with. */
export interface Session {
  readonly target: ClusterTarget;
  readonly cluster: ClusterSettings;
  readonly nodes: readonly SessionNode[];
  readonly connections: Connections;
  readonly api: ApiAccess;
}

export interface SessionNode {
  /** Filled by the first look: within a call nothing is installed. */
  onDisk?: OnDisk;
  readonly settings: NodeSettings;
  readonly host: Host;
  readonly notPromotable?: string;
}

/** @throws with a sentence when settings, a host or the `driver` credential are missing: registration should have refused them. */
export function openSession(target: ClusterTarget): Session {
  const { definition, hosts, secrets } = target;
  const cluster = clusterSettings(definition);
  const secret = secrets['driver'];
  if (secret === undefined)
    throw new Error(`Cluster ${definition.slug} needs a credential for "driver": the PostgreSQL login that observes.`);
  const nodes = definition.nodes.map((node) => {
    const host = hosts[node.host];
    if (host === undefined) throw new Error(`Node ${node.slug} is on host ${node.host}, which is not defined.`);
    const settings = nodeSettings(node);
    return { settings, host, ...(node.notPromotable === undefined ? {} : { notPromotable: node.notPromotable }) };
  });
  const twice = nodes.find(
    ({ settings }, index) => nodes.findIndex((other) => other.settings.member === settings.member) < index,
  );
  if (twice !== undefined)
    throw new Error(
      `Two nodes of cluster ${definition.slug} are Patroni's member "${twice.settings.member}". Name each its own.`,
    );
  const login = secrets['restApi'];
  const api = { cluster, ...(login === undefined ? {} : { login }) };
  return { target, cluster, nodes, connections: new Connections(secret, cluster.database), api };
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
