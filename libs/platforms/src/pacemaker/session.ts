import type { Host } from '@understudy/hosts';
import type { ClusterTarget } from '../platform.js';
import { clusterSettings, memberName, type ClusterSettings } from './settings.js';

/** A target with its settings read: what every part of the driver works with. */
export interface Session {
  readonly target: ClusterTarget;
  readonly cluster: ClusterSettings;
  readonly nodes: readonly SessionNode[];
}

export interface SessionNode {
  readonly node: string;
  /** Pacemaker's name of it. */
  readonly member: string;
  readonly host: Host;
  readonly notPromotable?: string;
}

/** @throws with a sentence when settings or a host are missing: registration should have refused them. */
export function openSession(target: ClusterTarget): Session {
  const { definition, hosts } = target;
  const nodes = definition.nodes.map((node) => {
    const host = hosts[node.host];
    if (host === undefined) throw new Error(`Node ${node.slug} is on host ${node.host}, which is not defined.`);
    const { slug, notPromotable } = node;
    return { node: slug, member: memberName(node), host, ...(notPromotable === undefined ? {} : { notPromotable }) };
  });
  const twice = nodes.find(({ member }, index) => nodes.slice(0, index).some((other) => other.member === member));
  if (twice !== undefined)
    throw new Error(`Two nodes of cluster ${definition.slug} are Pacemaker's node ${twice.member}. Give each its own.`);
  return { target, cluster: clusterSettings(definition), nodes };
}

/** @throws when there is no such node: every caller has it from this session. */
export function sessionNode(session: Session, name: string): SessionNode {
  const found = session.nodes.find(({ node }) => node === name);
  if (found === undefined) throw new Error(`There is no node ${name} in this session.`);
  return found;
}
