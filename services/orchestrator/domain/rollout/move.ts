import type { Observation } from './observation.js';
import type { PlannedStep } from './plan.js';
import type { RolloutCommand, StepRequested } from './rollout.js';

/**
 * What the owner of a rollout shall do next. `runner.ts` chooses, purely; `src/effects` and the simulation execute.
 * After each move the caller folds what was appended and asks again.
 */
export type Move =
  /** Give this command to `decide`; its events go to the log. */
  | { readonly move: 'command'; readonly command: RolloutCommand }
  /** Look at what the step's goal needs, then ask again with the observation. */
  | { readonly move: 'observe'; readonly step: PlannedStep; readonly requested: StepRequested | null; readonly because: string }
  /** Collect `GateInputs` (observation, re-reads), then give `EvaluateGates`. */
  | { readonly move: 'evaluate-gates'; readonly because: string }
  /** Execute the requested step's ask, until its deadline at the latest; then ask again with what came of it. */
  | { readonly move: 'perform'; readonly step: PlannedStep; readonly requested: StepRequested }
  /** Nothing to do before that time (milliseconds since the epoch) unless something is appended. */
  | { readonly move: 'sleep'; readonly untilMs: number; readonly because: string }
  /** Nothing to do until somebody appends something; a clock that runs meanwhile wants to be asked again at `untilMs`. */
  | { readonly move: 'wait'; readonly because: string; readonly untilMs?: number };

/** What this process knows beside the log; empty after a restart. */
export interface RunnerMemory {
  readonly incarnation: string;
  /** The step key whose ask this incarnation has executed (returned from), with what it said. */
  readonly performed: { readonly key: string } | null;
  /** The newest look, and the step key (or step id before a request) it was made for. */
  readonly observation: { readonly forStep: string; readonly observation: Observation } | null;
  /** When gates were last evaluated by this process, milliseconds since the epoch. */
  readonly gatesEvaluatedAtMs: number | null;
  /** A fresh id for a question, made by the caller. */
  readonly nextRequestId: string;
}
