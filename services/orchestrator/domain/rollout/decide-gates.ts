import type { ClusterSnapshot } from '@understudy/cluster';
import { accept, refuse, type Decision } from '@understudy/decider';
import { closedEvent } from './decide-steps.js';
import { downtimePlan } from './downtime-plan.js';
import { AGEING_GATES } from './gate-table.js';
import { evaluateGates } from './gates.js';
import { violations } from './invariants.js';
import { outageBudgetMs } from './outage.js';
import { invariantRefusal } from './request.js';
import type { GateEvaluated, RolloutCommand, RolloutEvent } from './rollout.js';
import { changedState, isGoing, isMoving, type Going, type Known } from './state.js';
import { evolve } from './evolve.js';

type Command<T extends RolloutCommand['type']> = Extract<RolloutCommand, { type: T }>;
type Decided = Decision<RolloutEvent>;

/** What has to be true before a rollout may begin, and before each irreversible step of it. */

export function revisePlan(command: Command<'RevisePlan'>, state: Known): Decided {
  const standing = state.status === 'planned' || (state.status === 'held' && state.recovery === null);
  if (!standing) {
    return refuse('conflict', {
      pointer: '',
      code: 'NOT_STANDING',
      detail: `The rollout is ${state.status}: hold it before its plan is revised.`,
    });
  }
  const { plan, reason, binding, topologyFingerprint, at } = command;
  const order: RolloutEvent = { type: 'PlanRevised', data: { plan, reason, binding, topologyFingerprint, recovery: null, at } };
  const broken = violations(changedState(state, { plan }) as Going, order, { snapshot: null, neighbours: null });
  return broken.length === 0 ? accept(order) : refuse('conflict', ...broken.map(invariantRefusal));
}

export function recordApproval(command: Command<'RecordApproval'>, state: Known): Decided {
  const { by, binding, at } = command;
  if (by === state.planned.plannedBy) {
    return refuse('forbidden', {
      pointer: '',
      code: 'SELF_APPROVAL',
      detail: `${by} planned this rollout: another approver has to look at it.`,
    });
  }
  if (binding !== state.binding) {
    const detail =
      'What was approved is not what would be done now: plan, playbook, patch set, topology or window changed. Look again.';
    return refuse('conflict', { pointer: '/binding', code: 'PLAN_CHANGED', detail });
  }
  if (state.approval?.by === by && state.approval.binding === binding) return accept();
  return accept<RolloutEvent>({ type: 'RolloutApproved', data: { by, binding, at } });
}

export function recordTicket(command: Command<'RecordTicket'>): Decided {
  return accept<RolloutEvent>({ type: 'TicketRecorded', data: command.ticket });
}

/** One question at a time; versions of what this rollout itself changes are expected to differ meanwhile. */
export function requestDrift(command: Command<'RequestDriftAssessment'>, state: Known): Decided {
  const { requestId, deadlineAt, at } = command;
  if (state.driftRequest?.requestId === requestId) return accept();
  const expectedItems = state.planned.patchSet.items.map((item) => item.name);
  return accept<RolloutEvent>({ type: 'DriftAssessmentRequested', data: { requestId, deadlineAt, expectedItems, at } });
}

/** Answers to questions that are not open any more change nothing. */
export function receiveDrift(command: Command<'RecordDriftAssessment'>, state: Known): Decided {
  const { assessment } = command;
  const awaited = state.driftRequest?.requestId === assessment.requestId && state.drift?.requestId !== assessment.requestId;
  return awaited ? accept<RolloutEvent>({ type: 'DriftAssessmentReceived', data: assessment }) : accept();
}

/** Before admission: all gates, and what follows. Under way: the ones whose evidence ages. */
export function evaluateAll(command: Command<'EvaluateGates'>, state: Known): Decided {
  if (state.status === 'planned') return towardsAdmission(command, state);
  if (!isMoving(state))
    return refuse('conflict', { pointer: '', code: 'NOT_RUNNING', detail: `The rollout is ${state.status}.` });
  return underWay(command, state);
}

function towardsAdmission(command: Command<'EvaluateGates'>, state: Known): Decided {
  const { inputs, at } = command;
  const evaluated = evaluateGates(state, inputs, at);
  const required = evaluated.filter((gate) => gate.requirement === 'required');
  const forGood = required.filter((gate) => gate.status === 'closed' && gate.final);
  if (forGood.length > 0) return refusal(state, evaluated, command);
  if (required.some((gate) => gate.status !== 'open') || !isGoing(state)) return accept(...changed(state, evaluated));
  return admission(state, evaluated, at);
}

/** Only what tells something new is recorded: a gate that waits is looked at often. */
function changed(state: Known, evaluated: readonly GateEvaluated[]): readonly RolloutEvent[] {
  return evaluated.filter((gate) => tellsNew(state.gates[gate.gate], gate)).map(gateEvent);
}

function tellsNew(before: GateEvaluated | undefined, now: GateEvaluated): boolean {
  return (
    before?.status !== now.status || before.reason !== now.reason || before.final !== now.final || lapsedBetween(before, now)
  );
}

/** Open again on newer evidence: the old one has run out, or the question that it answers is another. */
function lapsedBetween(before: GateEvaluated, now: GateEvaluated): boolean {
  return before.evidence['requestId'] !== now.evidence['requestId'];
}

function gateEvent(gate: GateEvaluated): RolloutEvent {
  return { type: 'GateEvaluated', data: gate };
}

function admission(state: Going, evaluated: readonly GateEvaluated[], at: string): Decided {
  const gates = evaluated.map(gateEvent);
  const hosts = [...new Set(state.planned.cluster.nodes.map((node) => node.host))];
  const admitted: RolloutEvent = { type: 'RolloutAdmitted', data: { hosts, at, acceptedRisks: risksOf(state) } };
  const after = gates.reduce(evolve, state) as Going;
  const broken = violations(after, admitted, { snapshot: null, neighbours: null });
  return broken.length === 0 ? accept(...gates, admitted) : refuse('conflict', ...broken.map(invariantRefusal));
}

/** Risks that lie in the shape of the cluster; whoever scheduled the rollout has accepted them, and the log says so. */
function risksOf(state: Going): readonly string[] {
  const { order } = state.plan;
  const { plannedBy, kind, workload } = state.planned;
  if (kind === 'downtime')
    return [`${workload} is away for up to ${outageBudgetMs(state)} ms; accepted by ${plannedBy} with the rollout.`];
  if (order.length > 2) return [];
  return [
    `While one of ${order.map((place) => place.node).join(' and ')} is out, the other has no standby; accepted by ${plannedBy} with the rollout.`,
  ];
}

function refusal(state: Known, evaluated: readonly GateEvaluated[], command: Command<'EvaluateGates'>): Decided {
  const shut = evaluated.filter((gate) => gate.requirement === 'required' && gate.status !== 'open');
  const reason = shut.map((gate) => `${gate.gate}: ${gate.reason}`).join(' ');
  const layer = shut.find((gate) => gate.final && gate.gate === 'ha-layer');
  const offer =
    layer !== undefined && state.downtimePlan === null ? [downtimeEvent(state, command.inputs.snapshot, layer.reason)] : [];
  const closing = closedEvent(state, 'refused', reason, command.inputs.snapshot, command.at);
  return accept(...changed(state, evaluated), ...offer, closing);
}

function downtimeEvent(state: Known, snapshot: ClusterSnapshot | null, reason: string): RolloutEvent {
  const { cluster, patchSet, playbook } = state.planned;
  return { type: 'DowntimePlanOffered', data: downtimePlan({ cluster, snapshot, patchSet, playbook, reason }) };
}

/** A gate that closes under way holds the rollout where it stands; one that waits lets it wait. */
function underWay(command: Command<'EvaluateGates'>, state: Known): Decided {
  const ageing = evaluateGates(state, command.inputs, command.at).filter((gate) => AGEING_GATES.includes(gate.gate));
  const events = ageing.map(gateEvent);
  const shut = ageing.filter((gate) => gate.requirement === 'required' && gate.status === 'closed');
  if (shut.length === 0) return accept(...events);
  const reason = shut.map((gate) => `${gate.gate}: ${gate.reason}`).join(' ');
  const whoCanChangeIt = shut.map((gate) => gate.whoCanChangeIt).join('; ');
  return accept<RolloutEvent>(...events, {
    type: 'RolloutHeld',
    data: { reason, whoCanChangeIt, afterStep: null, at: command.at },
  });
}
