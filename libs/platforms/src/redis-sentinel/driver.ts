import type { ClusterSnapshot } from '@understudy/cluster';
import type { NodeFacts, PlatformDriver } from '../platform.js';
import { collectEvidence } from './evidence.js';
import { collectFacts } from './facts.js';
import { observeRedis } from './observe.js';
import { performRedis } from './perform.js';
import { preflightRedis } from './preflight.js';
import { openSession } from './session.js';
import { CLUSTER_SETTINGS, NODE_SETTINGS, nodeSettings } from './settings.js';
import { PLATFORM, summarise } from './summary.js';
import { validateRedis } from './validate.js';
import { versionPair } from './versions.js';

/** Settings that decide whether a switchover that worked would work again; none of them changes with the roles. */
const FACTS_THAT_MATTER: ReadonlySet<string> = new Set([
  ...['min-replicas-to-write', 'min-replicas-max-lag', 'repl-backlog-size', 'replica-announced', 'maxmemory'].map(
    (name) => `redis ${name}`,
  ),
  ...['quorum', 'down-after-milliseconds', 'failover-timeout'].map((name) => `sentinel ${name}`),
]);

/** Redis under Sentinel: a Sentinel promotes, when the old master takes no writes any more and the new one has them all. */
export const redisSentinel: PlatformDriver = {
  platform: PLATFORM,
  writeSafety:
    'Writes are paused until the node that shall lead has every byte; then the old master is made a replica of itself, which refuses writes also when the pause is over, and only after its last byte is seen on the other does a Sentinel promote that one, the only one with a priority. If it is not promoted, the old master takes writes again. Redis replicates asynchronously: what a master acknowledges just before it dies by itself may be lost, as ever.',
  settings: { cluster: CLUSTER_SETTINGS, node: NODE_SETTINGS },
  clientPlace: (_definition, node) => {
    const { address: host, port } = nodeSettings(node);
    return { host, port };
  },
  evidence: (target, deadlineMs) => collectEvidence(openSession(target), deadlineMs),
  observe: async (target, deadlineMs) => summarise(await observeRedis(openSession(target), deadlineMs)),
  preflight: (target, _workload, deadlineMs, purpose = 'moving') => preflightRedis(openSession(target), deadlineMs, purpose),
  validate: (target, _workload, node, asActive, deadlineMs) => validateRedis(openSession(target), node, asActive, deadlineMs),
  facts: (target, keyedHash, deadlineMs) => collectFacts(openSession(target), keyedHash, deadlineMs),
  versionPair,
  fingerprintInput,
  perform: performRedis,
};

function fingerprintInput(snapshot: ClusterSnapshot, facts: readonly NodeFacts[]): string {
  const nodes = [...snapshot.nodes]
    .sort((left, right) => (left.node < right.node ? -1 : 1))
    .map((node) => ({
      node: node.node,
      host: node.host,
      versions: node.versions,
      promotion: node.promotion,
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
