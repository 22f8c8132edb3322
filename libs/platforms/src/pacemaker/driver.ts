import type { ClusterSnapshot } from '@understudy/cluster';
import type { NodeFacts, PlatformDriver } from '../platform.js';
import { collectEvidence } from './evidence.js';
import { collectFacts } from './facts.js';
import { observePacemaker } from './observe.js';
import { performPacemaker } from './perform.js';
import { preflightPacemaker } from './preflight.js';
import { openSession } from './session.js';
import { CLUSTER_SETTINGS, NODE_SETTINGS, servicePlace } from './settings.js';
import { PLATFORM, summarise } from './summary.js';
import { validatePacemaker } from './validate.js';
import { versionPair } from './versions.js';

/** Areas of facts that decide whether a switchover that worked would work again; none of them changes with the roles. */
const AREAS_THAT_MATTER: ReadonlySet<string> = new Set(['pacemaker', 'resource', 'constraint', 'corosync']);

/** Resources under Pacemaker and Corosync: Pacemaker moves them, when a constraint of ours says where they belong. */
export const pacemaker: PlatformDriver = {
  platform: PLATFORM,
  writeSafety:
    'Pacemaker itself stops or demotes the resource where it runs before it starts or promotes it elsewhere, and that its stop has ended is what it waits for; its quorum, and fencing where it is set up, keep a node that went silent from serving on. A promotable clone goes only to a node that its resource agent offers. What a database acknowledges just before its node dies may be lost, as its own replication has it.',
  settings: { cluster: CLUSTER_SETTINGS, node: NODE_SETTINGS },
  clientPlace: (definition) => servicePlace(definition),
  evidence: (target, deadlineMs) => collectEvidence(openSession(target), deadlineMs),
  observe: async (target, deadlineMs) => summarise(await observePacemaker(openSession(target), deadlineMs)),
  preflight: (target, workload, deadlineMs, purpose = 'moving') =>
    preflightPacemaker(openSession(target), workload, deadlineMs, purpose),
  validate: (target, workload, node, asActive, deadlineMs) =>
    validatePacemaker(openSession(target), workload, node, asActive, deadlineMs),
  facts: (target, _keyedHash, deadlineMs) => collectFacts(openSession(target), deadlineMs),
  versionPair,
  fingerprintInput,
  perform: performPacemaker,
};

function fingerprintInput(snapshot: ClusterSnapshot, facts: readonly NodeFacts[]): string {
  const nodes = [...snapshot.nodes]
    .sort((left, right) => (left.node < right.node ? -1 : 1))
    .map(({ node, host, versions, promotion }) => ({
      ...{ node, host, versions, promotion },
      facts: factsThatMatter(facts.find((candidate) => candidate.node === node)),
    }));
  return JSON.stringify({ platform: snapshot.platform, cluster: snapshot.cluster, nodes });
}

function factsThatMatter(facts: NodeFacts | undefined): readonly (readonly [string, string])[] {
  return (facts?.facts ?? [])
    .filter(({ area, name }) => AREAS_THAT_MATTER.has(area) && name !== 'health')
    .map(({ area, name, value }) => [`${area} ${name}`, value] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
}
