import type { ClusterDefinition, NodeDefinition } from '@understudy/cluster';

/** The last ones are the probe's, which a cluster's owner gives in the same place. */
export const CLUSTER_SETTINGS = [
  'database',
  'lagCeilingBytes',
  'probeKind',
  'probeTargets',
  'probeTable',
  'probeIntervalMs',
  'probeTimeoutMs',
] as const;
export const NODE_SETTINGS = [
  'address',
  'port',
  'dataFolder',
  'binFolder',
  'logFile',
  'service',
  'autostartFile',
  'slot',
] as const;

const DEFAULT_LAG_CEILING_BYTES = 16 * 1024 * 1024;

export interface ClusterSettings {
  readonly database: string;
  /** A standby further behind than this is not promoted. */
  readonly lagCeilingBytes: number;
}

/** A node's settings with their defaults. Paths are relative to the host's root, or absolute. */
export interface NodeSettings {
  readonly node: string;
  readonly address: string;
  readonly port: number;
  readonly dataFolder: string;
  readonly binFolder: string;
  readonly logFile: string;
  /** How PostgreSQL is started and stopped on that host. */
  readonly service: 'pg_ctl';
  /** While this file is missing, the host's boot does not start PostgreSQL. */
  readonly autostartFile: string;
  readonly slot: string;
  /** What the driver keeps on the host between two acts. */
  readonly stateFolder: string;
}

/** @throws with a sentence when a setting is missing or cannot be used. */
export function clusterSettings(definition: ClusterDefinition): ClusterSettings {
  const database = definition.settings['database'];
  if (!database) throw new Error(`Cluster ${definition.slug} needs the setting "database": the one that the driver connects to.`);
  const ceiling = Number(definition.settings['lagCeilingBytes'] ?? DEFAULT_LAG_CEILING_BYTES);
  if (!Number.isSafeInteger(ceiling) || ceiling < 0) {
    throw new Error(`The setting "lagCeilingBytes" of cluster ${definition.slug} is not a number of bytes.`);
  }
  return { database, lagCeilingBytes: ceiling };
}

/** @throws with a sentence when a setting is missing or cannot be used. */
export function nodeSettings(definition: ClusterDefinition, node: NodeDefinition): NodeSettings {
  const { settings, slug } = node;
  const port = Number(settings['port'] ?? '5432');
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`The port of node ${slug} is not between 1 and 65535.`);
  const service = settings['service'] ?? 'pg_ctl';
  if (service !== 'pg_ctl') throw new Error(`The service control "${service}" of node ${slug} is not known. Known: pg_ctl.`);
  const slot = settings['slot'] ?? `understudy_${slug.replaceAll(/[^a-z0-9_]/g, '_')}`;
  if (!/^[a-z0-9_]{1,63}$/.test(slot)) throw new Error(`"${slot}" of node ${slug} cannot be the name of a replication slot.`);
  return {
    node: slug,
    address: required(slug, settings, 'address'),
    port,
    dataFolder: required(slug, settings, 'dataFolder'),
    binFolder: required(slug, settings, 'binFolder'),
    logFile: settings['logFile'] ?? 'postgresql.log',
    service,
    autostartFile: settings['autostartFile'] ?? 'autostart',
    slot,
    stateFolder: `.understudy/postgres-streaming/${definition.slug}.${slug}`,
  };
}

function required(node: string, settings: Readonly<Record<string, string>>, name: string): string {
  const value = settings[name];
  if (!value) throw new Error(`Node ${node} needs the setting "${name}".`);
  return value;
}
