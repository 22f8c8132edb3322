import type { Fact, NodeFacts } from '../platform.js';
import { observeRedis } from './observe.js';
import { fieldsOf } from './readings.js';
import type { Session, SessionNode } from './session.js';
import type { RedisNode, RedisSnapshot } from './snapshot.js';
import { serverOf, viewsOf } from './topology.js';
import { ask } from './transport.js';
import { versionsOf } from './versions.js';

/** Settings that hold no secret, and decide whether a replica would serve as the master did. */
const PUBLIC_SETTINGS = new Set(
  `maxmemory maxmemory-policy maxmemory-clients appendonly appendfsync save stop-writes-on-bgsave-error min-replicas-to-write
  min-replicas-max-lag maxclients timeout tcp-keepalive tcp-backlog databases repl-backlog-size repl-timeout repl-diskless-sync
  repl-disable-tcp-nodelay replica-serve-stale-data replica-read-only replica-announced protected-mode tls-port port lazyfree-lazy-eviction
  active-defrag-enabled activedefrag notify-keyspace-events client-output-buffer-limit hash-max-listpack-entries io-threads lua-time-limit
  busy-reply-threshold latency-tracking aclfile enable-debug-command enable-module-command`.split(/\s+/),
);
/** Whether they are there, and equal, is all that leaves the driver. */
const SECRET_SETTINGS = new Set(['requirepass', 'masterauth', 'masteruser', 'tls-key-file-pass']);
const MOST_FACTS = 200;

type Hash = (value: string) => string;

/** Facts of every node: its settings, its version, and what its Sentinel was told. */
export async function collectFacts(session: Session, hash: Hash, deadlineMs: number): Promise<readonly NodeFacts[]> {
  const snapshot = await observeRedis(session, deadlineMs);
  return Promise.all(session.nodes.map((here) => collectNode({ session, snapshot, hash, deadlineMs }, here)));
}

interface Collecting {
  readonly session: Session;
  readonly snapshot: RedisSnapshot;
  readonly hash: Hash;
  readonly deadlineMs: number;
}

async function collectNode({ session, snapshot, hash, deadlineMs }: Collecting, here: SessionNode): Promise<NodeFacts> {
  const node = snapshot.nodes.find((candidate) => candidate.node === here.settings.node) as RedisNode;
  const { login } = session;
  const asked = await ask({
    place: here.settings,
    ...(login === undefined ? {} : { login }),
    commands: [['CONFIG', 'GET', '*']],
    deadlineMs,
  });
  const settings = asked.status === 'answered' ? fieldsOf(asked.replies[0] ?? null) : undefined;
  const reason = asked.status === 'answered' ? 'it does not tell its settings: may the login use CONFIG?' : asked.reason;
  const missing = [
    ...(node.unit.seen ? [] : [`host ${node.host}: ${node.unit.reason}`]),
    ...(serverOf(node) === undefined ? ['Redis does not answer'] : []),
    ...(settings === undefined ? [`settings: ${reason}`] : []),
  ];
  return {
    node: node.node,
    collectedAt: snapshot.observedAt,
    facts: [...versionFacts(node), ...settingFacts(settings ?? new Map(), hash), ...sentinelFacts(snapshot, node)].slice(
      0,
      MOST_FACTS,
    ),
    missing,
  };
}

function versionFacts(node: RedisNode): readonly Fact[] {
  return Object.entries(versionsOf(node)).flatMap(([name, { installed, running }]) =>
    installed === null
      ? []
      : [
          {
            area: name === 'redis' ? 'version' : 'package',
            name,
            value: installed,
            ...(running === null || running === installed ? {} : { runningValue: running }),
          },
        ],
  );
}

function settingFacts(settings: ReadonlyMap<string, string>, hash: Hash): readonly Fact[] {
  return [...settings].flatMap(([name, value]): readonly Fact[] => {
    if (PUBLIC_SETTINGS.has(name)) return [{ area: 'redis', name, value }];
    return SECRET_SETTINGS.has(name) ? [{ area: 'redis', name, value: hash(value), secret: true }] : [];
  });
}

function sentinelFacts(snapshot: RedisSnapshot, node: RedisNode): readonly Fact[] {
  const own = snapshot.sentinels.find((sentinel) => sentinel.node === node.node);
  const view = own === undefined ? undefined : viewsOf({ ...snapshot, sentinels: [own] })[0]?.view;
  if (view === undefined) return [];
  const told = {
    quorum: view.quorum,
    'down-after-milliseconds': view.downAfterMs,
    'failover-timeout': view.failoverTimeoutMs,
    'parallel-syncs': view.parallelSyncs,
    version: view.version,
  };
  return Object.entries(told).map(([name, value]) => ({ area: 'sentinel', name, value: String(value) }));
}
