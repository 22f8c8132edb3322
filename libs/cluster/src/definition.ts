/**
 * What a user registers: hosts, clusters and nodes, as plain data. Slugs are identities.
 * Nothing here was observed; observations live in `snapshot.ts`.
 */

export type Environment = 'production' | 'lab' | 'practice';
export type HaLayer = 'application' | 'hypervisor' | 'none';
export type Role = 'active' | 'standby' | 'witness';
export type Availability = 'serving' | 'drained' | 'down' | 'unknown';

/**
 * How commands reach a host. `local`: the orchestrator's own machine. `ssh`: another one. Everything of ours on it lies below one root
 * folder (absolute path).
 */
export type AccessDefinition = { readonly kind: 'local'; readonly root: string } | SshAccessDefinition;

/** A place where sshd answers. */
export interface SshPlace {
  /** Name or address, as it stands in the known hosts file. */
  readonly address: string;
  /** 22 unless said. */
  readonly port?: number;
  readonly user: string;
  /** The name of a credential that an admin defined; its secret is a private key. */
  readonly credential: string;
  /** Fingerprints (`SHA256:…`) of the only keys that the host may show; without them the known hosts file decides. */
  readonly hostKeys?: readonly string[];
}

export interface SshAccessDefinition extends SshPlace {
  readonly kind: 'ssh';
  readonly root: string;
  /** The way there: each place is reached through the one before it. */
  readonly jumps?: readonly SshPlace[];
}

export interface HostDefinition {
  readonly slug: string;
  readonly access: AccessDefinition;
  /** The host's patch sources with their settings, by name, e.g. `{ "release": { "link": "current", "folder": "releases" } }`. */
  readonly patching: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface NodeDefinition {
  readonly slug: string;
  /** The host's slug. */
  readonly host: string;
  /** What the platform driver needs to reach this node's service, e.g. `{ "address": "127.0.0.1", "port": "5433", "dataFolder": "data" }`. */
  readonly settings: Readonly<Record<string, string>>;
  /** Set by the user when this node must never become active: the reason (delayed, reporting, asynchronous site, tag). */
  readonly notPromotable?: string;
}

export interface ClusterDefinition {
  readonly slug: string;
  /** The platform driver's name. */
  readonly platform: string;
  readonly environment: Environment;
  /** What the user says protects this cluster; classification compares it with evidence and never trusts it. */
  readonly declaredHaLayer?: HaLayer;
  /** The production cluster that this lab cluster mirrors. */
  readonly twinOf?: string;
  readonly workloads: readonly string[];
  readonly nodes: readonly NodeDefinition[];
  readonly hosts: readonly HostDefinition[];
  /** Names of credentials that an admin defined, by purpose: `driver` (observes and performs), `probe` (the client's), `replication`, `restApi`, `sentinel`. */
  readonly credentials: Readonly<Record<string, string>>;
  /** The host that runs the probe, if any: Understudy's own machine. It may not carry a node in lab and production. */
  readonly probeHost?: string;
  /** Settings of the whole cluster that the driver understands, e.g. `{ "database": "app" }`. */
  readonly settings: Readonly<Record<string, string>>;
}

export function hostOf(definition: ClusterDefinition, node: string): HostDefinition | undefined {
  const slug = definition.nodes.find((candidate) => candidate.slug === node)?.host;
  return definition.hosts.find((host) => host.slug === slug);
}

/** What a platform driver can be asked to bring about; each is a goal, never a command to repeat blindly. */
export type Verb = 'drain' | 'join' | 'release' | 'switchover' | 'stop' | 'start';
