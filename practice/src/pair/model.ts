import type { ClusterDefinition } from '@understudy/cluster';
import type { Account } from './account.js';

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** The cluster's logins: generated per cluster, SCRAM, never written outside the cluster's folder. */
export interface PracticeSecrets {
  /** What the platform driver uses; a superuser of the practice cluster. */
  readonly driver: Login;
  /** Writes to `understudy_probe.heartbeat` and nothing else. */
  readonly probe: Login;
  /** What standbys use towards the active node. */
  readonly replication: Login;
  /** Owner of the database; what the load client uses. */
  readonly application: Login;
}

export interface PracticeNode {
  readonly slug: string;
  /** Absolute path of the host's root folder. */
  readonly root: string;
  readonly address: string;
  readonly port: number;
}

/** A practice cluster as it was built: which node is active changes later, ask the nodes. */
export interface PracticeCluster {
  readonly folder: string;
  readonly account: Account | undefined;
  readonly definition: ClusterDefinition;
  /** By the names that `definition.credentials` refers to. */
  readonly credentials: Readonly<Record<string, Login>>;
  readonly secrets: PracticeSecrets;
  readonly database: string;
  /** The table that the probe writes to. */
  readonly probeTable: string;
  readonly nodes: readonly PracticeNode[];
  /** `address:port` of every node, for clients that try all. */
  readonly endpoints: readonly string[];
  /** Ends every PostgreSQL of this cluster by its own process id and leaves none. Files stay. Idempotent. */
  stop(): Promise<void>;
}
