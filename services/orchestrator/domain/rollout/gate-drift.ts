import type { DriftSeen } from './gate-inputs.js';
import type { Known } from './state.js';

/**
 * A node that we took out of service cannot be compared with the others until it is joined again. An assessment that could not
 * compare it says nothing against the rest, so the gate opens without it; once it is back, drift is asked again before anything
 * that cannot be undone, and before the last look at the whole.
 */

/** What an assessment says of nodes that should have been comparable. */
export function driftGaps(state: Known, { incomplete }: DriftSeen): readonly string[] {
  return incomplete.filter((gap) => !outOfService(state).some((node) => isAbout(gap, node)));
}

/** Nodes out of service that the assessment could not compare. */
export function passedOverIn(state: Known, { incomplete }: DriftSeen): readonly string[] {
  return outOfService(state).filter((node) => incomplete.some((gap) => isAbout(gap, node)));
}

/** Was the gate opened without a node that could be compared now? */
export function wasPassedOver(state: Known): boolean {
  const without = (state.gates.drift?.evidence['passedOver'] ?? []) as readonly string[];
  return without.some((node) => !outOfService(state).includes(node));
}

/** By our hand, and seen to be: from its drain until it is joined. What may be half drained may still serve. */
function outOfService({ out }: Known): readonly string[] {
  return out.filter(({ stage }) => stage === 'drained').map(({ node }) => node);
}

/** The drift service names the node first: `NODE: what`. */
function isAbout(gap: string, node: string): boolean {
  return gap.startsWith(`${node}: `);
}
