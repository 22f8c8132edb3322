import { activeNode, type ClusterSnapshot } from '@understudy/cluster';
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
  return twoWriters(snapshot) ?? anotherServes(state, snapshot) ?? nobodyServes(state, snapshot);
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

/** Our own switchover may be half way; then its next attempt is the repair and no deviation. */
function nobodyServes(state: Going, snapshot: ClusterSnapshot): Deviation | null {
  if (state.serving === null || writers(snapshot).length > 0) return null;
  return {
    what: `${state.serving} does not serve any more, and nobody else does.`,
    evidence: { at: snapshot.observedAt, expected: state.serving },
    serving: null,
  };
}
