import { accept, refuse, type Decision } from '@understudy/decider';
import { notAllowed } from './decide-people.js';
import { doesNotComeBack } from './outage.js';
import type { RolloutCommand, RolloutEvent } from './rollout.js';
import { inFlight, isGoing, nodeOf, unknownStep, type Going, type Known } from './state.js';
import { changedNodes, rollbackRefusal, type Refused } from './way-back.js';

type Command<T extends RolloutCommand['type']> = Extract<RolloutCommand, { type: T }>;

/**
 * A person turns back: one node, or all that were patched, at the next safe point, from a hold, or where a downtime's workload does not
 * come back with what is installed. Refused where nothing could.
 */
export function rollBack(command: Command<'RollBack'>, state: Known): Decision<RolloutEvent> {
  const { reason, at, by, node } = command;
  const forbidden = notAllowed(by);
  if (forbidden !== null) return forbidden;
  if (!isGoing(state) || state.admitted === null)
    return no({ code: 'NOTHING_PATCHED', detail: 'Nothing has been patched: the rollout has not been admitted. Abort it.' });
  if (state.rollbackRequested !== null && state.recovery === null) return accept();
  const nodes = node === null ? touchedNodes(state) : [node];
  const refusal = notNow(state) ?? nothingToTake(state, nodes) ?? rollbackRefusal(state, nodes);
  if (refusal !== null) return no(refusal);
  return accept<RolloutEvent>({
    type: 'RollbackRequested',
    data: { by: by.subject, reason, nodes, ...(node === null ? { all: true } : {}), at },
  });
}

function no({ code, detail }: Refused): Decision<never> {
  return refuse('conflict', { pointer: '', code, detail });
}

/** Also the one that is being patched now: it is brought to its end, and then taken back. */
function touchedNodes(state: Going): readonly string[] {
  const open = inFlight(state) ?? unknownStep(state);
  const patching = open?.step.kind === 'patch' ? [nodeOf(open.step)] : [];
  return [...new Set([...changedNodes(state), ...patching])];
}

function notNow(state: Going): Refused | null {
  if (state.status === 'frozen')
    return { code: 'FROZEN', detail: 'The rollout is frozen, a person drives. Resume it first, then roll back.' };
  if (doesNotComeBack(state) || (state.abortRequested === null && state.recovery === null)) return null;
  return { code: 'TURNING_BACK', detail: 'The rollout is on its way back already.' };
}

function nothingToTake(state: Going, nodes: readonly string[]): Refused | null {
  const untouched = nodes.filter((node) => !touchedNodes(state).includes(node));
  if (nodes.length > 0 && untouched.length === 0) return null;
  const which = nodes.length === 0 ? 'No node' : `Not ${untouched.join(', ')}: it`;
  return { code: 'NOTHING_PATCHED', detail: `${which} has been patched by this rollout; there is nothing to take back.` };
}
