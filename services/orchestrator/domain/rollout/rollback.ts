import { accept, refuse, type Decision } from '@understudy/decider';
import { notAllowed } from './decide-people.js';
import { provenNodes } from './gates.js';
import { changedNodes } from './recovery.js';
import type { RolloutCommand, RolloutEvent } from './rollout.js';
import { isGoing, type Going, type Known } from './state.js';

type Command<T extends RolloutCommand['type']> = Extract<RolloutCommand, { type: T }>;
interface Refused {
  readonly code: string;
  readonly detail: string;
}

/** A person turns back: one node, or all that were patched, at the next safe point or from a hold. Refused where nothing could. */
export function rollBack(command: Command<'RollBack'>, state: Known): Decision<RolloutEvent> {
  const { reason, at, by, node } = command;
  const forbidden = notAllowed(by);
  if (forbidden !== null) return forbidden;
  if (!isGoing(state) || state.admitted === null)
    return no({ code: 'NOTHING_PATCHED', detail: 'Nothing has been patched: the rollout has not been admitted. Abort it.' });
  if (state.rollbackRequested !== null && state.recovery === null) return accept();
  const nodes = node === null ? changedNodes(state) : [node];
  const refusal = notNow(state) ?? nothingToTake(state, nodes) ?? rollbackRefusal(state, nodes);
  if (refusal !== null) return no(refusal);
  return accept<RolloutEvent>({ type: 'RollbackRequested', data: { by: by.subject, reason, nodes, at } });
}

function no({ code, detail }: Refused): Decision<never> {
  return refuse('conflict', { pointer: '', code, detail });
}

function notNow(state: Going): Refused | null {
  if (state.status === 'frozen')
    return { code: 'FROZEN', detail: 'The rollout is frozen, a person drives. Resume it first, then roll back.' };
  if (state.abortRequested === null && state.recovery === null) return null;
  return { code: 'TURNING_BACK', detail: 'The rollout is on its way back already.' };
}

function nothingToTake(state: Going, nodes: readonly string[]): Refused | null {
  const untouched = nodes.filter((node) => !changedNodes(state).includes(node));
  if (nodes.length > 0 && untouched.length === 0) return null;
  const which = nodes.length === 0 ? 'No node' : `Not ${untouched.join(', ')}: it`;
  return { code: 'NOTHING_PATCHED', detail: `${which} has been patched by this rollout; there is nothing to take back.` };
}

/** Why these nodes cannot be taken back without loss, or at all; null = they can. */
export function rollbackRefusal(state: Going, nodes: readonly string[]): Refused | null {
  if (state.pointOfNoReturnPassed) {
    const meaning = state.plan.pointOfNoReturn?.meaning ?? '';
    return { code: 'POINT_OF_NO_RETURN', detail: `The point of no return has been passed. ${meaning} Go on, or fix forward.` };
  }
  const unproven = nodes.filter((node) => !provenNodes(state).includes(node));
  if (unproven.length > 0) {
    const detail = `The way back is not proven on ${unproven.join(', ')}: the version before is not at hand.`;
    return { code: 'WAY_BACK_UNPROVEN', detail };
  }
  const { serving, originalActive, planned } = state;
  const moves = planned.kind === 'downtime' || serving === null || serving !== originalActive || !nodes.includes(serving);
  if (moves) return null;
  return { code: 'NODE_SERVES', detail: `${serving} serves, and nobody is left whom it could hand over to and take back again.` };
}
