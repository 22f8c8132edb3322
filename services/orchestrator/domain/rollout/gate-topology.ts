import { activeNodes, quorumSurvives, type ClusterSnapshot } from '@understudy/cluster';
import { maxAgeMs } from './gate-table.js';
import { closed, open, refusedForGood, type Judgement } from './gate-judgement.js';
import type { Evidence } from './observation.js';
import { mayServe } from './order.js';
import type { GateInputs } from './rollout.js';
import { isGoing, type Going, type Known } from './state.js';
import { later } from './time.js';
import { atTarget, NOTHING_TO_DO, versionsOf } from './versions.js';

/** Differences that one reason lists; the evidence has them all. */
const MOST_GAPS = 5;

/**
 * Is this the cluster that was planned for, whole and able to spare one node? Our own store is refused by its identity;
 * so are hosts that another rollout has claimed, and hosts where another cluster would suffer.
 */
export function evaluateTopology(state: Known, inputs: GateInputs, at: string): Judgement {
  const evidence = evidenceOf(state, inputs);
  if (!isGoing(state)) {
    const because = state.planned.noPlanBecause ?? 'No plan could be made.';
    return refusedForGood(because, 'an operator: plan again once that has changed', evidence);
  }
  const own = ownComplaint(state, inputs);
  if (own !== null) return refusedForGood(own, 'nobody: the orchestrator never patches what it stands on', evidence);
  const { snapshot } = inputs;
  if (snapshot === null || !snapshot.complete) {
    const why = snapshot === null ? 'it did not answer' : snapshot.disagreements.join(' ');
    return closed(`The cluster could not be seen completely: ${why}`, 'whoever mends the cluster', evidence);
  }
  const late = state.planned.kind === 'switchover-test' ? null : targetComplaint(state, snapshot);
  if (late !== null) return refusedForGood(late, 'an operator: another patch set', evidence);
  const complaint =
    planComplaint(state, inputs) ??
    standbyComplaint(state, snapshot) ??
    patchComplaint(state, inputs) ??
    hostComplaint(state, inputs);
  if (complaint !== null) return closed(complaint.reason, complaint.who, evidence);
  return open('Complete, one active, a standby fit to serve.', later(at, maxAgeMs('topology', state.planned.playbook)), evidence);
}

interface Complaint {
  readonly reason: string;
  readonly who: string;
}

function evidenceOf(state: Known, inputs: GateInputs): Evidence {
  const { snapshot } = inputs;
  return {
    observedAt: snapshot?.observedAt ?? null,
    active: snapshot === null ? [] : activeNodes(snapshot, state.planned.workload).map((node) => node.node),
    sharedHosts: [...new Set(inputs.neighbours.map((neighbour) => neighbour.host))],
    versions: versionsOf(snapshot),
    twoNodeRisk: state.plan?.order.length === 2,
  };
}

function ownComplaint(state: Known, inputs: GateInputs): string | null {
  const nodes = inputs.snapshot?.nodes ?? [];
  const store = nodes.find(
    (node) => node.systemIdentifier !== null && inputs.own.systemIdentifiers.includes(node.systemIdentifier),
  );
  if (store !== undefined) return `${store.node} carries the orchestrator's own store.`;
  if (state.planned.cluster.environment === 'practice') return null;
  const host = Object.entries(inputs.machineIds).find(([, machine]) => inputs.own.machineIds.includes(machine));
  return host === undefined ? null : `${host[0]} is a machine that the orchestrator itself runs on.`;
}

function targetComplaint(state: Known, snapshot: ClusterSnapshot): string | null {
  return state.admitted === null && atTarget(snapshot, state.planned.patchSet) ? NOTHING_TO_DO : null;
}

function planComplaint(state: Known, inputs: GateInputs): Complaint | null {
  const active = activeNodes(inputs.snapshot as ClusterSnapshot, state.planned.workload);
  const names = active.map((node) => node.node).join(', ');
  if (active.length !== 1)
    return { reason: `Not exactly one node is active: ${names === '' ? 'none' : names}.`, who: 'whoever mends the cluster' };
  if (names !== state.serving)
    return {
      reason: `${names} serves, the plan was made with ${state.serving ?? 'nobody'} serving.`,
      who: 'an operator: plan again',
    };
  if (inputs.topologyFingerprint === null)
    return { reason: 'The topology could not be compared with the planned one.', who: 'the inventory' };
  if (inputs.topologyFingerprint === state.topologyFingerprint) return null;
  return { reason: 'The topology has changed since the plan was made.', who: 'an operator: plan again' };
}

function standbyComplaint(state: Known, snapshot: ClusterSnapshot): Complaint | null {
  const { cluster, workload, kind } = state.planned;
  if (kind === 'downtime') return null;
  const fit = snapshot.nodes.filter((node) => node.roles[workload] === 'standby' && mayServe(node, cluster));
  if (fit.length === 0) return { reason: `No standby is fit to take ${workload} over.`, who: 'whoever mends the standby' };
  const witnesses = snapshot.nodes.some((node) => node.roles[workload] === 'witness');
  const away = snapshot.nodes.filter((node) => node.availability !== 'serving').length;
  if (quorumSurvives(witnesses ? snapshot.nodes.length : 0, away + 1)) return null;
  return { reason: 'With one node out there would be no quorum.', who: 'whoever mends the cluster' };
}

/** A patch that cannot be applied, or that would not be the same everywhere, is known before a node is taken out for it. */
function patchComplaint(state: Going, inputs: GateInputs): Complaint | null {
  const order = state.planned.kind === 'switchover-test' ? [] : state.plan.order.map((place) => place.node);
  const who = 'an admin: the patch source';
  const stuck = inputs.wayBack.find((entry) => !entry.applicable && order.includes(entry.node));
  if (stuck !== undefined) return { reason: `The patch cannot be applied on ${stuck.node}: ${stuck.detail}`, who };
  const other = otherTransaction(order, inputs);
  return other === null ? null : { reason: other, who };
}

/**
 * What the first node's patch brings along is what was looked at; elsewhere it brings the same, or nothing is begun. A node where a part of
 * the patch set is there already brings less along, and is passed over.
 */
function otherTransaction(order: readonly string[], inputs: GateInputs): string | null {
  const told = order.map((node) => {
    const items = inputs.wayBack.flatMap((entry) => (entry.node === node && entry.transaction ? [entry.transaction] : []));
    return { node, count: items.length, changes: items.flatMap((item) => item.changes) };
  });
  const most = Math.max(1, ...told.map(({ count }) => count));
  const whole = told.filter(({ count }) => count === most);
  const gapsOf = ({ node, changes }: (typeof told)[number]): readonly string[] =>
    whole
      .slice(0, 1)
      .flatMap((first) => [
        ...without(changes, first.changes).map((change) => `${change} on ${node} and not on ${first.node}`),
        ...without(first.changes, changes).map((change) => `${change} on ${first.node} and not on ${node}`),
      ]);
  const gaps = whole.map(gapsOf).find((found) => found.length > 0);
  return gaps === undefined ? null : `The patch would not change the same everywhere: ${listed(gaps)}.`;
}

function without(changes: readonly string[], others: readonly string[]): readonly string[] {
  return changes.filter((change) => !others.includes(change));
}

function listed(gaps: readonly string[]): string {
  return gaps.length <= MOST_GAPS
    ? gaps.join(', ')
    : `${gaps.slice(0, MOST_GAPS).join(', ')} and ${gaps.length - MOST_GAPS} more`;
}

/** A switchover test begins no host step: what else lives on its hosts is not touched. */
function hostComplaint(state: Known, inputs: GateInputs): Complaint | null {
  const [claimed] = Object.entries(inputs.claimed);
  if (claimed !== undefined)
    return { reason: `${claimed[0]} is claimed by rollout ${claimed[1]}.`, who: 'the end of that rollout' };
  const endangered = state.planned.kind === 'switchover-test' ? [] : inputs.neighbours;
  const other = endangered.find(({ serving, lastFitStandby, losesQuorum }) => serving || lastFitStandby || losesQuorum === true);
  if (other === undefined) return null;
  const what = other.serving ? 'serves' : other.lastFitStandby ? 'is the last fit standby' : 'is needed for the quorum';
  return {
    reason: `${other.host} also carries ${other.node}, which ${what} in ${other.cluster}.`,
    who: `whoever looks after ${other.cluster}`,
  };
}
