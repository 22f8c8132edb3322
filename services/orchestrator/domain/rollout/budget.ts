import type { PlannedStep, Playbook, StepKind } from './plan.js';

/**
 * First durations in milliseconds, by step kind, for playbooks that name none: what a careful operator would expect of a
 * database of moderate size. `soak` is not among them, its length is the playbook's `soakMs`.
 */
export const DEFAULT_DURATIONS_MS: Readonly<Record<StepKind, number>> = {
  preflight: 5_000,
  'start-probe': 2_000,
  switchover: 5_000,
  validate: 3_000,
  drain: 10_000,
  patch: 60_000,
  reboot: 60_000,
  join: 20_000,
  soak: 0,
  release: 3_000,
  check: 3_000,
  pause: 0,
  postflight: 5_000,
  'stop-probe': 5_000,
  unpatch: 60_000,
  stop: 10_000,
  start: 10_000,
};

/** A step may take this many times its expected duration before its deadline is missed ... */
export const DEADLINE_FACTOR = 4;
/**
 * ... and never less than this, in milliseconds. Nothing is won by giving up early: a step that ends late costs patience, one
 * that is given up costs the window.
 */
export const DEADLINE_FLOOR_MS = 60_000;

/** What steps are expected to take, and what the playbook declares where something else is expected. */
export interface Pace extends Playbook {
  readonly declared?: Playbook['durations'];
}

/** Expected duration in milliseconds. */
export function expectedMs(kind: StepKind, playbook: Playbook): number {
  if (kind === 'soak') return playbook.phases.soakMs;
  return playbook.durations[kind] ?? DEFAULT_DURATIONS_MS[kind];
}

/** From the request of the step to its deadline, in milliseconds: by what is declared or by what is expected, whichever is longer. */
export function deadlineMsOf(kind: StepKind, pace: Pace): number {
  const declared = { ...pace, durations: pace.declared ?? pace.durations };
  const expected = Math.max(expectedMs(kind, pace), expectedMs(kind, declared));
  return kind === 'soak' ? expected + DEADLINE_FLOOR_MS : Math.max(expected * DEADLINE_FACTOR, DEADLINE_FLOOR_MS);
}

/** Expected duration of these steps one after the other, in milliseconds. */
export function totalMs(steps: readonly Pick<PlannedStep, 'kind'>[], playbook: Playbook): number {
  return steps.reduce((sum, step) => sum + expectedMs(step.kind, playbook), 0);
}

/** What is done to take back a node that one step has taken out of service, beside the items that were patched on it. */
const TAKEN_BACK: Readonly<Partial<Record<StepKind, readonly StepKind[]>>> = {
  drain: ['drain', 'reboot', 'join', 'validate', 'release'],
  stop: ['stop', 'reboot', 'start', 'validate'],
};

/**
 * Expected time, in milliseconds, of the whole way back once the step at this place of the plan has been begun: every node
 * that was taken out of service by then, one after the other, with each item that it was or will be patched with, and the
 * workload to where it was.
 */
export function wayBackMsFrom(steps: readonly PlannedStep[], place: number, playbook: Playbook): number {
  const begun = steps.slice(0, place + 1);
  const nodesMs = begun.reduce((sum, { kind, node }) => {
    const kinds = TAKEN_BACK[kind];
    if (kinds === undefined) return sum;
    const items = steps.filter((step) => step.kind === 'patch' && step.node === node);
    return (
      sum +
      totalMs(
        kinds.map((each) => ({ kind: each })),
        playbook,
      ) +
      items.length * expectedMs('unpatch', playbook)
    );
  }, 0);
  const moves = begun.some((step) => step.kind === 'switchover');
  return nodesMs + (moves ? totalMs([{ kind: 'switchover' }, { kind: 'validate' }], playbook) : 0);
}

/** Last moment (milliseconds since the epoch) at which the whole rollout may start and still get back inside the window. */
export function lastSafeStartMs(plan: { readonly forwardMs: number; readonly wayBackMs: number }, closesAtMs: number): number {
  return closesAtMs - plan.forwardMs - plan.wayBackMs;
}

/** Last moment at which this step may start so that it, and after it the whole way back, fit into the window. */
export function lastSafeStepMs(step: PlannedStep, wayBackMs: number, playbook: Playbook, closesAtMs: number): number {
  return closesAtMs - wayBackMs - expectedMs(step.kind, playbook);
}
