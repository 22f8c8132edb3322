import {
  activeNodes,
  fitStandbys,
  fitToServe,
  hostOf,
  nodeNamed,
  quorumSurvives,
  type ClusterSnapshot,
  type NodeSnapshot,
} from '@understudy/cluster';
import { lapsedGates, notOpen } from './gate-table.js';
import { remains } from './left-behind.js';
import { awayByUs, outageBudgetMs, outageComplaint } from './outage.js';
import type { Neighbour } from './observation.js';
import type { Plan, PlannedStep, StepKind } from './plan.js';
import type { RolloutClosed, RolloutEvent, StepRequested, StepState } from './rollout.js';
import { endsOwnSwitchover, lookAfterMs, nodeOf, standbyBegun, stepNamed, type Going } from './state.js';
import { testVerdict } from './switchover-test.js';
import { msOf } from './time.js';
import { atTarget, behind } from './versions.js';
import { losesWrites, patchedWhole, unprovenAmong } from './way-back.js';

/** A rule that an order would break. Numbers are those of ARCHITECTURE.md, "Invariants". */
export interface Violation {
  readonly number: number;
  /** For a person: what is wrong and what was seen. */
  readonly detail: string;
}

/** The fresh look that an order is judged on. */
export interface OrderLook {
  readonly snapshot: ClusterSnapshot | null;
  readonly neighbours: readonly Neighbour[] | null;
}

/** A look older than this, in milliseconds, is no ground for an irreversible step. */
export const SNAPSHOT_MAX_AGE_MS = 15_000;

/** Steps that touch what a node serves with. The acts inside a switchover are the driver's own. */
const HOST_STEPS: readonly StepKind[] = ['drain', 'patch', 'unpatch', 'reboot', 'stop'];

/**
 * What an order of ours would break, judged on the state before it and on one fresh look; empty = nothing. Only orders are
 * judged (admission, request of a step, revision, closing); a fact is never refused.
 */
export function violations(before: Going, order: RolloutEvent, look: OrderLook): readonly Violation[] {
  switch (order.type) {
    case 'RolloutAdmitted':
      return admission(before, order.data.at);
    case 'StepRequested':
      return request(before, order.data, look);
    case 'PlanRevised':
      return order.data.recovery === null ? planViolations(order.data.plan, before) : [];
    case 'RolloutClosed':
      return closing(before, order.data, look);
    default:
      return [];
  }
}

function when(broken: boolean, number: number, detail: string): readonly Violation[] {
  return broken ? [{ number, detail }] : [];
}

function admission(state: Going, at: string): readonly Violation[] {
  const closed = notOpen(state, msOf(at));
  return [
    ...when(state.admitted !== null, 5, 'The rollout was admitted before.'),
    ...when(closed.length > 0, 10, `Not open: ${closed.join(', ')}.`),
    ...when(state.approval?.by === state.planned.plannedBy, 15, 'The approval is by the one who planned the rollout.'),
    ...when(isDowntime(state) && outageBudgetMs(state) === 0, 2, 'No outage budget was approved.'),
    ...planViolations(state.plan, state),
  ];
}

/** Its outage was approved: 2 (standby and quorum kept), 4 and 11 bind rolling rollouts, and 1 what nobody agreed to. */
function isDowntime(state: Going): boolean {
  return state.planned.kind === 'downtime';
}

function request(state: Going, order: StepRequested, look: OrderLook): readonly Violation[] {
  const found = stepNamed(state, order.stepId);
  if (found === undefined) return [{ number: 6, detail: `${order.stepId} is no step of the plan.` }];
  const { step } = found;
  return [
    ...when(
      found.status !== 'planned',
      6,
      `${order.stepId} is ${found.status}: only what was seen not to have happened is asked for again.`,
    ),
    ...when(order.attempt !== found.attempt + 1, 6, `Attempt ${order.attempt} does not follow attempt ${found.attempt}.`),
    ...when(msOf(order.deadlineAt) <= msOf(order.at), 7, 'The step has no deadline ahead of it.'),
    ...afterTest(state, step),
    ...original(state, step),
    ...gates(state, found, order.at),
    ...(step.kind === 'unpatch' ? takingBack(state, step) : []),
    ...(HOST_STEPS.includes(step.kind) ? hostStep(state, step, order, look) : []),
    ...(step.kind === 'switchover' ? switchover(state, step, order, look) : []),
  ];
}

function gates(state: Going, next: StepState, at: string): readonly Violation[] {
  const { step } = next;
  if (endsOwnSwitchover(state, next) || awayByUs(state)) return [];
  if (step.phase === 'recovery' || !(HOST_STEPS.includes(step.kind) || step.kind === 'switchover')) return [];
  const lapsed = lapsedGates(state, msOf(at));
  return when(lapsed.length > 0, 10, `The evidence has lapsed of: ${lapsed.join(', ')}.`);
}

function afterTest(state: Going, step: PlannedStep): readonly Violation[] {
  const behind = step.phase === 'standby' || step.phase === 'switchover' || step.phase === 'original';
  return when(
    behind && testVerdict(state).verdict !== 'passed',
    11,
    'No unexpired switchover result lets the rollout pass the switchover test.',
  );
}

/** Nothing is taken back that would lose what was written since, or whose version before is not at hand. */
function takingBack(state: Going, step: PlannedStep): readonly Violation[] {
  const node = nodeOf(step);
  const loses = losesWrites(state, patchedWhole(state, node) ? [node] : []);
  return [
    ...when(unprovenAmong(state, [node]).length > 0, 10, `The way back of ${node} is not proven.`),
    ...when(loses, 17, `${node} would lose what was written since: the point of no return has been passed.`),
  ];
}

/** The unpatched active node is the way back: hands off until a patched standby serves and is validated. */
function original(state: Going, step: PlannedStep): readonly Violation[] {
  const served = standbyBegun(state) ? state.originalActive : state.serving;
  if (isDowntime(state) || step.phase === 'recovery' || step.node !== served || !HOST_STEPS.includes(step.kind)) return [];
  const moved = state.steps.some(
    (other) =>
      other.step.phase === 'switchover' &&
      other.step.asActive === true &&
      other.status === 'succeeded' &&
      state.patched.includes(nodeOf(other.step)),
  );
  return when(
    !moved,
    4,
    `${step.node} served when the standby phase began, and no patched standby has been validated in its place.`,
  );
}

/** The look, or why nothing irreversible is decided on it: partial, old, or from before the last outcome. */
function freshLook(state: Going, order: StepRequested, snapshot: ClusterSnapshot | null): ClusterSnapshot | string {
  if (snapshot === null) return 'There is no look at the cluster.';
  if (!snapshot.complete) return `The look was not complete: ${snapshot.disagreements.join(' ')}`;
  if (msOf(snapshot.observedAt) < lookAfterMs(state)) return 'The look is from before the last outcome.';
  if (msOf(order.at) - msOf(snapshot.observedAt) > SNAPSHOT_MAX_AGE_MS) return 'The look is too old.';
  return snapshot;
}

function hostStep(state: Going, step: PlannedStep, order: StepRequested, look: OrderLook): readonly Violation[] {
  const node = nodeOf(step);
  const snapshot = freshLook(state, order, look.snapshot);
  if (typeof snapshot === 'string') return [{ number: 1, detail: `Whether ${node} serves could not be told. ${snapshot}` }];
  const seen = nodeNamed(snapshot, node);
  const others = state.out.filter((entry) => entry.node !== node).map((entry) => entry.node);
  return [
    ...when(
      !isDowntime(state) && (Object.values(seen?.roles ?? {}).includes('active') || seen?.writable === true),
      1,
      `${node} serves a workload.`,
    ),
    ...when(seen === undefined, 1, `${node} was not seen.`),
    ...neighbours(state, node, look),
    ...when(others.length > 0, 2, `${others.join(', ')} is out of service already.`),
    ...somebodyServes(state, step, snapshot),
    ...(TAKES_OUT[step.kind]?.(state, step, snapshot) ?? staysOut(state, step, seen)),
  ];
}

/** What is out of service is taken no further while nobody serves: it may hold what has to come back. A drain has its own rule. */
function somebodyServes(state: Going, step: PlannedStep, snapshot: ClusterSnapshot): readonly Violation[] {
  const gone = activeNodes(snapshot, state.planned.workload).length === 0;
  return when(
    gone && step.kind !== 'drain' && !isDowntime(state),
    2,
    `No node serves: ${nodeOf(step)} is left as it is until one does.`,
  );
}

type OutRule = (state: Going, step: PlannedStep, snapshot: ClusterSnapshot) => readonly Violation[];

const TAKES_OUT: Readonly<Partial<Record<StepKind, OutRule>>> = {
  drain: (state, step, snapshot) => (isDowntime(state) ? [] : keepsStandby(state, step, snapshot)),
  stop: withinOutage,
};

/** In the place of quorum and standby kept: time without a serving node, within what was approved. */
function withinOutage(state: Going, step: PlannedStep): readonly Violation[] {
  if (!isDowntime(state)) return [{ number: 1, detail: `Only a downtime rollout stops ${nodeOf(step)}.` }];
  const complaint = step.phase === 'recovery' ? null : outageComplaint(state, step);
  return complaint === null ? [] : [{ number: 2, detail: complaint }];
}

/** Patch and reboot take a drained node; draining is a step of its own with its own evidence. Somebody may have started it again. */
function staysOut(state: Going, step: PlannedStep, seen: NodeSnapshot | undefined): readonly Violation[] {
  const drained = state.out.some((entry) => entry.node === step.node && entry.stage !== 'joined' && entry.stage !== 'validated');
  return [
    ...when(!drained, 2, `${nodeOf(step)} has not been drained.`),
    ...when(
      drained && !isDowntime(state) && seen?.availability === 'serving',
      2,
      `${nodeOf(step)} was drained, and runs again: somebody else started it.`,
    ),
  ];
}

/** Judged by what was seen now, never by what admission knew: another cluster may have come to this host since. */
function neighbours(state: Going, node: string, look: OrderLook): readonly Violation[] {
  const host = String(hostOf(state.planned.cluster, node)?.slug);
  if (look.neighbours === null) return [{ number: 1, detail: `Whether ${host} carries other clusters was not looked at.` }];
  const here = look.neighbours.filter((neighbour) => neighbour.host === host);
  return [
    ...here
      .filter((other) => other.serving)
      .map((other) => ({ number: 1, detail: `${other.node} of ${other.cluster} on the same host serves.` })),
    ...here
      .filter((other) => !other.serving && other.lastFitStandby)
      .map((other) => ({ number: 2, detail: `${other.node} on the same host is the last fit standby of ${other.cluster}.` })),
    ...here
      .filter((other) => other.losesQuorum === true)
      .map((other) => ({ number: 2, detail: `Without ${other.node} on the same host ${other.cluster} has no quorum.` })),
  ];
}

function keepsStandby(state: Going, step: PlannedStep, snapshot: ClusterSnapshot): readonly Violation[] {
  const node = nodeOf(step);
  const { workload } = state.planned;
  const pair = state.plan.order.length === 2 && state.admitted !== null && state.admitted.acceptedRisks.length > 0;
  const witnesses = snapshot.nodes.some((seen) => seen.roles[workload] === 'witness');
  const away = snapshot.nodes.filter((seen) => seen.node === node || !seen.joined).length;
  return [
    ...when(activeNodes(snapshot, workload).length !== 1, 2, `Not exactly one node serves ${workload}.`),
    ...when(!quorumSurvives(witnesses ? snapshot.nodes.length : 0, away), 2, `Without ${node} there is no quorum.`),
    ...when(
      !pair && fitStandbys(snapshot, workload, node).length === 0,
      2,
      `Without ${node} no standby is fit to take ${workload} over.`,
    ),
  ];
}

function switchover(state: Going, step: PlannedStep, order: StepRequested, look: OrderLook): readonly Violation[] {
  const node = nodeOf(step);
  const snapshot = freshLook(state, order, look.snapshot);
  if (typeof snapshot === 'string')
    return [{ number: 3, detail: `Whether ${node} is fit to serve could not be told. ${snapshot}` }];
  const touched = state.patched.includes(node) || state.unpatched.includes(node);
  const seen = nodeNamed(snapshot, node);
  const serves = seen?.roles[state.planned.workload] === 'active';
  return [
    ...when(
      !serves && !restoring(state, step, snapshot) && (seen === undefined || !fitToServe(seen)),
      3,
      `${node} is not fit to serve: ${seen?.native ?? 'not seen'}.`,
    ),
    ...when(touched && !state.validated.includes(node), 3, `${node} was patched and has not been validated since.`),
    ...(serves || restoring(state, step, snapshot) ? [] : stillRuns(state, seen)),
    ...when(
      state.out.some((entry) => entry.node === node),
      3,
      `${node} has been taken out of service and not been released.`,
    ),
  ];
}

/** What was validated ran the target versions: somebody may have put the node back since. */
function stillRuns(state: Going, seen: NodeSnapshot | undefined): readonly Violation[] {
  if (seen?.availability !== 'serving' || !state.patched.includes(seen.node)) return [];
  return state.planned.patchSet.items
    .filter((item) => behind(seen.versions[item.name], item))
    .map(({ name, targetVersion }) => ({
      number: 3,
      detail: `${seen.node} runs ${name} ${seen.versions[name]?.running ?? 'nothing'}, and was validated with ${targetVersion}.`,
    }));
}

/** Nobody serves and an attempt at this very step is why: bringing it to an end is the repair, and its driver judges lag. */
function restoring(state: Going, step: PlannedStep, snapshot: ClusterSnapshot): boolean {
  const begun = state.steps.some(
    (other) => other.step.kind === 'switchover' && other.attempt > 0 && other.status !== 'succeeded',
  );
  return step.kind === 'switchover' && begun && activeNodes(snapshot, state.planned.workload).length === 0;
}

/** What every plan keeps, however it came about: the standbys first, and the built-in minimum of checks. */
export function planViolations(plan: Plan, state: Going): readonly Violation[] {
  const first = (phase: string): number => plan.steps.findIndex((step) => step.phase === phase);
  const patched = plan.steps.filter((step) => step.kind === 'patch').map((step) => step.node);
  const bare = patched.filter((node) => !plan.steps.some((step) => step.kind === 'validate' && step.node === node));
  const early = first('original') >= 0 && (first('switchover') < 0 || first('original') < first('switchover'));
  return [
    ...when(early, 4, 'The original active comes before the switchover.'),
    ...when(bare.length > 0, 9, `Patched and never validated: ${bare.join(', ')}.`),
    ...when(
      state.steps.some((step) => step.status === 'requested'),
      6,
      'A step is under way.',
    ),
  ];
}

function closing(state: Going, order: RolloutClosed, look: OrderLook): readonly Violation[] {
  const left = remains(state, look.snapshot).length > 0;
  return [
    ...when(left && order.result !== 'needs-attention', 8, 'Something is left behind, and the result does not say so.'),
    ...when(order.result === 'needs-attention' && order.remains.length === 0, 8, 'What remains is not listed.'),
    ...when(
      order.interruption.measured && !wasMeasured(state),
      14,
      'The interruption is said to be measured, and no probe measured it.',
    ),
    ...(order.result === 'succeeded' ? success(state, look) : []),
  ];
}

function wasMeasured(state: Going): boolean {
  return state.steps.some((step) => step.step.kind === 'stop-probe' && step.interruption?.measured === true);
}

function success(state: Going, look: OrderLook): readonly Violation[] {
  const undone = state.steps.filter((step) => step.status !== 'succeeded' && !(step.status === 'skipped' && maySkip(step.step)));
  const unvalidated = state.patched.filter((node) => !state.validated.includes(node));
  const binds = state.planned.kind !== 'switchover-test';
  const { snapshot } = look;
  const target = snapshot !== null && snapshot.complete && atTarget(snapshot, state.planned.patchSet);
  return [
    ...when(undone.length > 0, 9, `Not succeeded: ${undone.map((step) => step.step.stepId).join(', ')}.`),
    ...when(unvalidated.length > 0, 9, `Not validated: ${unvalidated.join(', ')}.`),
    ...when(binds && !target, 9, 'Not every node was seen to run the target versions.'),
  ];
}

/** Only these may be left out with a reason: a reboot that nothing needs, a test that an unexpired result replaces. */
export function maySkip(step: PlannedStep): boolean {
  return step.kind === 'reboot' || step.phase === 'switchover-test';
}
