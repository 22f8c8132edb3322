import { nodeNamed, type ClusterDefinition, type ClusterSnapshot, type NodeSnapshot, type PatchSet } from '@understudy/cluster';
import { totalMs, wayBackMsFrom } from './budget.js';
import { draft, numbered, soak, type StepDraft } from './drafts.js';
import { durationsOf, paced, type Duration, type DurationSample } from './learnt.js';
import { planDowntime } from './plan-downtime.js';
import { behind, pointOfNoReturn, versionObstacle, type VersionPairSeen } from './versions.js';
import { orderOf, type Place } from './order.js';
import type { Phase, Plan, Playbook, RolloutKind, StepKind } from './plan.js';
import type { SwitchoverResult } from './rollout.js';

export interface PlanInput {
  readonly kind: RolloutKind;
  readonly cluster: ClusterDefinition;
  readonly workload: string;
  readonly playbook: Playbook;
  readonly patchSet: PatchSet;
  readonly snapshot: ClusterSnapshot;
  /** By item name; an item without an entry is taken as not allowed. */
  readonly versionPairs: Readonly<Record<string, VersionPairSeen>>;
  /** The driver's sentence on how two writers are excluded. */
  readonly writeSafety: string;
  /** Why the cluster cannot roll at all (its HA layer), or null. */
  readonly cannotRollBecause: string | null;
  /** A result that makes the switchover test unnecessary, already checked for fingerprint and expiry; else null. */
  readonly switchoverResult: SwitchoverResult | null;
  /** Nodes whose way back is not proven, with the reason in words. */
  readonly noRollback: readonly string[];
  /** What steps of earlier rollouts of this cluster took, newest first. */
  readonly samples?: readonly DurationSample[];
  /** For `downtime`: how long the workload may be away, in milliseconds. */
  readonly outageBudgetMs?: number;
  /** SHA-256 in hex of a text. */
  readonly digest: (text: string) => string;
}

export type Planning =
  | { readonly plan: Plan }
  /** `offerDowntime`: the cluster itself cannot roll, so a downtime plan is the honest offer; else something else has to change. */
  | { readonly noPlanBecause: string; readonly offerDowntime: boolean };

/** Computes the ordered steps of one rollout from one complete look, or says in words why there can be none. */
export function planRollout(input: PlanInput): Planning {
  const durations = durationsOf(input.playbook, input.patchSet.id, input.samples ?? []);
  const planning = planAtPace({ ...input, playbook: paced(input.playbook, durations) });
  return 'plan' in planning ? { plan: { ...planning.plan, durations: usedIn(planning.plan, durations) } } : planning;
}

/** Of the kinds that the plan has, or may need on the way back. */
function usedIn(plan: Plan, durations: Readonly<Record<StepKind, Duration>>): NonNullable<Plan['durations']> {
  const kinds = [...new Set([...plan.steps.map((step) => step.kind), ...WAY_BACK])];
  return Object.fromEntries(kinds.map((kind) => [kind, durations[kind]]));
}

const WAY_BACK: readonly StepKind[] = [
  'switchover',
  'validate',
  'drain',
  'unpatch',
  'reboot',
  'join',
  'release',
  'start',
  'stop',
];

function planAtPace(input: PlanInput): Planning {
  if (input.kind === 'downtime') return planDowntime(input);
  if (input.cannotRollBecause !== null) return { noPlanBecause: input.cannotRollBecause, offerDowntime: true };
  const order = orderOf(input.snapshot, input.cluster, input.workload);
  if (!order.possible) return { noPlanBecause: order.because, offerDowntime: true };
  const obstacle = input.kind === 'switchover-test' ? null : versionObstacle(input.snapshot, input.patchSet, input.versionPairs);
  if (obstacle !== null) return { noPlanBecause: obstacle, offerDowntime: false };
  return { plan: assemble(input, order.order, order.active, order.target) };
}

function assemble(input: PlanInput, order: readonly Place[], active: string, target: string): Plan {
  const stays = input.kind !== 'switchover-test' && !testComesBack(input);
  const places = stays ? afterOneWayTest(order, active, target) : order;
  const original = stays ? target : active;
  const successor = stays ? active : target;
  const drafts = [
    draft('start-probe', 'admit'),
    draft('preflight', 'preflight'),
    ...switchoverTest(input, active, target),
    ...(input.kind === 'switchover-test' ? [] : patching(input, places, original, successor)),
    draft('postflight', 'postflight'),
    draft('stop-probe', 'postflight'),
  ];
  const steps = numbered(drafts, input.workload, input.playbook);
  const wayBackMs = wayBackMsFrom(steps, steps.length, input.playbook);
  const moved = steps.find((step) => step.kind === 'switchover' && step.phase === 'switchover');
  const point = pointOfNoReturn(moved, input.versionPairs, input.patchSet);
  return {
    steps,
    order: places,
    originalActive: active,
    switchoverTarget: target,
    ...(point === undefined ? {} : { pointOfNoReturn: point }),
    versionPairs: input.versionPairs,
    forwardMs: totalMs(steps, input.playbook),
    wayBackMs,
    noRollback: input.noRollback,
    writeSafety: input.writeSafety,
    hash: input.digest(JSON.stringify(steps)),
  };
}

/** An earlier result replaces the test, so nothing moves; else the playbook says whether the workload returns. */
function testComesBack(input: PlanInput): boolean {
  const { enabled, andBack } = input.playbook.phases.switchoverTest;
  return andBack || !enabled || input.switchoverResult !== null;
}

/** When the test leaves the workload on the target, that node is the one that serves when its turn comes: last. */
function afterOneWayTest(order: readonly Place[], active: string, target: string): readonly Place[] {
  const others = order.filter((place) => place.node !== active && place.node !== target);
  return [
    ...others,
    ...order.filter((place) => place.node === active).map((place) => ({ ...place, reason: 'standby after the switchover test' })),
    ...order
      .filter((place) => place.node === target)
      .map((place) => ({ ...place, reason: 'serves after the switchover test: last' })),
  ];
}

function moveTo(node: string, phase: Phase): StepDraft[] {
  return [draft('switchover', phase, node), draft('validate', phase, node, { asActive: true })];
}

function switchoverTest(input: PlanInput, active: string, target: string): StepDraft[] {
  const { enabled, andBack } = input.playbook.phases.switchoverTest;
  if (!enabled && input.kind !== 'switchover-test') return [];
  return [...moveTo(target, 'switchover-test'), ...(andBack ? moveTo(active, 'switchover-test') : [])];
}

function patching(input: PlanInput, order: readonly Place[], original: string, target: string): StepDraft[] {
  const { playbook } = input;
  const standbys = order.filter((place) => place.node !== original);
  return [
    ...standbys.flatMap((place) => nodeSteps(input, place.node, 'standby')),
    ...moveTo(target, 'switchover'),
    ...playbook.checks.map((check) => draft('check', 'switchover', target, { check: check.name })),
    ...soak(playbook, target, 'switchover'),
    ...nodeSteps(input, original, 'original'),
    ...(playbook.phases.failback.enabled ? moveTo(original, 'failback') : []),
  ];
}

/** The steps that bring one node (of this look) to the target versions; only a validation where it is there already. */
function nodeSteps(input: PlanInput, node: string, phase: Phase): StepDraft[] {
  const { versions } = nodeNamed(input.snapshot, node) as NodeSnapshot;
  const items = input.patchSet.items.filter((item) => behind(versions[item.name], item));
  if (items.length === 0) return [draft('validate', phase, node, { asActive: false })];
  return [
    draft('drain', phase, node),
    ...items.map((item) => draft('patch', phase, node, { item, fromVersion: versions[item.name]?.installed ?? '' })),
    draft('reboot', phase, node),
    draft('join', phase, node),
    draft('validate', phase, node, { asActive: false }),
    ...(phase === 'standby' ? soak(input.playbook, node, phase) : []),
    draft('release', phase, node),
  ];
}
