import type { ClusterDefinition, NodeDefinition } from '@understudy/cluster';

/** The last ones are the probe's, which a cluster's owner gives in the same place. */
export const CLUSTER_SETTINGS = [
  'master',
  'sentinels',
  'probeKind',
  'probeTargets',
  'probeTable',
  'probeIntervalMs',
  'probeTimeoutMs',
] as const;
export const NODE_SETTINGS = ['address', 'port', 'sentinelPort', 'unit'] as const;

const DEFAULT_UNIT = 'redis-server.service';
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26_379;
const MOST_SENTINELS = 9;

/** Where a Redis or a Sentinel answers, as the Sentinels know it: an address and a port. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

export interface ClusterSettings {
  /** The Sentinels' name of the master; it is also what the workload is called. */
  readonly master: string;
  /** Sentinels that run on none of the nodes. */
  readonly sentinels: readonly Place[];
}

/** A node's settings with their defaults. Its Redis answers at `address` and `port`. */
export interface NodeSettings extends Place {
  readonly node: string;
  /** The systemd unit that runs Redis. */
  readonly unit: string;
  /** The Sentinel on the same host; null: there is none. */
  readonly sentinel: Place | null;
}

/** @throws with a sentence when a setting is missing or cannot be used. */
export function clusterSettings({ slug, settings }: ClusterDefinition): ClusterSettings {
  const { master, sentinels } = settings;
  if (!master) throw new Error(`Cluster ${slug} needs the setting "master": the name that the Sentinels give the master.`);
  if (!/^[\w.-]{1,100}$/.test(master))
    throw new Error(`The setting "master" of cluster ${slug} is "${master}", which cannot be the name of a master.`);
  const places = (sentinels ?? '').split(/[\s,]+/).filter((place) => place !== '');
  if (places.length > MOST_SENTINELS)
    throw new Error(`The setting "sentinels" of cluster ${slug} names ${places.length}; at most ${MOST_SENTINELS} are asked.`);
  return { master, sentinels: places.map((place) => checkedPlace(`The setting "sentinels" of cluster ${slug}`, place)) };
}

/** @throws with a sentence when a setting is missing or cannot be used. */
export function nodeSettings({ slug, settings }: NodeDefinition): NodeSettings {
  const { address, sentinelPort } = settings;
  if (!address || !/^[A-Za-z0-9_.:-]{1,253}$/.test(address))
    throw new Error(`Node ${slug} needs the setting "address": the one by which the Sentinels know its Redis, such as 10.0.0.1.`);
  const hasSentinel = sentinelPort !== 'none';
  return {
    node: slug,
    address,
    port: checkedPort(`The port of node ${slug}`, settings['port'] ?? DEFAULT_PORT),
    unit: checkedUnit(slug, settings['unit'] ?? DEFAULT_UNIT),
    sentinel: hasSentinel
      ? {
          address,
          port: checkedPort(`The setting "sentinelPort" of node ${slug}`, sentinelPort ?? DEFAULT_SENTINEL_PORT),
        }
      : null,
  };
}

/** `10.0.0.1:6379`, as Sentinel itself writes it. */
export function placeName({ address, port }: Place): string {
  return `${address}:${port}`;
}

export function isSamePlace(left: Place, right: Place): boolean {
  return left.port === right.port && left.address.toLowerCase() === right.address.toLowerCase();
}

function checkedPlace(what: string, text: string): Place {
  const parts = /^([A-Za-z0-9_.:-]{1,253}):(\d{1,5})$/.exec(text);
  if (parts === null) throw new Error(`${what} holds "${text}", which is no ADDRESS:PORT.`);
  return { address: parts[1] as string, port: checkedPort(what, parts[2] as string) };
}

function checkedPort(what: string, value: string | number): number {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`${what} is not between 1 and 65535.`);
  return port;
}

function checkedUnit(node: string, unit: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,100}\.service$/.test(unit)) return unit;
  throw new Error(`"${unit}" of node ${node} cannot be the name of a systemd service, such as ${DEFAULT_UNIT}.`);
}
