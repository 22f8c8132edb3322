import type { ClusterDefinition, NodeDefinition } from '@understudy/cluster';

export const CLUSTER_SETTINGS = [
  'fencing',
  'mayMove',
  'serviceAddress',
  'servicePort',
  'probeKind',
  'probeIntervalMs',
  'probeTimeoutMs',
] as const;
export const NODE_SETTINGS = ['member'] as const;

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}$/;

export interface ClusterSettings {
  /** The owner says that this cluster has no fencing, and that they know what it means. */
  readonly isFencingOff: boolean;
  /** Resources beside the workloads that may move when a node is drained, such as an address that follows. */
  readonly mayMove: readonly string[];
}

/** @throws with a sentence when a setting cannot be used. */
export function clusterSettings({ slug, settings, workloads }: ClusterDefinition): ClusterSettings {
  const { fencing = 'on', mayMove = '' } = settings;
  if (fencing !== 'on' && fencing !== 'off')
    throw new Error(
      `The setting "fencing" of cluster ${slug} is "${fencing}". Say on (as it is left out), or off where there is none.`,
    );
  const names = mayMove.split(/[\s,]+/).filter((name) => name !== '');
  const bad = [...names, ...workloads].find((name) => !NAME.test(name));
  if (bad !== undefined)
    throw new Error(`"${bad}" of cluster ${slug} cannot be the id of a resource of Pacemaker. Workloads are ids of resources.`);
  return { isFencingOff: fencing === 'off', mayMove: names };
}

/** Where clients reach the workload, whoever serves it. @throws with a sentence when it is not told or cannot be used. */
export function servicePlace({ slug, settings }: ClusterDefinition): { readonly host: string; readonly port: number } {
  const { serviceAddress: host, servicePort } = settings;
  const port = Number(servicePort);
  if (!host || !/^[A-Za-z0-9_.:-]{1,253}$/.test(host))
    throw new Error(`Cluster ${slug} needs the setting "serviceAddress": where clients reach the workload, whoever serves it.`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`The setting "servicePort" of cluster ${slug} is not between 1 and 65535.`);
  return { host, port };
}

/** Pacemaker's name of a node. @throws with a sentence when it cannot be one. */
export function memberName({ slug, settings }: NodeDefinition): string {
  const member = settings['member'] ?? slug;
  if (!NAME.test(member))
    throw new Error(`The setting "member" of node ${slug} is "${member}", which cannot be the name of a node.`);
  return member;
}
