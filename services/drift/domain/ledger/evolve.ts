import type { DriftEvent, Entry, LedgerState } from './ledger.js';
import { REQUESTS_KEPT } from './ledger.js';

export const initial: LedgerState = { heard: [], waiting: {}, answered: {}, expected: {}, entries: {} };

type Of<T extends DriftEvent['type']> = Extract<DriftEvent, { type: T }>['body'];
type Folds = { readonly [T in DriftEvent['type']]: (state: LedgerState, body: Of<T>) => LedgerState };

/** Takes a fact into the state; never refuses one. */
export function evolve(state: LedgerState, event: DriftEvent): LedgerState {
  const foldOne = folds[event.type] as (state: LedgerState, body: unknown) => LedgerState;
  return foldOne(state, event.body);
}

const folds: Folds = {
  // A score belonged to the document before; the next facts bring a new one.
  ClusterNoted: ({ fidelity: _fidelity, ...state }, { source, position, ...cluster }) => ({
    ...state,
    cluster,
    origin: { source, position },
  }),
  ClusterForgotten: ({ cluster: _cluster, facts: _facts, fidelity: _fidelity, ...state }, { source, position }) => ({
    ...state,
    origin: { source, position },
  }),
  FactsReceived: (state, { source, position, nodes, activeNode, requestId }) => ({
    ...state,
    origin: { source, position },
    facts: { nodes, activeNode },
    heard: requestId === '' ? state.heard : kept(state.heard, requestId),
  }),
  AssessmentRequested: (state, { cluster: _cluster, ...request }) => ({
    ...state,
    waiting: lastOf(state.waiting, request.requestId, request),
    expected: request.rolloutId === '' ? state.expected : { ...state.expected, [request.rolloutId]: request.expectedItems },
  }),
  ExpectationEnded: (state, { rolloutId }) => ({ ...state, expected: without(state.expected, rolloutId) }),
  FindingOpened: (state, { finding, mark, waived }) => {
    const waiver = waived ? state.entries[finding.findingId]?.waiver : undefined;
    const entry: Entry = { finding, mark, state: waived ? 'waived' : 'open', ...(waiver === undefined ? {} : { waiver }) };
    return withEntry(state, finding.findingId, () => entry);
  },
  FindingResolved: (state, { findingId }) => withEntry(state, findingId, (entry) => ({ ...entry, state: 'resolved' })),
  FindingWaived: (state, { findingId, owner, reason, expiresAt }) =>
    withEntry(state, findingId, (entry) => ({
      ...entry,
      state: 'waived',
      waiver: { owner, reason, expiresAt, mark: entry.mark },
    })),
  WaiverEnded: (state, { findingId }) =>
    withEntry(state, findingId, ({ waiver: _waiver, ...entry }) => ({
      ...entry,
      state: entry.state === 'waived' ? 'open' : entry.state,
    })),
  DriftAssessed: (state, assessment) => ({
    ...state,
    waiting: without(state.waiting, assessment.requestId),
    heard: state.heard.filter((id) => id !== assessment.requestId),
    answered: lastOf(state.answered, assessment.requestId, assessment),
  }),
  FidelityScored: (state, { twinOf, score, reasons }) => ({ ...state, fidelity: { twinOf, score, reasons } }),
};

function kept(ids: readonly string[], id: string): readonly string[] {
  return [...ids, id].slice(-REQUESTS_KEPT);
}

function lastOf<V>(record: Readonly<Record<string, V>>, key: string, value: V): Readonly<Record<string, V>> {
  return Object.fromEntries([...Object.entries(record), [key, value] as const].slice(-REQUESTS_KEPT));
}

function without<V>(record: Readonly<Record<string, V>>, key: string): Readonly<Record<string, V>> {
  const { [key]: _gone, ...rest } = record;
  return rest;
}

function withEntry(state: LedgerState, id: string, change: (entry: Entry) => Entry): LedgerState {
  return { ...state, entries: { ...state.entries, [id]: change(state.entries[id] as Entry) } };
}
