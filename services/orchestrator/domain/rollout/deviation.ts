import { activeNode, type ClusterSnapshot } from '@understudy/cluster';
import { lossEvidence, lossWords } from './loss.js';
import type { Evidence, Observation } from './observation.js';
import type { Going } from './state.js';
import { writers } from './steps/step.js';

/** Something in the world that none of our steps brought about. */
export interface Deviation {
  readonly what: string;
  readonly evidence: Evidence;
  /** The invariant that the world breaks now, if any. */
  readonly invariant?: number;
  readonly serving?: string | null;
}

/** Foreign hands, seen in one complete look; null = everything is as our own acts left it. */
export function deviationOf(state: Going, seen: Observation): Deviation | null {
  const { snapshot } = seen;
  if (snapshot === undefined || !snapshot.complete) return null;
  return (
    twoWriters(snapshot) ?? anotherServes(state, snapshot) ?? nobodyServes(state, snapshot) ?? anotherVersion(state, snapshot)
  );
}

function twoWriters(snapshot: ClusterSnapshot): Deviation | null {
  const writing = writers(snapshot);
  if (writing.length < 2) return null;
  return {
    what: `Several nodes accept writes: ${writing.join(', ')}.`,
    evidence: { at: snapshot.observedAt, writers: writing },
    invariant: 17,
  };
}

function anotherServes(state: Going, snapshot: ClusterSnapshot): Deviation | null {
  const active = activeNode(snapshot, state.planned.workload)?.node;
  if (active === undefined || active === state.serving || startedByPackage(state, active)) return null;
  return {
    what: `${active} serves, not ${state.serving ?? 'nobody'}: somebody else moved the workload.`,
    evidence: { at: snapshot.observedAt, active, expected: state.serving },
    serving: active,
  };
}

/** What was stopped for its patch may be started by the package; in a downtime it is where it belongs, only early. */
function startedByPackage(state: Going, active: string): boolean {
  return state.planned.kind === 'downtime' && state.out.some((entry) => entry.node === active);
}

/**
 * Our own switchover may be half way; then its next attempt is the repair and no deviation. What bringing up another node
 * would lose is measured and told: that is a person's to decide.
 */
function nobodyServes(state: Going, snapshot: ClusterSnapshot): Deviation | null {
  if (state.serving === null || writers(snapshot).length > 0) return null;
  return {
    what: `${state.serving} does not serve any more, and nobody else does. ${lossWords(state, snapshot)}`,
    evidence: { at: snapshot.observedAt, expected: state.serving, ...lossEvidence(state, snapshot) },
    serving: null,
  };
}

/** A node in service runs something else than it did when it was last seen; what is out by our hand is being changed. */
function anotherVersion(state: Going, snapshot: ClusterSnapshot): Deviation | null {
  const out = state.out.map((entry) => entry.node);
  const changed = snapshot.nodes
    .filter(({ node }) => !out.includes(node))
    .flatMap(({ node, versions }) =>
      Object.entries(state.running[node] ?? {}).map(([item, was]) => ({ node, item, was, is: versions[item]?.running ?? was })),
    )
    .filter(({ was, is }) => was !== is);
  if (changed.length === 0) return null;
  const words = changed.map(({ node, item, was, is }) => `${node} runs ${item} ${is}, not ${was}`).join('; ');
  const running: Record<string, Record<string, string>> = {};
  for (const { node, item, is } of changed) running[node] = { ...running[node], [item]: is };
  return { what: `${words}: somebody else changed it.`, evidence: { at: snapshot.observedAt, running } };
}
