import { observeServer } from '../postgres/server.js';
import { observeEtcd } from './etcd.js';
import { observeConfig, observeMember } from './member-api.js';
import type { Session, SessionNode } from './session.js';
import type { PatroniNode, PatroniSnapshot } from './snapshot.js';
import { observeUnit } from './unit.js';

/**
 * One look at the whole cluster: each member's REST API, server and host, the dynamic configuration and etcd, all side by
 * side within one deadline. Never throws for what the cluster does.
 */
export async function observePatroni(session: Session, deadlineMs: number): Promise<PatroniSnapshot> {
  const observedAt = new Date(session.target.now()).toISOString();
  const settings = session.nodes.map((node) => node.settings);
  const [nodes, config, etcd] = await Promise.all([
    Promise.all(session.nodes.map((node) => observeNode(session, node, deadlineMs))),
    observeConfig(session.api, settings, deadlineMs),
    observeEtcd(session.cluster, settings, deadlineMs),
  ]);
  const { scope, database, isStoreElsewhere } = session.cluster;
  return { cluster: session.target.definition.slug, scope, database, observedAt, nodes, config, etcd, isStoreElsewhere };
}

async function observeNode(session: Session, node: SessionNode, deadlineMs: number): Promise<PatroniNode> {
  const { settings, host, notPromotable } = node;
  const [unit, api, server] = await Promise.all([
    observeUnit(host, settings, node.onDisk, deadlineMs),
    observeMember(session.api, settings, deadlineMs),
    observeServer(session.connections, settings, deadlineMs),
  ]);
  if (unit.seen) node.onDisk ??= { binaries: unit.binaries, packages: unit.packages };
  return {
    node: settings.node,
    member: settings.member,
    host: host.definition.slug,
    ...(notPromotable === undefined ? {} : { notPromotable }),
    unit,
    api,
    server,
  };
}
