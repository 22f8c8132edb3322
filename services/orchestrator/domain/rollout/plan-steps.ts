import {
  compareVersions,
  nodeNamed,
  type ClusterDefinition,
  type ClusterSnapshot,
  type NodeSnapshot,
  type PatchItem,
  type PatchSet,
} from '@understudy/cluster';
import { deadlineMsOf, expectedMs, totalMs } from './budget.js';
import { orderOf, type Place } from './order.js';
import type { Phase, Plan, PlannedStep, Playbook, RolloutKind, StepKind } from './plan.js';
import type { SwitchoverResult } from './rollout.js';

/** What the platform driver says about running two versions side by side, per item: data, asked at the door. */
export interface VersionPairSeen {
  readonly allowed: boolean;
  readonly wayBack: 'lossless' | 'lossy' | 'none';
  readonly reason: string;
}

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
  /** SHA-256 in hex of a text. */
  readonly digest: (text: string) => string;
}

export type Planning =
  | { readonly plan: Plan }
  /** `offerDowntime`: the cluster itself cannot roll, so a downtime plan is the honest offer; else something else has to change. */
  | { readonly noPlanBecause: string; readonly offerDowntime: boolean };

interface Draft {
  readonly kind: StepKind;
  readonly phase: Phase;
  readonly node?: string;
  readonly item?: PatchItem;
  readonly fromVersion?: string;
  /** Where it is not the item's target: the version that an `unpatch` brings back. */
  readonly toVersion?: string;
  readonly check?: string;
  readonly asActive?: boolean;
}

/** Computes the ordered steps of one rollout from one complete look, or says in words why there can be none. */
export function planRollout(input: PlanInput): Planning {
  if (input.kind === 'downtime')
    return { noPlanBecause: 'A downtime rollout does not roll: its document is the downtime plan.', offerDowntime: true };
  if (input.cannotRollBecause !== null) return { noPlanBecause: input.cannotRollBecause, offerDowntime: true };
  const order = orderOf(input.snapshot, input.cluster, input.workload);
  if (!order.possible) return { noPlanBecause: order.because, offerDowntime: true };
  const obstacle = input.kind === 'switchover-test' ? null : versionObstacle(input.snapshot, input.patchSet, input.versionPairs);
  if (obstacle !== null) return { noPlanBecause: obstacle, offerDowntime: false };
  return { plan: assemble(input, order.order, order.active, order.target) };
}

/** Why this patch set has no business here: older than what runs, nothing to do, or versions that may not run together. */
export function versionObstacle(
  snapshot: ClusterSnapshot,
  patchSet: PatchSet,
  pairs: Readonly<Record<string, VersionPairSeen>>,
): string | null {
  for (const item of patchSet.items) {
    const newer = snapshot.nodes.find((node) => compareVersions(runs(node.versions[item.name]), item.targetVersion) > 0);
    if (newer !== undefined) {
      const running = runs(newer.versions[item.name]);
      return `The patch set is older than what runs: ${newer.node} has ${item.name} ${running}, the patch set says ${item.targetVersion}.`;
    }
    const pair = pairs[item.name];
    if (pair?.allowed !== true) {
      return `${item.name} ${item.targetVersion} may not run beside the old version: ${pair?.reason ?? 'the platform driver does not know the pair'}.`;
    }
  }
  return atTarget(snapshot, patchSet) ? 'Every node already runs the target versions: there is nothing to do.' : null;
}

/** Does every node that an item applies to run at least its target version? */
export function atTarget(snapshot: ClusterSnapshot, patchSet: PatchSet): boolean {
  return patchSet.items.every((item) =>
    snapshot.nodes.every((node) => {
      const version = node.versions[item.name];
      return version === undefined || (version.running !== null && compareVersions(version.running, item.targetVersion) >= 0);
    }),
  );
}

function runs(version: { readonly installed: string | null; readonly running: string | null } | undefined): string {
  return version?.running ?? version?.installed ?? '0';
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
  const steps = number(withPauses(drafts, input.playbook), input);
  const wayBackMs = wayBack(input.playbook, input.kind);
  const pointOfNoReturn = pointOf(steps, input);
  return {
    steps,
    order: places,
    originalActive: active,
    switchoverTarget: target,
    ...(pointOfNoReturn === undefined ? {} : { pointOfNoReturn }),
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

function draft(kind: StepKind, phase: Phase, node?: string, more: Partial<Draft> = {}): Draft {
  return { kind, phase, ...(node === undefined ? {} : { node }), ...more };
}

function moveTo(node: string, phase: Phase): Draft[] {
  return [draft('switchover', phase, node), draft('validate', phase, node, { asActive: true })];
}

function switchoverTest(input: PlanInput, active: string, target: string): Draft[] {
  const { enabled, andBack } = input.playbook.phases.switchoverTest;
  if (!enabled && input.kind !== 'switchover-test') return [];
  return [...moveTo(target, 'switchover-test'), ...(andBack ? moveTo(active, 'switchover-test') : [])];
}

function patching(input: PlanInput, order: readonly Place[], original: string, target: string): Draft[] {
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
function nodeSteps(input: PlanInput, node: string, phase: Phase): Draft[] {
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

function behind(version: { readonly running: string | null } | undefined, item: PatchItem): boolean {
  if (version === undefined) return false;
  return version.running === null || compareVersions(version.running, item.targetVersion) < 0;
}

function soak(playbook: Playbook, node: string, phase: Phase): Draft[] {
  return playbook.phases.soakMs > 0 ? [draft('soak', phase, node)] : [];
}

/** A `pause` step stands before the first step of each phase that the playbook wants a person for. */
function withPauses(drafts: readonly Draft[], playbook: Playbook): readonly Draft[] {
  return drafts.flatMap((step, index) => {
    const begins = drafts[index - 1]?.phase !== step.phase;
    return begins && playbook.pauseBefore.includes(step.phase) ? [draft('pause', step.phase), step] : [step];
  });
}

function number(drafts: readonly Draft[], input: PlanInput): readonly PlannedStep[] {
  return drafts.map((step, index) => plannedStep(step, index + 1, input.workload, input.playbook));
}

/** Gives a drafted step its deterministic id, deadline and safe point. `ordinal` counts from 1. */
export function plannedStep(step: Draft, ordinal: number, workload: string, playbook: Playbook): PlannedStep {
  const suffix = step.check ?? step.node;
  const { fromVersion, item } = step;
  return {
    stepId: [String(ordinal).padStart(2, '0'), step.kind, ...(suffix === undefined ? [] : [suffix])].join('-'),
    kind: step.kind,
    phase: step.phase,
    ...(step.node === undefined ? {} : { node: step.node }),
    workload,
    deadlineMs: deadlineMsOf(step.kind, playbook),
    safePointAfter: !UNSAFE_AFTER.includes(step.kind),
    ...(item === undefined ? {} : { item, toVersion: step.toVersion ?? item.targetVersion }),
    ...(fromVersion === undefined ? {} : { fromVersion }),
    ...(step.kind === 'soak' ? { soakMs: playbook.phases.soakMs } : {}),
    ...(step.check === undefined ? {} : { check: step.check }),
    ...(step.asActive === undefined ? {} : { asActive: step.asActive }),
  };
}

export type StepDraft = Draft;

/**
 * After a switchover the serving node has not been validated yet; after patch and reboot the node's software has changed
 * and has not been proven to start. Everywhere else a validated node serves.
 */
const UNSAFE_AFTER: readonly StepKind[] = ['switchover', 'patch', 'unpatch', 'reboot'];

/** Undoing the longest stretch: one node taken back, the workload moved back, the other node returned. */
function wayBack(playbook: Playbook, kind: RolloutKind): number {
  const move = expectedMs('switchover', playbook) + expectedMs('validate', playbook);
  if (kind === 'switchover-test') return move;
  const node = (['drain', 'unpatch', 'reboot', 'join', 'validate', 'release'] as const).reduce(
    (sum, step) => sum + expectedMs(step, playbook),
    0,
  );
  return node + move;
}

function pointOf(steps: readonly PlannedStep[], input: PlanInput): Plan['pointOfNoReturn'] {
  const step = steps.find((candidate) => candidate.kind === 'switchover' && candidate.phase === 'switchover');
  const lossy = input.patchSet.items
    .map((item) => input.versionPairs[item.name])
    .find((pair) => pair !== undefined && pair.wayBack !== 'lossless');
  if (step === undefined || lossy === undefined) return undefined;
  return { stepId: step.stepId, meaning: `From here the way back is ${lossy.wayBack}: ${lossy.reason}` };
}
