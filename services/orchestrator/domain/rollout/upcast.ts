import type { RolloutEvent } from './rollout.js';

/** An event as it lies in the log, whatever its age. */
export interface StoredShape {
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: unknown;
}

/**
 * Every event type there is, with the version in which it is written today. `samples/` holds one stored event of each
 * version ever written; a spec folds them all.
 */
export const VERSIONS: Readonly<Record<RolloutEvent['type'], number>> = {
  RolloutPlanned: 1,
  PlanRevised: 1,
  DowntimePlanOffered: 1,
  RolloutApproved: 1,
  TicketRecorded: 1,
  DriftAssessmentRequested: 1,
  DriftAssessmentReceived: 1,
  GateEvaluated: 1,
  RolloutBegun: 1,
  RolloutAdmitted: 1,
  RolloutAdopted: 1,
  StepRequested: 1,
  StepSucceeded: 1,
  StepFailed: 1,
  StepUnknown: 1,
  StepSkipped: 1,
  DeadlineMissed: 1,
  DeviationRecorded: 1,
  PointOfNoReturnPassed: 1,
  HoldRequested: 1,
  RolloutHeld: 1,
  RolloutResumed: 1,
  RolloutFrozen: 1,
  AbortRequested: 1,
  InvariantBreached: 1,
  RolloutClosed: 1,
  MixedVersionsEscalated: 1,
  OutageBudgetExceeded: 1,
  RollbackRequested: 1,
  OverrideRequested: 1,
  OverrideConfirmed: 1,
  OverrideWithdrawn: 1,
};

/**
 * A stored event in today's shape. No version has been replaced yet, so every known one is today's; the first change of a
 * shape adds its pure step here. Throws for a type or version that this program does not know: a newer program wrote it,
 * and going on without it would fold a state that never was.
 */
export function upcastRollout(stored: StoredShape): RolloutEvent {
  const current = VERSIONS[stored.type as RolloutEvent['type']] as number | undefined;
  if (current === undefined || stored.schemaVersion !== current) {
    throw new Error(
      `This program cannot read ${stored.type} of version ${stored.schemaVersion}: a newer one wrote it. Use that version.`,
    );
  }
  return { type: stored.type, data: stored.data } as RolloutEvent;
}
