import type { PatchItem } from '@understudy/cluster';
import { deadlineMsOf, type Pace } from './budget.js';
import type { Phase, PlannedStep, Playbook, StepKind } from './plan.js';

/** Steps as a plan is drafted, and what makes planned ones of them. */

export interface StepDraft {
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

export function draft(kind: StepKind, phase: Phase, node?: string, more: Partial<StepDraft> = {}): StepDraft {
  return { kind, phase, ...(node === undefined ? {} : { node }), ...more };
}

export function soak(playbook: Playbook, node: string, phase: Phase): StepDraft[] {
  return playbook.phases.soakMs > 0 ? [draft('soak', phase, node)] : [];
}

/** A `pause` step stands before the first step of each phase that the playbook wants a person for. */
function withPauses(drafts: readonly StepDraft[], playbook: Playbook): readonly StepDraft[] {
  return drafts.flatMap((step, index) => {
    const begins = drafts[index - 1]?.phase !== step.phase;
    return begins && playbook.pauseBefore.includes(step.phase) ? [draft('pause', step.phase), step] : [step];
  });
}

/** Drafted steps in order, with the pauses that the playbook wants. */
export function numbered(drafts: readonly StepDraft[], workload: string, playbook: Pace): readonly PlannedStep[] {
  return withPauses(drafts, playbook).map((step, index) => plannedStep(step, index + 1, workload, playbook));
}

/** Gives a drafted step its deterministic id, deadline and safe point. `ordinal` counts from 1. */
export function plannedStep(step: StepDraft, ordinal: number, workload: string, playbook: Pace): PlannedStep {
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

/**
 * After a switchover the serving node has not been validated yet; after patch and reboot the node's software has changed
 * and has not been proven to start. Everywhere else a validated node serves.
 */
const UNSAFE_AFTER: readonly StepKind[] = ['switchover', 'patch', 'unpatch', 'reboot', 'stop', 'start'];
