import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificate } from './certificate.js';
import { give } from './account.js';
import type { PracticeCluster, PracticeNode } from './model.js';
import { withClient } from './server.js';

/**
 * Faults of configuration that nobody sees while a standby streams, and with which it would not start, not be
 * promoted, or not serve as the active node did. Each is planted the way it happens: a file edited on one host.
 */
export type LatentFault =
  | 'authentication'
  | 'synchronous-names'
  | 'missing-library'
  | 'read-only-default'
  | 'dead-archiving'
  | 'lower-limit'
  | 'expired-certificate';

export interface PlantedFault {
  readonly fault: LatentFault;
  readonly node: string;
  /** For a person: what was changed where. */
  readonly description: string;
  /** Puts it right again. Idempotent. */
  mend(): Promise<void>;
}

export const latentFaults: readonly LatentFault[] = [
  'authentication',
  'synchronous-names',
  'missing-library',
  'read-only-default',
  'dead-archiving',
  'lower-limit',
  'expired-certificate',
];

type Plant = (cluster: PracticeCluster, node: PracticeNode) => { description: string; mend: () => void; load: boolean };

/** Plants a fault on one node of the cluster. `lower-limit` stays in the file, not loaded: it bites at the next start. */
export async function plantFault(cluster: PracticeCluster, slug: string, fault: LatentFault): Promise<PlantedFault> {
  const node = cluster.nodes.find((candidate) => candidate.slug === slug);
  if (node === undefined) throw new Error(`There is no node ${slug} in ${cluster.definition.slug}.`);
  const planted = plants[fault](cluster, node);
  if (planted.load) await reload(cluster, node);
  return {
    fault,
    node: slug,
    description: planted.description,
    mend: async () => {
      planted.mend();
      if (planted.load) await reload(cluster, node);
    },
  };
}

async function reload(cluster: PracticeCluster, node: PracticeNode): Promise<void> {
  await withClient(node, cluster.secrets.driver, 'postgres', (client) => client.query('select pg_reload_conf()'));
}

const plants: Readonly<Record<LatentFault, Plant>> = {
  authentication: (cluster, node) => ({
    ...edited(cluster, join(node.root, 'data', 'pg_hba.conf'), (text) =>
      text
        .split('\n')
        .filter((line) => !line.includes(` ${cluster.secrets.application.user} `))
        .join('\n'),
    ),
    description: `pg_hba.conf on ${node.slug} lost the line of ${cluster.secrets.application.user}`,
    load: true,
  }),
  'synchronous-names': setting('synchronous_standby_names', `'a_standby_that_is_gone'`, true),
  'missing-library': (_cluster, node) => {
    const library = join(node.root, 'current', 'lib', 'postgresql', 'pg_walinspect.so');
    const aside = `${library}.aside`;
    renameSync(library, aside);
    const mend = (): void => {
      if (existsSync(aside)) renameSync(aside, library);
    };
    return { description: `the library of the extension pg_walinspect is missing on ${node.slug}`, mend, load: false };
  },
  'read-only-default': setting('default_transaction_read_only', 'on', true),
  'dead-archiving': setting('archive_command', `'false'`, true),
  'lower-limit': setting('max_wal_senders', '5', false),
  'expired-certificate': (cluster, node) => {
    const pair = certificate({ commonName: node.address, notBefore: new Date(), days: -30 });
    const key = edited(cluster, join(node.root, 'data', 'server.key'), () => pair.key);
    const cert = edited(cluster, join(node.root, 'data', 'server.crt'), () => pair.cert);
    const mend = (): void => {
      key.mend();
      cert.mend();
    };
    return { description: `the server certificate on ${node.slug} expired 30 days ago`, mend, load: true };
  },
};

function setting(name: string, value: string, load: boolean): Plant {
  return (cluster, node) => ({
    ...edited(cluster, join(node.root, 'data', 'node.conf'), (text) => `${text}${name} = ${value}\n`),
    description: `${name} = ${value} in node.conf on ${node.slug}${load ? '' : ', not loaded yet'}`,
    load,
  });
}

function edited(cluster: PracticeCluster, file: string, change: (text: string) => string): { mend: () => void } {
  const before = readFileSync(file, 'utf8');
  const replace = (text: string): void => {
    writeFileSync(file, text);
    give(cluster.account, file);
  };
  replace(change(before));
  return { mend: () => replace(before) };
}
