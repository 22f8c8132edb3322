import type { Host } from '@understudy/hosts';
import type { ClusterTarget, Secret } from '../platform.js';
import { clusterSettings, isSamePlace, nodeSettings, type ClusterSettings, type NodeSettings } from './settings.js';
import type { Unit } from './snapshot.js';

/** What does not change within a verb, so that a second look need not ask for it. */
export type OnDisk = Pick<Unit, 'binary' | 'packages'>;

/** A target with its settings read: what every part of the driver works with. */
export interface Session {
  readonly target: ClusterTarget;
  readonly cluster: ClusterSettings;
  readonly nodes: readonly SessionNode[];
  /** Of Redis; left out: it asks for none. */
  readonly login?: Secret;
  /** Of the Sentinels; left out: they ask for none. */
  readonly sentinelLogin?: Secret;
}

export interface SessionNode {
  /** Filled by the first look: within a call nothing is installed. */
  onDisk?: OnDisk;
  readonly settings: NodeSettings;
  readonly host: Host;
  readonly notPromotable?: string;
}

/** @throws with a sentence when settings or a host are missing: registration should have refused them. */
export function openSession(target: ClusterTarget): Session {
  const { definition, hosts, secrets } = target;
  const cluster = clusterSettings(definition);
  const nodes = definition.nodes.map((node) => {
    const host = hosts[node.host];
    if (host === undefined) throw new Error(`Node ${node.slug} is on host ${node.host}, which is not defined.`);
    return {
      settings: nodeSettings(node),
      host,
      ...(node.notPromotable === undefined ? {} : { notPromotable: node.notPromotable }),
    };
  });
  const twice = nodes.find(({ settings }, index) => nodes.slice(0, index).some((other) => isSamePlace(other.settings, settings)));
  if (twice !== undefined)
    throw new Error(`Two nodes of cluster ${definition.slug} answer at ${twice.settings.address}. Give each its own address.`);
  const { driver, sentinel } = secrets;
  return {
    ...{ target, cluster, nodes },
    ...(driver === undefined ? {} : { login: driver }),
    ...(sentinel === undefined ? {} : { sentinelLogin: sentinel }),
  };
}

/** @throws when there is no such node: every caller has it from this session. */
export function sessionNode(session: Session, name: string): SessionNode {
  const found = session.nodes.find((candidate) => candidate.settings.node === name);
  if (found === undefined) throw new Error(`There is no node ${name} in this session.`);
  return found;
}
