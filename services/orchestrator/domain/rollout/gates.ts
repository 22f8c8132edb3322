import type { Evidence } from './observation.js';
import { overridden } from './override.js';
import { closed, open, pending, refusedForGood, type Judgement } from './gate-judgement.js';
import { lastSafeStartMs } from './budget.js';
import { driftGaps, passedOverIn } from './gate-drift.js';
import { maxAgeMs, requirementOf } from './gate-table.js';
import { evaluateTopology } from './gate-topology.js';
import { GATES, type GateName } from './plan.js';
import type { DriftSeen, GateEvaluated, GateInputs, RolloutState, TicketSeen } from './rollout.js';
import type { Known } from './state.js';
import { isoOf, later, msOf } from './time.js';

/** Fidelity (0 to 1) that a lab twin must reach for its rehearsal to count. */
export const REHEARSAL_MIN_FIDELITY = 0.8;

type Judge = (state: Known, inputs: GateInputs, at: string) => Judgement;

const JUDGES: Readonly<Record<GateName, Judge>> = {
  'ha-layer': haLayer,
  topology: evaluateTopology,
  drift,
  'switchover-test': switchoverTest,
  probe,
  window,
  'change-ticket': changeTicket,
  approval,
  rehearsal,
  'way-back': wayBack,
};

/** Judges one gate on what was seen just now. What could not be told closes it; two persons may have opened it. `since` moves only with the status. */
export function evaluateGate(gate: GateName, state: Known, inputs: GateInputs, at: string): GateEvaluated {
  const before = state.gates[gate];
  const judged = unlessOver(JUDGES[gate](state, inputs, at), at);
  const since = before?.status === judged.status ? before.since : at;
  const seen = {
    gate,
    requirement: requirementOf(gate, state.planned.cluster.environment, state.planned.kind),
    since,
    ...judged,
  };
  return overridden(state, seen, at);
}

/** What is open only until a moment that has passed is closed: nobody would come to open it, and a person has to be told. */
function unlessOver(judged: Judgement, at: string): Judgement {
  if (judged.status !== 'open' || judged.until === null || msOf(judged.until) > msOf(at)) return judged;
  return closed(`${judged.reason} That held until ${judged.until}.`, 'an operator: abort, or another window', judged.evidence);
}

/** All gates that bind or advise in this rollout's environment. */
export function evaluateGates(state: Known, inputs: GateInputs, at: string): readonly GateEvaluated[] {
  const { cluster, kind } = state.planned;
  return GATES.filter((gate) => requirementOf(gate, cluster.environment, kind) !== 'off').map((gate) =>
    evaluateGate(gate, state, inputs, at),
  );
}

function within(gate: GateName, state: Known, from: string): string {
  return later(from, maxAgeMs(gate, state.planned.playbook));
}

function haLayer(state: Known, inputs: GateInputs, at: string): Judgement {
  const seen = inputs.haLayer;
  if (seen === null) return closed('The HA layer could not be classified.', 'the inventory, once it reaches the cluster', {});
  const evidence = { haLayer: seen.haLayer, rolling: seen.rolling };
  if (!seen.rolling) {
    return refusedForGood(
      `This cluster cannot roll: ${seen.reason}`,
      'nobody within this window; see the downtime plan',
      evidence,
    );
  }
  return open(seen.reason, within('ha-layer', state, at), evidence);
}

function drift(state: Known, inputs: GateInputs, at: string): Judgement {
  const received = state.drift;
  const answering = state.driftRequest;
  if (received === null) {
    const asked = answering !== null && msOf(answering.deadlineAt) > msOf(at);
    return asked
      ? pending('Drift is being assessed.', answering.deadlineAt, 'the drift service', { requestId: answering.requestId })
      : closed('Drift has not been assessed.', 'the drift service', {});
  }
  const until = within('drift', state, received.assessedAt);
  const evidence = driftEvidence(received);
  if (msOf(until) <= msOf(at))
    return closed(`The drift assessment of ${received.assessedAt} is too old.`, 'the drift service', evidence);
  if (inputs.drift === null) return closed('The drift assessment could not be read again.', 'the drift service', evidence);
  const worst = [received, inputs.drift].find((seen) => seen.blocking.length > 0 || driftGaps(state, seen).length > 0);
  if (worst === undefined) return openDrift(state, received, until);
  return closed(driftComplaint(state, worst), 'whoever mends the node, or waives the finding', {
    ...evidence,
    ...driftEvidence(worst),
    requestId: received.requestId,
  });
}

function openDrift(state: Known, received: DriftSeen, until: string): Judgement {
  const said = `No blocking drift; ${received.warnings} warnings, ${received.waived} waived`;
  const passedOver = passedOverIn(state, received);
  const evidence = driftEvidence(received);
  if (passedOver.length === 0) return open(`${said}.`, until, evidence);
  return open(`${said}. Not compared while out of service: ${passedOver.join(', ')}.`, until, { ...evidence, passedOver });
}

function driftEvidence(seen: DriftSeen): Evidence {
  return {
    requestId: seen.requestId,
    assessedAt: seen.assessedAt,
    blocking: seen.blocking,
    warnings: seen.warnings,
    waived: seen.waived,
  };
}

function driftComplaint(state: Known, seen: DriftSeen): string {
  const findings = seen.blocking.map(
    (finding) => `${finding.node}: ${finding.name} is ${finding.value}, expected ${finding.expected} (${finding.detail})`,
  );
  const gaps = driftGaps(state, seen).map((gap) => `could not be compared: ${gap}`);
  return `Blocking drift: ${[...findings, ...gaps].join('; ')}.`;
}

/** Open too when this rollout's own test will come first: invariant 11 lets nothing pass before it has succeeded. */
function switchoverTest(state: Known, _inputs: GateInputs, at: string): Judgement {
  const { switchoverResult } = state.planned;
  if (
    switchoverResult !== null &&
    switchoverResult.fingerprint === state.topologyFingerprint &&
    msOf(switchoverResult.expiresAt) > msOf(at)
  ) {
    const evidence = { rolloutId: switchoverResult.rolloutId, longestInterruptionMs: switchoverResult.longestInterruptionMs };
    return open(`Tested at ${switchoverResult.at} on the same topology.`, switchoverResult.expiresAt, evidence);
  }
  const own = (state.plan?.steps ?? []).some((step) => step.phase === 'switchover-test' && step.kind === 'switchover');
  const skipped = state.steps.some((step) => step.step.phase === 'switchover-test' && step.status === 'skipped');
  if (own && !skipped) return open('The rollout tests the switchover before it patches anything.', null, { own: true });
  return closed('No unexpired switchover result, and the plan has no test.', 'an operator: run a switchover test', {});
}

function probe(state: Known, inputs: GateInputs): Judgement {
  const evidence = { detail: inputs.probe.detail };
  if (!inputs.probe.available)
    return closed(`No probe can measure from outside: ${inputs.probe.detail}`, 'an admin: the probe host', evidence);
  return open(inputs.probe.detail, state.planned.closesAt, evidence);
}

function window(state: Known, _inputs: GateInputs, at: string): Judgement {
  const { opensAt, closesAt } = state.planned;
  const closesAtMs = msOf(closesAt);
  const lastStartMs = state.plan === null ? closesAtMs : lastSafeStartMs(state.plan, closesAtMs);
  const evidence = { opensAt, closesAt, lastSafeStart: isoOf(lastStartMs) };
  if (msOf(at) < msOf(opensAt)) return pending('The window has not opened.', opensAt, 'time', evidence);
  if (msOf(at) > lastStartMs) {
    return refusedForGood(
      'What is left of the window is too short for the way there and back.',
      'an operator: a longer window',
      evidence,
    );
  }
  return open(`There is time until ${isoOf(lastStartMs)} to start.`, isoOf(lastStartMs), evidence);
}

function changeTicket(state: Known, inputs: GateInputs, at: string): Judgement {
  const { ticket } = state;
  if (ticket === null) return closed('No change ticket has been recorded.', 'the change manager', {});
  const evidence = { ticketId: ticket.ticketId, number: ticket.number, approver: ticket.approver };
  if (inputs.ticket === null)
    return closed(`Ticket ${ticket.number} could not be read again.`, 'the notification service', evidence);
  const complaint = ticketComplaint(ticket, at) ?? ticketComplaint(inputs.ticket, at);
  if (complaint !== null) return closed(complaint, 'the change manager', evidence);
  return open(`${ticket.number} was approved by ${ticket.approver}.`, ticket.expiresAt ?? state.planned.closesAt, evidence);
}

function ticketComplaint(ticket: TicketSeen, at: string): string | null {
  if (!ticket.approved) return `${ticket.number} is not approved${ticket.reason === null ? '' : `: ${ticket.reason}`}.`;
  return ticket.expiresAt !== null && msOf(ticket.expiresAt) <= msOf(at)
    ? `${ticket.number} expired at ${ticket.expiresAt}.`
    : null;
}

function approval(state: Known): Judgement {
  const given = state.approval;
  const who = 'an approver who did not plan the rollout';
  if (given === null) return closed('Nobody has approved this rollout.', who, {});
  const evidence = { by: given.by, binding: given.binding, inForce: state.binding };
  if (given.by === state.planned.plannedBy) return closed('Nobody approves their own rollout.', who, evidence);
  if (given.binding !== state.binding)
    return closed('The approval has lapsed: plan, playbook, patch set, topology or window changed.', who, evidence);
  return open(`Approved by ${given.by} at ${given.at}.`, state.planned.closesAt, evidence);
}

function rehearsal(state: Known, inputs: GateInputs): Judgement {
  const seen = inputs.rehearsal;
  const who = 'an operator: rehearse on the lab twin';
  if (seen === null) return closed('No rehearsal on the lab twin is known.', who, {});
  const evidence = { passed: seen.passed, fidelity: seen.fidelity, at: seen.at };
  if (!seen.passed) return closed(`The rehearsal of ${seen.at} did not succeed.`, who, evidence);
  if (seen.fidelity < REHEARSAL_MIN_FIDELITY)
    return closed(`The twin's fidelity is ${seen.fidelity}, ${REHEARSAL_MIN_FIDELITY} is needed.`, who, evidence);
  return open(`Rehearsed at ${seen.at}, fidelity ${seen.fidelity}.`, within('rehearsal', state, seen.at), evidence);
}

/** The evidence names the nodes whose way back is proven: the failure policy rolls back nothing else. */
function wayBack(state: Known, inputs: GateInputs): Judgement {
  const missing = inputs.wayBack.filter((entry) => !entry.proven);
  const nodes = [...new Set(inputs.wayBack.map((entry) => entry.node))];
  const proven = nodes.filter((node) => !missing.some((entry) => entry.node === node));
  const evidence = { proven, nodes: inputs.wayBack };
  if (inputs.wayBack.length === 0)
    return closed('Whether there is a way back could not be told.', 'an admin: the patch source', evidence);
  if (missing.length === 0) return open('Every node can be taken back.', state.planned.closesAt, evidence);
  const detail = missing.map((node) => `${node.node}: ${node.detail}`).join('; ');
  return closed(`No rollback, only forward: ${detail}`, 'an admin: the patch source', evidence);
}

/** Nodes whose way back was proven when the gates were last evaluated. */
export function provenNodes(state: Known): readonly string[] {
  const proven = state.gates['way-back']?.evidence['proven'];
  return Array.isArray(proven) ? proven.map(String) : [];
}

/** What an item was said to change on a node when the gates were last evaluated: that is what was admitted. Absent: nothing was said. */
export function admittedTransaction(state: RolloutState, node: string, item: string): readonly string[] | undefined {
  const nodes = (state.gates['way-back']?.evidence['nodes'] ?? []) as GateInputs['wayBack'];
  return nodes.find((entry) => entry.node === node && entry.transaction?.item === item)?.transaction?.changes;
}
