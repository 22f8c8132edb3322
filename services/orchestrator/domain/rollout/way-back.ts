import { provenNodes } from './gates.js';
import type { RollbackRequested } from './rollout.js';
import { nodeOf, type Going } from './state.js';

/** What may be taken back to the version before, and what may not: one place for the failure policy, people and the rules. */

/** Why something is not done, with its code. */
export interface Refused {
  readonly code: string;
  readonly detail: string;
}

/** Nodes whose software this rollout changed, or may have. */
export function changedNodes(state: Going): readonly string[] {
  return [...new Set([...state.patched, ...failedPatch(state)])];
}

/** Also one that waits for another attempt: the first may have left half of itself. */
export function failedPatch(state: Going): readonly string[] {
  return state.steps
    .filter((step) => step.step.kind === 'patch' && (step.status === 'failed' || (step.status === 'planned' && step.attempt > 0)))
    .map((step) => nodeOf(step.step));
}

/** The nodes that a wish means. Whoever wants all means also what was being patched when they said so, or has been since. */
export function nodesOfWish(state: Going, wish: RollbackRequested): readonly string[] {
  return wish.all === true ? changedNodes(state) : wish.nodes;
}

/** Of these nodes, those whose version before was not proven to be at hand. */
export function unprovenAmong(state: Going, nodes: readonly string[]): readonly string[] {
  return nodes.filter((node) => !provenNodes(state).includes(node));
}

/** Would taking these back lose what was written since? From the point of no return on, it would. */
export function losesWrites(state: Going, nodes: readonly string[]): boolean {
  return state.pointOfNoReturnPassed && nodes.length > 0;
}

/** Was this node patched whole? What failed half way was never started, so nothing was written with it. */
export function patchedWhole(state: Going, node: string): boolean {
  return state.patched.includes(node) && !failedPatch(state).includes(node);
}

/** Why these nodes cannot be taken back without loss, or at all; null = they can. */
export function rollbackRefusal(state: Going, nodes: readonly string[]): Refused | null {
  if (losesWrites(state, nodes)) {
    const meaning = state.plan.pointOfNoReturn?.meaning ?? '';
    return { code: 'POINT_OF_NO_RETURN', detail: `The point of no return has been passed. ${meaning} Go on, or fix forward.` };
  }
  const unproven = unprovenAmong(state, nodes);
  if (unproven.length > 0) {
    const detail = `The way back is not proven on ${unproven.join(', ')}: the version before is not at hand.`;
    return { code: 'WAY_BACK_UNPROVEN', detail };
  }
  const { serving, originalActive, planned } = state;
  const moves = planned.kind === 'downtime' || serving === null || serving !== originalActive || !nodes.includes(serving);
  if (moves) return null;
  return { code: 'NODE_SERVES', detail: `${serving} serves, and nobody is left whom it could hand over to and take back again.` };
}
