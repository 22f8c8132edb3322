import type { ClusterSnapshot } from '@understudy/cluster';
import type { NodeFacts, PlatformDriver, VersionPair } from '../platform.js';
import { collectEvidence } from './evidence.js';
import { collectFacts } from './facts.js';
import { observePostgres, withSession } from './observe.js';
import { withLeftovers } from './leftovers.js';
import { performPostgres } from './perform.js';
import { preflightPostgres } from './preflight.js';
import { CLUSTER_SETTINGS, NODE_SETTINGS, nodeSettings } from './settings.js';
import { PLATFORM, summarise } from './summary.js';
import { validatePostgres } from './validate.js';

/** Settings that decide whether a switchover that worked would work again. */
const SETTINGS_THAT_MATTER = [
  'synchronous_standby_names',
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
];

/** PostgreSQL with streaming replication and no cluster manager: the promotion is ours, and so is its safety. */
export const postgresStreaming: PlatformDriver = {
  platform: PLATFORM,
  writeSafety:
    'The old active node is stopped and durably marked as a standby on disk, and its last checkpoint is seen replayed on the target, before the target is promoted.',
  settings: { cluster: CLUSTER_SETTINGS, node: NODE_SETTINGS },
  clientPlace: (definition, node) => {
    const { address: host, port } = nodeSettings(definition, node);
    return { host, port };
  },
  evidence: (target, deadlineMs) => withSession(target, (session) => collectEvidence(session, deadlineMs)),
  observe: (target, deadlineMs) =>
    withSession(target, async (session) => {
      const seen = await observePostgres(session, deadlineMs);
      const places = session.nodes.map(({ host, settings }) => ({ root: host.access.root, settings }));
      return withLeftovers(summarise(seen), seen, places);
    }),
  preflight: (target, _workload, deadlineMs, purpose = 'moving') =>
    withSession(target, (session) => preflightPostgres(session, deadlineMs, purpose)),
  validate: (target, _workload, node, asActive, deadlineMs) =>
    withSession(target, (session) => validatePostgres(session, node, asActive, deadlineMs)),
  facts: (target, keyedHash, deadlineMs) => withSession(target, (session) => collectFacts(session, keyedHash, deadlineMs)),
  versionPair,
  fingerprintInput,
  perform: performPostgres,
};

/** Binary replication needs one major version; within it, either direction reads the other's data folder and WAL. */
function versionPair(item: string, from: string, to: string): VersionPair {
  if (item !== 'postgresql') {
    return {
      allowed: true,
      wayBack: 'lossless',
      reason: `${item} is not PostgreSQL itself: the data folder does not depend on it.`,
    };
  }
  const [before, after] = [majorOf(from), majorOf(to)];
  if (before === null || after === null || before !== after) {
    return {
      allowed: false,
      wayBack: 'none',
      reason: `Streaming replication works within one major version; ${from} to ${to} is a major upgrade. Use logical replication or pg_upgrade with a downtime.`,
    };
  }
  return {
    allowed: true,
    wayBack: 'lossless',
    reason: `${from} and ${to} share the format of data and WAL: nodes of both may be active in turn.`,
  };
}

/** Since PostgreSQL 10 the first number is the major version; before, the first two. */
function majorOf(version: string): string | null {
  const parts = /^(\d+)(?:\.(\d+))?/.exec(version);
  if (parts === null) return null;
  return Number(parts[1]) >= 10 ? (parts[1] as string) : `${parts[1]}.${parts[2] ?? '0'}`;
}

function fingerprintInput(snapshot: ClusterSnapshot, facts: readonly NodeFacts[]): string {
  const nodes = [...snapshot.nodes]
    .sort((left, right) => (left.node < right.node ? -1 : 1))
    .map((node) => ({
      node: node.node,
      host: node.host,
      system: node.systemIdentifier,
      promotable: node.promotion.promotable,
      versions: node.versions,
      settings: settingsThatMatter(facts.find((candidate) => candidate.node === node.node)),
    }));
  return JSON.stringify({ platform: snapshot.platform, cluster: snapshot.cluster, nodes });
}

function settingsThatMatter(facts: NodeFacts | undefined): readonly (readonly [string, string | null])[] {
  return SETTINGS_THAT_MATTER.map(
    (name) => [name, facts?.facts.find((fact) => fact.area === 'setting' && fact.name === name)?.value ?? null] as const,
  );
}
