import { DEFAULT_DURATIONS_MS, type Pace } from './budget.js';
import type { Plan, Playbook, StepKind } from './plan.js';
import type { RolloutState } from './rollout.js';
import type { Going } from './state.js';
import { msOf } from './time.js';

/**
 * What steps are expected to take: learnt from this cluster's earlier rollouts, else as the playbook says, else a default.
 * Each figure keeps its source, and a plan keeps its figures: what is learnt later changes later plans. What is learnt makes
 * estimates better and deadlines longer, never shorter: at its deadline a job is ended, and quick steps so far are no reason
 * to end a slow one.
 */

/** One step that succeeded in an earlier rollout of the cluster. */
export interface DurationSample {
  readonly kind: StepKind;
  readonly tookMs: number;
  readonly patchSetId: string;
}

export interface Duration {
  readonly ms: number;
  /** For a person: where the figure comes from. */
  readonly source: string;
}

/** So many of the newest count; from fewer than the least nothing is learnt. */
export const LEARN_FROM = 20;
export const LEARN_AT_LEAST = 3;
/** No learnt figure is smaller, in milliseconds: a step that was fast so far may still have to wait for a look. */
export const LEARNT_FLOOR_MS = 1_000;
/** The share of earlier steps that was not slower than what is expected. */
const PERCENTILE = 0.9;

/** These take as long as they are told to, or until a person goes on. */
const NOT_LEARNT: readonly StepKind[] = ['soak', 'pause'];
/** What these take depends on what is installed: the same patch set tells more than others did. */
const BY_PATCH_SET: readonly StepKind[] = ['patch', 'unpatch'];

/** Every kind's expected duration. `samples`: newest first. */
export function durationsOf(
  playbook: Playbook,
  patchSetId: string,
  samples: readonly DurationSample[],
): Readonly<Record<StepKind, Duration>> {
  const kinds = Object.keys(DEFAULT_DURATIONS_MS) as StepKind[];
  return Object.fromEntries(kinds.map((kind) => [kind, durationOf(kind, playbook, patchSetId, samples)])) as Record<
    StepKind,
    Duration
  >;
}

function durationOf(kind: StepKind, playbook: Playbook, patchSetId: string, samples: readonly DurationSample[]): Duration {
  const said = declared(kind, playbook);
  const same = samples.filter((sample) => sample.kind === kind);
  const own = same.filter((sample) => sample.patchSetId === patchSetId);
  if (!BY_PATCH_SET.includes(kind)) return learnt(kind, same, '') ?? said;
  // That others were quick does not make this one small.
  const others = learnt(kind, same, '');
  return learnt(kind, own, ' with this patch set') ?? (others !== null && others.ms > said.ms ? others : said);
}

/** As the playbook says, or a default. */
export function declared(kind: StepKind, playbook: Playbook): Duration {
  const source = `playbook ${playbook.name} version ${playbook.version}`;
  if (kind === 'soak') return { ms: playbook.phases.soakMs, source: `${source}, its soak` };
  const said = playbook.durations[kind];
  if (said !== undefined) return { ms: said, source: `${source}, duration of ${kind}` };
  return { ms: DEFAULT_DURATIONS_MS[kind], source: `default duration of ${kind}` };
}

function learnt(kind: StepKind, samples: readonly DurationSample[], which: string): Duration | null {
  const counted = samples.slice(0, LEARN_FROM);
  if (NOT_LEARNT.includes(kind) || counted.length < LEARN_AT_LEAST) return null;
  const ms = Math.max(nearestRank(counted.map((sample) => sample.tookMs)), LEARNT_FLOOR_MS);
  return { ms, source: `learnt from ${counted.length} steps of kind ${kind} on this cluster${which}` };
}

/** The nearest-rank percentile: the smallest value that this share of all does not exceed. */
function nearestRank(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.ceil(sorted.length * PERCENTILE) - 1] as number;
}

/** What a rollout teaches: its steps that succeeded when they were asked for. One found done after a restart tells nothing. */
export function samplesOf(state: RolloutState): readonly DurationSample[] {
  const patchSetId = state.planned?.patchSet.id ?? '';
  return state.steps.flatMap(({ step, status, adopted, requestedAt, endedAt }) => {
    if (status !== 'succeeded' || adopted || requestedAt === null || endedAt === null) return [];
    return [{ kind: step.kind, tookMs: msOf(endedAt) - msOf(requestedAt), patchSetId }];
  });
}

/** The playbook with these durations in the place of its own: what every budget is counted with. Its own bound the deadlines. */
export function paced(playbook: Playbook, durations: Plan['durations']): Pace {
  if (durations === undefined) return playbook;
  const ms = Object.entries(durations).map(([kind, duration]) => [kind, duration.ms] as const);
  return { ...playbook, durations: Object.fromEntries(ms), declared: playbook.durations };
}

/** The pace of the plan in force; a plan from before durations were learnt has its playbook's. */
export function paceOf({ plan, planned }: Going): Pace {
  const { durations } = plan;
  if (durations === undefined) return planned.playbook;
  const known = PACES.get(durations);
  if (known?.playbook === planned.playbook) return known.pace;
  const pace = paced(planned.playbook, durations);
  PACES.set(durations, { playbook: planned.playbook, pace });
  return pace;
}

/** The same for every order under one plan, and for all plans that share their durations: worked out once. */
const PACES = new WeakMap<NonNullable<Plan['durations']>, { readonly playbook: Playbook; readonly pace: Pace }>();
