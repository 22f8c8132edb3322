import type { ClusterEvent } from './cluster/cluster.js';
import type { FleetEvent } from './fleet.js';
import type { PatchSetEvent } from './patch-set.js';

export type InventoryEvent = ClusterEvent | FleetEvent | PatchSetEvent;

/** Today's version of each event's body. A changed shape raises the number and adds a step to `upcast`. */
export const schemaVersions: Readonly<Record<InventoryEvent['type'], number>> = {
  ClusterRegistered: 1,
  ClusterChanged: 1,
  ClusterRetired: 1,
  TopologyObserved: 1,
  HaLayerClassified: 1,
  FactsCollected: 1,
  DebtAssessed: 1,
  ClusterListed: 1,
  ClusterDelisted: 1,
  PatchSetNoted: 1,
};

/**
 * An event as stored, in today's shape. Bodies were validated before they were stored, and a stored event never
 * changes. @throws Error for a type or version that this build does not know: an older build must not guess.
 */
export function upcast(stored: {
  readonly type: string;
  readonly schemaVersion: number;
  readonly body: unknown;
}): InventoryEvent {
  const known = Object.hasOwn(schemaVersions, stored.type) ? schemaVersions[stored.type as InventoryEvent['type']] : 0;
  if (stored.schemaVersion < 1 || stored.schemaVersion > known) {
    throw new Error(
      `Event ${stored.type} in version ${stored.schemaVersion} is not known to this build (it knows up to ${known}). Start a newer build.`,
    );
  }
  return { type: stored.type, body: stored.body } as InventoryEvent;
}
