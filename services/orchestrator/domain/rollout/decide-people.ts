import { accept, refuse, type Decision } from '@understudy/decider';
import { closedEvent } from './decide-steps.js';
import type { Person, RolloutCommand, RolloutEvent } from './rollout.js';
import { inFlight, resumedAs, type Known } from './state.js';

type Command<T extends RolloutCommand['type']> = Extract<RolloutCommand, { type: T }>;
type Decided = Decision<RolloutEvent>;

/** Hold, resume, abort and freeze: people (and the window, as `system`) steer a rollout. An approver alone cannot. */

export function notAllowed(by: Person): Decision<never> | null {
  if (by.role === 'operator' || by.role === 'admin' || by.role === 'system') return null;
  return refuse('forbidden', {
    pointer: '',
    code: 'ROLE_MISSING',
    detail: `${by.subject} is ${by.role}; an operator or admin may do this.`,
  });
}

/** Before admission it holds at once: nothing has begun. Else at the next safe point. */
export function hold(command: Command<'Hold'>, state: Known): Decided {
  const { by, reason, at } = command;
  const forbidden = notAllowed(by);
  if (forbidden !== null) return forbidden;
  if (state.status === 'held' || state.status === 'frozen' || state.holdRequested !== null) return accept();
  const requested: RolloutEvent = { type: 'HoldRequested', data: { by: by.subject, reason, at } };
  if (state.status !== 'planned') return accept(requested);
  return accept<RolloutEvent>(requested, {
    type: 'RolloutHeld',
    data: { reason, whoCanChangeIt: 'an operator: resume or abort', afterStep: null, at },
  });
}

/** From a freeze, back to what stood before it; or from a hold. The runner looks afresh before it goes on. */
export function resume(command: Command<'Resume'>, state: Known): Decided {
  const forbidden = notAllowed(command.by);
  if (forbidden !== null) return forbidden;
  const { frozenSince } = command;
  if (frozenSince !== undefined && frozenSince !== state.frozen?.since) return accept();
  if (state.held === null && state.frozen === null && state.holdRequested === null) {
    return refuse('conflict', {
      pointer: '',
      code: 'NOT_HELD',
      detail: `The rollout is ${state.status}: there is nothing to resume.`,
    });
  }
  return accept<RolloutEvent>({ type: 'RolloutResumed', data: { by: command.by.subject, at: command.at, as: resumedAs(state) } });
}

/**
 * Before admission it closes at once. Else it returns what is out at the next safe point, then closes. Where that way back
 * is held up in its turn, a second abort ends the rollout where it stands, with what remains: nothing else would ever end it.
 */
export function abort(command: Command<'Abort'>, state: Known): Decided {
  const { by, reason, at } = command;
  const forbidden = notAllowed(by);
  if (forbidden !== null) return forbidden;
  if (state.status === 'frozen') {
    return refuse('conflict', {
      pointer: '',
      code: 'FROZEN',
      detail: 'The rollout is frozen, a person drives. Resume it first, then abort.',
    });
  }
  const stuck = state.abortRequested === null || inFlight(state) !== undefined ? null : state.held;
  if (state.abortRequested !== null && stuck === null) return accept();
  const requested: RolloutEvent = { type: 'AbortRequested', data: { by: by.subject, reason, at } };
  if (state.admitted !== null && stuck === null) return accept(requested);
  const where = stuck === null ? 'before anything began' : `where it stood (${stuck.reason})`;
  return accept<RolloutEvent>(requested, closedEvent(state, 'aborted', `Aborted by ${by.subject} ${where}: ${reason}`, null, at));
}

/** Stops before the next act, also inside a verb, and hands over with what is in flight. */
export function freeze(command: Command<'Freeze'>, state: Known): Decided {
  const { by, reason, at } = command;
  const forbidden = notAllowed(by);
  if (forbidden !== null) return forbidden;
  if (state.status === 'frozen') return accept();
  const inFlight = state.steps.filter((step) => step.status === 'requested').map((step) => step.step.stepId);
  return accept<RolloutEvent>({ type: 'RolloutFrozen', data: { by: by.subject, reason, at, inFlight } });
}
