import type { ClusterEvent, ClusterState, Debt, FactsCollected, RegisteredCluster } from './cluster.js';
import { ANSWERED_REQUESTS_KEPT } from './cluster.js';

export const initial: ClusterState = { status: 'absent', revision: 0 };

/** Takes a fact into the state; never refuses one. A fact about a cluster that is not registered changes nothing. */
export function evolve(state: ClusterState, event: ClusterEvent): ClusterState {
  switch (event.type) {
    case 'ClusterRegistered':
      return { status: 'registered', revision: state.revision + 1, definition: event.body.definition, answered: [], debts: {} };
    case 'ClusterRetired':
      return { status: 'retired', revision: state.revision, slug: event.body.cluster };
    default:
      return state.status === 'registered' ? observed(state, event) : state;
  }
}

type LaterEvent = Exclude<ClusterEvent, { type: 'ClusterRegistered' | 'ClusterRetired' }>;

function observed(state: RegisteredCluster, event: LaterEvent): RegisteredCluster {
  switch (event.type) {
    case 'ClusterChanged':
      // What was seen belonged to the document before: the next look classifies afresh.
      return {
        status: 'registered',
        revision: state.revision + 1,
        definition: event.body.definition,
        answered: state.answered,
        debts: keptDebts(state, event.body.definition),
      };
    case 'TopologyObserved':
      return { ...state, snapshot: event.body.snapshot };
    case 'HaLayerClassified':
      return { ...state, classification: event.body.classification };
    case 'FactsCollected':
      return { ...state, facts: event.body, answered: answered(state.answered, event.body) };
    case 'DebtAssessed': {
      const { cluster: _cluster, ...debt } = event.body;
      return { ...state, debts: { ...state.debts, [debtKey(debt)]: debt } };
    }
  }
}

export function debtKey(debt: Pick<Debt, 'node' | 'patchSetId'>): string {
  return `${debt.node}/${debt.patchSetId}`;
}

function keptDebts(state: RegisteredCluster, definition: RegisteredCluster['definition']): Readonly<Record<string, Debt>> {
  const nodes = new Set(definition.nodes.map((node) => node.slug));
  return Object.fromEntries(Object.entries(state.debts).filter(([, debt]) => nodes.has(debt.node)));
}

function answered(before: readonly string[], facts: FactsCollected): readonly string[] {
  return facts.requestId === '' ? before : [...before, facts.requestId].slice(-ANSWERED_REQUESTS_KEPT);
}
