/** The matrix: at which places, of which steps and phases of which plans, a process is killed. Pure. */

export type PlanName = 'happy' | 'rollback';

/** Places of a step: each is taken once at every step that has an effect. */
export const STEP_PLACES = [
  'before-intent-committed',
  'after-intent-committed',
  'before-act-sent',
  'after-act-sent',
  'before-act-accepted',
  'after-act-accepted',
  'before-outcome-observed',
  'after-outcome-observed',
  'before-outcome-committed',
  'after-outcome-committed',
] as const;

/** Places that a process comes to by itself, taken once per phase. */
const GOING_ON = [
  'before-relay-published',
  'after-relay-published',
  'before-checkpoint-moved',
  'after-checkpoint-moved',
] as const;
/** Places of a start: in a phase they are reached when the process was killed there before, or has run for long. */
const STARTING = ['before-lease-renewed', 'after-lease-renewed', 'before-adoption', 'after-adoption'] as const;
export const PHASE_PLACES = [...GOING_ON, ...STARTING] as const;

export type StepPlace = (typeof STEP_PLACES)[number];
export type PhasePlace = (typeof PHASE_PLACES)[number];
export type Place = StepPlace | PhasePlace;

/** One kill. */
export interface Cell {
  /** The name of its file. */
  readonly id: string;
  readonly place: Place;
  /** A phase, or `<phase>/<step>` with the step's id without number and cluster: `standby/drain-b`. */
  readonly at: string;
  /** The act of the step; absent = its first one. */
  readonly act?: string;
  /** The cell that must have fired in an earlier process. */
  readonly after?: string;
}

/** What a plan does to the pair, in order. A run in which other steps have an effect than these is an error. */
export interface PlanShape {
  readonly steps: readonly string[];
  /** Those of them whose goal is there already when they are asked for: they send no act. */
  readonly withoutActs: readonly string[];
  readonly phases: readonly string[];
  readonly result: 'succeeded' | 'rolled-back';
}

const TO_THE_STANDBY = ['admit/start-probe', 'switchover-test/switchover-b', 'switchover-test/switchover-a'];

/** Of a pair of which `a` serves. */
export const PLANS: Readonly<Record<PlanName, PlanShape>> = {
  happy: {
    steps: [
      ...TO_THE_STANDBY,
      ...['drain', 'patch', 'join', 'release'].map((step) => `standby/${step}-b`),
      'switchover/switchover-b',
      ...['drain', 'patch', 'join', 'release'].map((step) => `original/${step}-a`),
      'postflight/stop-probe',
    ],
    withoutActs: [],
    phases: ['admit', 'preflight', 'switchover-test', 'standby', 'switchover', 'original', 'postflight'],
    result: 'succeeded',
  },
  /** The newer release is a bad build. */
  rollback: {
    steps: [
      ...TO_THE_STANDBY,
      ...['drain', 'patch', 'join'].map((step) => `standby/${step}-b`),
      ...['drain', 'unpatch', 'join', 'release'].map((step) => `recovery/${step}-b`),
      'recovery/stop-probe',
    ],
    // The node did not come up again after the patch: it is still out of service.
    withoutActs: ['recovery/drain-b'],
    phases: ['admit', 'preflight', 'switchover-test', 'standby', 'recovery'],
    result: 'rolled-back',
  },
};

/** Acts of a switchover: where it is killed in the middle, no node serves. Its first ones only prepare. */
const ACTS: Readonly<Record<string, string>> = {
  'switchover-test/switchover-b': 'stop-active',
  'switchover-test/switchover-a': 'announce-promotion',
  'switchover/switchover-b': 'promote',
};
const OF_AN_ACT: readonly Place[] = ['before-act-sent', 'after-act-sent', 'before-act-accepted'];
/** Which act was the last one accepted is not said with it. */
const OF_ACTS: readonly Place[] = [...OF_AN_ACT, 'after-act-accepted'];

export type Extent = 'ci' | 'all' | 'double';
export type Victim = 'orchestrator' | 'store';

/** A window of the CI begins with this turn, so that its two plans take different places of the steps that they share. */
const CI_TURN: Readonly<Record<PlanName, number>> = { happy: 1, rollback: 0 };

/**
 * The windows of a plan, each with its cells. A window takes every step that has an effect once, each at another place, so that the
 * way back from one kill is over before the next one; from window to window the places move on by one (a Latin square), and after as
 * many windows as there are places every step was hit at every place.
 */
export function windowsOf(plan: PlanName, extent: Extent, victim: Victim): readonly (readonly Cell[])[] {
  const windows = turnsOf(plan, extent).map((turn) => (extent === 'double' ? double(plan, turn) : single(plan, turn)));
  return victim === 'orchestrator' ? windows : windows.map((cells) => cells.filter((cell) => isOfTheStore(plan, cell)));
}

/** The orchestrator does not start again, and a phase without an effect is over before the relay has found the store again. */
function isOfTheStore(plan: PlanName, { place, at }: Cell): boolean {
  return !isStarting(place) && (at.includes('/') || hasEffects(plan, at));
}

function hasEffects(plan: PlanName, phase: string): boolean {
  return PLANS[plan].steps.some((step) => step.startsWith(`${phase}/`));
}

/** A place that only a start reaches for sure. */
export function isStarting(place: Place): boolean {
  return STARTING.some((starting) => starting === place);
}

function turnsOf(plan: PlanName, extent: Extent): readonly number[] {
  return extent === 'ci' ? [CI_TURN[plan]] : STEP_PLACES.map((_, turn) => turn);
}

function single(plan: PlanName, turn: number): readonly Cell[] {
  const { phases } = PLANS[plan];
  return [
    ...stepPlaces(plan, turn).map(({ place, step }) => cell(plan, place, step)),
    ...phases.flatMap((phase, index) => phaseCells(plan, phase, index, turn)),
  ];
}

interface StepKill {
  readonly place: StepPlace;
  readonly step: string;
  /** Of the step in its plan. */
  readonly index: number;
}

/** Each step at its place of this turn; one that sends no act is passed over where the place is one of an act. */
function stepPlaces(plan: PlanName, turn: number): readonly StepKill[] {
  const { steps, withoutActs } = PLANS[plan];
  return steps
    .map((step, index) => ({ place: around(STEP_PLACES, index + turn), step, index }))
    .filter(({ place, step }) => !(withoutActs.includes(step) && OF_ACTS.includes(place)));
}

/** Every place of a phase in eight windows. Where no step has an effect, the kill before a start is a cell of its own. */
function phaseCells(plan: PlanName, phase: string, index: number, turn: number): readonly Cell[] {
  if (hasEffects(plan, phase)) return turn < PHASE_PLACES.length ? [cell(plan, around(PHASE_PLACES, index + turn), phase)] : [];
  if (turn >= GOING_ON.length) return [];
  const first = cell(plan, around(GOING_ON, turn), phase);
  return [first, { ...cell(plan, around(STARTING, turn), phase), after: first.id }];
}

/** A second kill during the way back from the first: at its start, its adoption, or its look at the step that was left open. */
function double(plan: PlanName, turn: number): readonly Cell[] {
  return stepPlaces(plan, turn).flatMap(({ place, step, index }) => {
    const first = cell(plan, place, step);
    const second = around(place === 'after-outcome-committed' ? STARTING : RECOVERY, index + turn);
    const at = second.endsWith('-outcome-observed') ? step : (step.split('/')[0] ?? '');
    return [first, { id: `${first.id}+${second}`, place: second, at, after: first.id }];
  });
}

const RECOVERY = ['before-outcome-observed', 'after-outcome-observed', ...STARTING] as const;

function cell(plan: PlanName, place: Place, at: string): Cell {
  const act = OF_AN_ACT.includes(place) ? ACTS[at] : undefined;
  return { id: `${plan} ${place} ${at}`.replaceAll('/', ' '), place, at, ...(act === undefined ? {} : { act }) };
}

function around<T>(places: readonly T[], index: number): T {
  return places[index % places.length] as T;
}
