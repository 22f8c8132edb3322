import type { ClusterSnapshot } from '@understudy/cluster';
import type { NodeFacts, PlatformDriver } from '../platform.js';
import { collectEvidence } from './evidence.js';
import { collectFacts } from './facts.js';
import { observePatroni } from './observe.js';
import { performPatroni } from './perform.js';
import { preflightPatroni } from './preflight.js';
import { withSession } from './session.js';
import { CLUSTER_SETTINGS, NODE_SETTINGS, nodeSettings } from './settings.js';
import { PLATFORM, summarise } from './summary.js';
import { validatePatroni } from './validate.js';
import { versionPair } from './versions.js';

/** Settings and facts that decide whether a switchover that worked would work again; none of them changes with the roles. */
const FACTS_THAT_MATTER: ReadonlySet<string> = new Set([
  ...[
    'wal_level',
    'max_wal_senders',
    'max_connections',
    'max_worker_processes',
    'max_prepared_transactions',
    'max_locks_per_transaction',
    'max_replication_slots',
    'hot_standby',
    'wal_log_hints',
    'archive_mode',
    'default_transaction_read_only',
    'ssl',
  ].map((name) => `setting ${name}`),
  ...[
    'ttl',
    'loop_wait',
    'retry_timeout',
    'maximum_lag_on_failover',
    'synchronous_mode',
    'synchronous_mode_strict',
    'synchronous_node_count',
    'failsafe_mode',
    'check_timeline',
    'tag nofailover',
    'tag nosync',
    'tag replicatefrom',
  ].map((name) => `patroni ${name}`),
]);

/** PostgreSQL under Patroni: Patroni promotes, we ask it to, and look what came of it. */
export const patroni: PlatformDriver = {
  platform: PLATFORM,
  writeSafety:
    'Patroni stops the old leader cleanly, which sends its last WAL to every connected standby, and gives the leader key away only after that; a node takes writes only while it holds the key. We ask only for a named, caught-up standby after every receiver has confirmed a fresh record, and see before and after that exactly one node takes writes and holds the key. With asynchronous replication a standby whose link breaks during that stop may lack its last records; in synchronous mode Patroni promotes only one that has them.',
  settings: { cluster: CLUSTER_SETTINGS, node: NODE_SETTINGS },
  clientPlace: (_definition, node) => {
    const { address: host, port } = nodeSettings(node);
    return { host, port };
  },
  evidence: (target, deadlineMs) => withSession(target, (session) => collectEvidence(session, deadlineMs)),
  observe: (target, deadlineMs) => withSession(target, async (session) => summarise(await observePatroni(session, deadlineMs))),
  preflight: (target, _workload, deadlineMs, purpose = 'moving') =>
    withSession(target, (session) => preflightPatroni(session, deadlineMs, purpose)),
  validate: (target, _workload, node, asActive, deadlineMs) =>
    withSession(target, (session) => validatePatroni(session, node, asActive, deadlineMs)),
  facts: (target, keyedHash, deadlineMs) => withSession(target, (session) => collectFacts(session, keyedHash, deadlineMs)),
  versionPair,
  fingerprintInput,
  perform: performPatroni,
};

/** Who may be promoted is told by the tags and the owner's word, which stay; in synchronous mode it changes with the roles. */
function fingerprintInput(snapshot: ClusterSnapshot, facts: readonly NodeFacts[]): string {
  const nodes = [...snapshot.nodes]
    .sort((left, right) => (left.node < right.node ? -1 : 1))
    .map((node) => ({
      node: node.node,
      host: node.host,
      system: node.systemIdentifier,
      versions: node.versions,
      facts: factsThatMatter(facts.find((candidate) => candidate.node === node.node)),
    }));
  return JSON.stringify({ platform: snapshot.platform, cluster: snapshot.cluster, nodes });
}

function factsThatMatter(facts: NodeFacts | undefined): readonly (readonly [string, string])[] {
  return (facts?.facts ?? [])
    .map(({ area, name, value }) => [`${area} ${name}`, value] as const)
    .filter(([name]) => FACTS_THAT_MATTER.has(name))
    .sort(([left], [right]) => (left < right ? -1 : 1));
}
