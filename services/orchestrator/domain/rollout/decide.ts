import { accept, refuse, type Decider, type Decision } from '@understudy/decider';
import { evaluateAll, recordApproval, recordTicket, requestDrift, receiveDrift, revisePlan } from './decide-gates.js';
import { abort, freeze, hold, resume } from './decide-people.js';
import { conclude, recordDeviation, recordOutcome, requestStep, skipStep } from './decide-steps.js';
import { evolve } from './evolve.js';
import { escalate } from './mixed-versions.js';
import { exceed } from './outage.js';
import { confirmOverride, requestOverride, withdrawOverride } from './override.js';
import { rollBack } from './rollback.js';
import type { RolloutCommand, RolloutEvent, RolloutState } from './rollout.js';
import { INITIAL, isGoing, isKnown, type Going, type Known } from './state.js';

type Command<T extends RolloutCommand['type']> = Extract<RolloutCommand, { type: T }>;
export type Decided = Decision<RolloutEvent>;

/** Orders and reports become facts, or are refused with reasons. Pure: time, ids and looks arrive in the command. */
export function decide(command: RolloutCommand, state: RolloutState): Decided {
  if (command.type === 'PlanRollout') return plan(command, state);
  if (!isKnown(state)) return refuse('not-found', { pointer: '', code: 'ROLLOUT_UNKNOWN', detail: 'There is no such rollout.' });
  if (state.status === 'closed') return afterClose(command);
  switch (command.type) {
    case 'RecordApproval':
      return recordApproval(command, state);
    case 'RecordTicket':
      return recordTicket(command);
    case 'Begin':
      return begin(command, state);
    case 'RecordDriftAssessment':
      return receiveDrift(command, state);
    case 'Hold':
      return hold(command, state);
    case 'Resume':
      return resume(command, state);
    case 'Abort':
      return abort(command, state);
    case 'RollBack':
      return rollBack(command, state);
    case 'Freeze':
      return freeze(command, state);
    case 'RequestOverride':
      return requestOverride(command, state);
    case 'ConfirmOverride':
      return confirmOverride(command, state);
    case 'WithdrawOverride':
      return withdrawOverride(command, state);
    case 'Adopt':
      return adopt(command, state);
    default:
      return ofOwner(command, state);
  }
}

export const rolloutDecider: Decider<RolloutState, RolloutCommand, RolloutEvent> = { initial: INITIAL, decide, evolve };

function plan(command: Command<'PlanRollout'>, state: RolloutState): Decided {
  if (state.planned?.rolloutId === command.planned.rolloutId) return accept();
  if (state.planned !== null)
    return refuse('conflict', { pointer: '', code: 'ALREADY_PLANNED', detail: 'This stream holds another rollout.' });
  const planned: RolloutEvent = { type: 'RolloutPlanned', data: command.planned };
  return command.downtimePlan === null
    ? accept(planned)
    : accept<RolloutEvent>(planned, { type: 'DowntimePlanOffered', data: command.downtimePlan });
}

/** Its wave has begun. Said once; a hold or freeze of the rollout itself stays. */
function begin(command: Command<'Begin'>, state: RolloutState): Decided {
  const { wave, at } = command;
  return state.begun === null ? accept<RolloutEvent>({ type: 'RolloutBegun', data: { wave, at } }) : accept();
}

/** Late messages after the end change nothing; late orders are told so. */
function afterClose(command: RolloutCommand): Decided {
  if (command.type === 'RecordDriftAssessment' || command.type === 'RecordTicket') return accept();
  return refuse('conflict', { pointer: '', code: 'ROLLOUT_CLOSED', detail: 'The rollout has ended; plan another one.' });
}

function adopt(command: Command<'Adopt'>, state: RolloutState): Decided {
  if (state.owner?.incarnation === command.incarnation) return accept();
  const owner = state.owner?.incarnation ?? null;
  if (owner !== command.replaces) {
    const detail = `The rollout was adopted by ${owner ?? 'nobody'} in the meantime, not by ${command.replaces ?? 'nobody'}.`;
    return refuse('conflict', { pointer: '/replaces', code: 'OWNER_CHANGED', detail });
  }
  const { instance, incarnation, at } = command;
  return accept<RolloutEvent>({ type: 'RolloutAdopted', data: { instance, incarnation, at } });
}

type MovesCommand = Command<
  'RequestStep' | 'RecordOutcome' | 'SkipStep' | 'RecordDeviation' | 'EscalateMixedVersions' | 'RecordOutage' | 'Conclude'
>;
type OwnersCommand = Command<'RevisePlan' | 'RequestDriftAssessment' | 'EvaluateGates'> | MovesCommand;

/** Only the incarnation that adopted the rollout admits and moves it: a zombie learns here that it is none. */
function ofOwner(command: OwnersCommand, state: Known): Decided {
  if (state.owner?.incarnation !== command.incarnation) {
    const owner = state.owner?.incarnation ?? 'nobody';
    return refuse('conflict', {
      pointer: '/incarnation',
      code: 'NOT_OWNER',
      detail: `The rollout is owned by ${owner}: drop it.`,
    });
  }
  switch (command.type) {
    case 'RevisePlan':
      return revisePlan(command, state);
    case 'RequestDriftAssessment':
      return requestDrift(command, state);
    case 'EvaluateGates':
      return evaluateAll(command, state);
    default:
      return isGoing(state)
        ? moved(command, state)
        : refuse('conflict', { pointer: '', code: 'NO_PLAN', detail: 'The rollout has no plan to move along.' });
  }
}

function moved(command: MovesCommand, state: Going): Decided {
  switch (command.type) {
    case 'RequestStep':
      return requestStep(command, state);
    case 'RecordOutcome':
      return recordOutcome(command, state);
    case 'SkipStep':
      return skipStep(command, state);
    case 'RecordDeviation':
      return recordDeviation(command, state);
    case 'EscalateMixedVersions':
      return escalate(state, command.at);
    case 'RecordOutage':
      return exceed(state, command.at);
    case 'Conclude':
      return conclude(command, state);
  }
}
