/** A real practice cluster for specs, with the driver's target opened on it; nothing of it stays. */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openHosts, type Host } from '@understudy/hosts';
import type { ClusterTarget } from '@understudy/platforms';
import { buildPracticeCluster, removePracticeCluster, type PracticeCluster } from '@understudy/practice/pair';
import { postgresBinaries } from '@understudy/runtime';

/** Hands on a practice cluster that a spec needs beside the driver's. */
export {
  boot,
  breakRelease,
  childrenOf,
  latentFaults,
  plantFault,
  postmasterPid,
  withClient,
  type LatentFault,
  type PracticeNode,
} from '@understudy/practice/pair';

export interface TestPair {
  readonly cluster: PracticeCluster;
  /** Opened anew at each call, as another process would open it. */
  target(): ClusterTarget;
  /** Ends every process of the cluster, closes every opening, removes the files. */
  remove(): Promise<void>;
}

export interface TestPairOptions {
  /** Default 2. */
  readonly nodes?: number;
  readonly slug?: string;
  /** The newer release lies installed beside the older one that runs. Default false. */
  readonly withNewer?: boolean;
}

/** Builds it on the older of the two releases (2 to 4 s). */
export async function testPair(options: TestPairOptions = {}): Promise<TestPair> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-pair-'));
  chmodSync(folder, 0o755);
  const release = (which: 'older' | 'newer'): { version: string; nativeFolder: string } => {
    const { version, folder: nativeFolder } = postgresBinaries(which);
    return { version, nativeFolder };
  };
  const cluster = await buildPracticeCluster({
    folder: join(folder, 'cluster'),
    nodes: options.nodes ?? 2,
    releases: [release('older'), ...(options.withNewer === true ? [release('newer')] : [])],
    ...(options.slug === undefined ? {} : { cluster: options.slug }),
  });
  const opened: Host[] = [];
  return {
    cluster,
    target: () => {
      const hosts = openHosts(cluster.definition.hosts);
      opened.push(...Object.values(hosts));
      const { driver, replication } = cluster.secrets;
      return { definition: cluster.definition, hosts, secrets: { driver, replication }, now: () => Date.now() };
    },
    remove: async () => {
      await Promise.all(opened.map((host) => host.access.close()));
      await removePracticeCluster(cluster.folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
