import type { Decision, Decider } from '@understudy/decider';
import { accept, refuse } from '@understudy/decider';
import type {
  Classification,
  ClusterCommand,
  ClusterEvent,
  ClusterState,
  FactsCollected,
  NodeFacts,
  RegisteredCluster,
} from './cluster.js';
import { classify } from './classify.js';
import { debtChanged, debtOf } from './debt.js';
import { debtKey, evolve, initial } from './evolve.js';
import { topologyChanged } from './topology.js';
import { validate } from './validate.js';

type Command<T extends ClusterCommand['type']> = Extract<ClusterCommand, { type: T }>;

/** All branches of the cluster aggregate. A retired slug may be registered again: its history stays in the stream. */
export function decide(command: ClusterCommand, state: ClusterState): Decision<ClusterEvent> {
  switch (command.type) {
    case 'register':
      return register(command, state);
    case 'change':
      return onRegistered(state, (cluster) => change(command, cluster));
    case 'retire':
      return onRegistered(state, (cluster) => retire(command, cluster));
    case 'record-observation':
      return onRegistered(state, (cluster) => recordObservation(command, cluster));
    case 'record-facts':
      return onRegistered(state, (cluster) => recordFacts(command, cluster));
    case 'assess-debt':
      return onRegistered(state, (cluster) => assessDebt(command, cluster));
  }
}

export const clusterDecider: Decider<ClusterState, ClusterCommand, ClusterEvent> = { initial, decide, evolve };

function onRegistered(state: ClusterState, next: (cluster: RegisteredCluster) => Decision<ClusterEvent>): Decision<ClusterEvent> {
  if (state.status === 'registered') return next(state);
  const detail =
    state.status === 'retired'
      ? `Cluster "${state.slug}" was retired. Register it again to go on with it.`
      : 'No cluster is registered under this slug. Look at GET /v1/clusters, or register it.';
  return refuse('not-found', { pointer: '', code: 'CLUSTER_NOT_FOUND', detail });
}

function register(command: Command<'register'>, state: ClusterState): Decision<ClusterEvent> {
  if (state.status === 'registered') {
    const slug = command.definition.slug;
    return refuse('conflict', {
      pointer: '/slug',
      code: 'CLUSTER_EXISTS',
      detail: `A cluster "${slug}" is registered already. Change it with PUT /v1/clusters/${slug} and If-Match, or choose another slug.`,
    });
  }
  const refusals = validate(command.definition, command.known);
  if (refusals.length > 0) return refuse('invalid', ...refusals);
  return accept({ type: 'ClusterRegistered', body: { definition: command.definition } });
}

function change(command: Command<'change'>, cluster: RegisteredCluster): Decision<ClusterEvent> {
  const { definition } = command;
  const slug = cluster.definition.slug;
  const stale = staleRevision(cluster, command.expectedRevision);
  if (stale !== undefined) return stale;
  if (definition.slug !== slug) {
    return refuse('invalid', {
      pointer: '/slug',
      code: 'SLUG_CHANGED',
      detail: `This is the document of cluster "${slug}"; it names "${definition.slug}". A slug is an identity: retire the one and register the other.`,
    });
  }
  const refusals = validate(definition, command.known);
  if (refusals.length > 0) return refuse('invalid', ...refusals);
  if (JSON.stringify(definition) === JSON.stringify(cluster.definition)) return accept();
  return accept({ type: 'ClusterChanged', body: { definition } });
}

function retire(command: Command<'retire'>, cluster: RegisteredCluster): Decision<ClusterEvent> {
  const retired: ClusterEvent = { type: 'ClusterRetired', body: { cluster: cluster.definition.slug, reason: command.reason } };
  return staleRevision(cluster, command.expectedRevision) ?? accept(retired);
}

/** Somebody else changed the document since the caller read it. */
function staleRevision(cluster: RegisteredCluster, expected: number | undefined): Decision<ClusterEvent> | undefined {
  if (expected === undefined || expected === cluster.revision) return undefined;
  return refuse('precondition', {
    pointer: '',
    code: 'CLUSTER_CHANGED_MEANWHILE',
    detail: `You read revision ${expected} of this cluster; it is at revision ${cluster.revision} now. Read it again, carry your change over, and send it with the new ETag.`,
  });
}

/**
 * A look is written down when the picture changed. A partial picture may show an application cluster, never disprove
 * one: with a node unseen, "no standby" is not known.
 */
function recordObservation(command: Command<'record-observation'>, cluster: RegisteredCluster): Decision<ClusterEvent> {
  const { snapshot } = command;
  if (cluster.snapshot !== undefined && cluster.snapshot.observedAt > snapshot.observedAt) return accept();
  const events: ClusterEvent[] = [];
  if (topologyChanged(cluster.snapshot, snapshot)) events.push({ type: 'TopologyObserved', body: { snapshot } });
  const before = cluster.classification;
  const classification = classify(cluster.definition, snapshot, command.evidence, before);
  if (before !== undefined && !snapshot.complete && classification.haLayer !== 'application') return accept(...events);
  if (!sameVerdict(before, classification)) {
    events.push({ type: 'HaLayerClassified', body: { cluster: cluster.definition.slug, classification } });
  }
  return accept(...events);
}

function sameVerdict(before: Classification | undefined, now: Classification): boolean {
  return before?.haLayer === now.haLayer && before.rolling === now.rolling && before.reason === now.reason;
}

/** Facts are written down once for each request, and by schedule only when they differ from the last ones. */
function recordFacts(command: Command<'record-facts'>, cluster: RegisteredCluster): Decision<ClusterEvent> {
  const { requestId, nodes, activeNode } = command;
  if (requestId !== '' && cluster.answered.includes(requestId)) return accept();
  const collected: FactsCollected = { cluster: cluster.definition.slug, requestId, nodes, activeNode };
  if (requestId === '' && cluster.facts !== undefined && picture(cluster.facts) === picture(collected)) return accept();
  return accept({ type: 'FactsCollected', body: collected });
}

function picture(collected: FactsCollected): string {
  const withoutTime = ({ node, facts, missing }: NodeFacts): unknown => [node, facts, missing];
  return JSON.stringify([collected.activeNode, collected.nodes.map(withoutTime)]);
}

function assessDebt(command: Command<'assess-debt'>, cluster: RegisteredCluster): Decision<ClusterEvent> {
  const nodes = cluster.snapshot?.nodes ?? [];
  const events = command.patchSets.flatMap((patchSet) =>
    nodes.flatMap((node): readonly ClusterEvent[] => {
      const debt = debtOf(node, patchSet, command.nowMs);
      if (debt === undefined || !debtChanged(cluster.debts[debtKey(debt)], debt)) return [];
      return [{ type: 'DebtAssessed', body: { cluster: cluster.definition.slug, ...debt } }];
    }),
  );
  return accept(...events);
}
