import type { BaselineEvent } from './baselines.js';
import type { DriftEvent } from './ledger/ledger.js';

export type StoredDriftEvent = DriftEvent | BaselineEvent;

/** Today's version of each event's body. A changed shape raises the number and adds a step to `upcast`. */
export const schemaVersions: Readonly<Record<StoredDriftEvent['type'], number>> = {
  ClusterNoted: 1,
  ClusterForgotten: 1,
  FactsReceived: 1,
  AssessmentRequested: 1,
  ExpectationEnded: 1,
  FindingOpened: 1,
  FindingResolved: 1,
  FindingWaived: 1,
  WaiverEnded: 1,
  DriftAssessed: 1,
  FidelityScored: 1,
  BaselineSet: 1,
  BaselineRemoved: 1,
};

/**
 * An event as stored, in today's shape. Bodies were validated before they were stored, and a stored event never
 * changes. @throws Error for a type or version that this build does not know: an older build must not guess.
 */
export function upcast(stored: {
  readonly type: string;
  readonly schemaVersion: number;
  readonly body: unknown;
}): StoredDriftEvent {
  const known = Object.hasOwn(schemaVersions, stored.type) ? schemaVersions[stored.type as StoredDriftEvent['type']] : 0;
  if (stored.schemaVersion < 1 || stored.schemaVersion > known) {
    throw new Error(
      `Event ${stored.type} in version ${stored.schemaVersion} is not known to this build (it knows up to ${known}). Start a newer build.`,
    );
  }
  return { type: stored.type, body: stored.body } as StoredDriftEvent;
}
