import type { ClusterDefinition, NodeDefinition } from '@understudy/cluster';
import type { ServerPlace } from '../postgres/connections.js';

/** The last ones are the probe's, which a cluster's owner gives in the same place. */
export const CLUSTER_SETTINGS = [
  'scope',
  'database',
  'etcd',
  'certificateAuthority',
  'probeKind',
  'probeTargets',
  'probeTable',
  'probeIntervalMs',
  'probeTimeoutMs',
] as const;
export const NODE_SETTINGS = ['api', 'member', 'unit', 'etcd', 'address', 'port', 'binFolder'] as const;

const DEFAULT_UNIT = 'patroni.service';
const DEFAULT_PORT = 5432;
/** In place of URLs: the store is not ours to count. */
const ELSEWHERE = 'elsewhere';
const MOST_ETCD_URLS = 9;

export interface ClusterSettings {
  /** Patroni's name of the cluster: an answer for another one is no answer. */
  readonly scope: string;
  /** The one that the driver connects to; it is also what the workload is called. */
  readonly database: string;
  /** Client URLs of etcd members that run on none of the nodes. */
  readonly etcd: readonly string[];
  /** Its owner says that no node carries a member of Patroni's store, whatever that is. */
  readonly isStoreElsewhere: boolean;
  /** PEM text of the authority that signed the certificates of the REST API and of etcd; undefined: the usual ones. */
  readonly certificateAuthority?: string;
}

/** A node's settings with their defaults. Its PostgreSQL answers at `address` and `port`. */
export interface NodeSettings extends ServerPlace {
  /** URL of the member's REST API, without a path. */
  readonly api: string;
  /** Patroni's name of the member. */
  readonly member: string;
  /** The systemd unit that runs Patroni, and PostgreSQL below it. */
  readonly unit: string;
  /** Client URL of the etcd member on the same host, if there is one. */
  readonly etcd: string | null;
  /** Where `postgres` lies; null: where the distributions put it. */
  readonly binFolder: string | null;
}

/** @throws with a sentence when a setting is missing or cannot be used. */
export function clusterSettings({ slug, settings }: ClusterDefinition): ClusterSettings {
  const { scope, database, etcd, certificateAuthority } = settings;
  if (!scope) throw new Error(`Cluster ${slug} needs the setting "scope": Patroni's name of the cluster.`);
  if (!database) throw new Error(`Cluster ${slug} needs the setting "database": the one that the driver connects to.`);
  const isStoreElsewhere = etcd?.trim() === ELSEWHERE;
  const urls = (isStoreElsewhere ? '' : (etcd ?? '')).split(/[\s,]+/).filter((url) => url !== '');
  if (urls.length > MOST_ETCD_URLS)
    throw new Error(`The setting "etcd" of cluster ${slug} names ${urls.length} URLs; at most ${MOST_ETCD_URLS} are asked.`);
  if (certificateAuthority !== undefined && !certificateAuthority.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error(
      `The setting "certificateAuthority" of cluster ${slug} is no PEM text of a certificate. Paste the text, not a path.`,
    );
  return {
    scope,
    database,
    isStoreElsewhere,
    etcd: urls.map((url) => checkedUrl(`The setting "etcd" of cluster ${slug}`, url)),
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
  };
}

/** @throws with a sentence when a setting is missing or cannot be used. */
export function nodeSettings({ slug, settings }: NodeDefinition): NodeSettings {
  if (!settings['api'])
    throw new Error(`Node ${slug} needs the setting "api": the URL of the member's REST API, such as http://10.0.0.1:8008.`);
  const api = checkedUrl(`The setting "api" of node ${slug}`, settings['api']);
  const unit = settings['unit'] ?? DEFAULT_UNIT;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,100}\.service$/.test(unit))
    throw new Error(`"${unit}" of node ${slug} cannot be the name of a systemd service, such as ${DEFAULT_UNIT}.`);
  const port = Number(settings['port'] ?? DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`The port of node ${slug} is not between 1 and 65535.`);
  const { etcd, binFolder } = settings;
  if (binFolder !== undefined && !/^\/[\w./+-]*$/.test(binFolder))
    throw new Error(`The setting "binFolder" of node ${slug} is no absolute path without blanks.`);
  return {
    node: slug,
    address: settings['address'] ?? new URL(api).hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    api,
    member: settings['member'] ?? slug,
    unit,
    etcd: etcd === undefined ? null : checkedUrl(`The setting "etcd" of node ${slug}`, etcd),
    binFolder: binFolder ?? null,
  };
}

/** Scheme, host and port alone: a login in a URL would be stored and shown. */
function checkedUrl(what: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new Error(`${what} is "${text}", which is no http or https URL.`);
  if (url.username !== '' || url.password !== '')
    throw new Error(`${what} holds a login. Define a credential for "restApi" instead, and give the URL without it.`);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw new Error(`${what} is "${text}". Give scheme, host and port alone.`);
  return url.origin;
}
