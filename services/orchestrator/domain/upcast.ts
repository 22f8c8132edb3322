import type { ClaimEvent } from './claim/claim.js';
import type { PatchSetEvent } from './patch-set/patch-set.js';
import type { PlaybookEvent } from './playbook/playbook.js';
import type { WindowEvent, WindowScheduled } from './window/window.js';

/** Events of everything here but rollouts, which have an upcaster of their own. */
export type DocumentEvent = ClaimEvent | PatchSetEvent | PlaybookEvent | WindowEvent;

/** Today's version of each event. A changed shape raises the number and adds a pure step to `upcastDocument`. */
export const DOCUMENT_VERSIONS: Readonly<Record<DocumentEvent['type'], number>> = {
  HostClaimed: 1,
  HostReleased: 1,
  PatchSetDefined: 1,
  PlaybookStored: 1,
  WindowScheduled: 2,
  WindowApproved: 1,
  WindowRejected: 1,
  WindowOpened: 1,
  WaveBegun: 1,
  RolloutsBegun: 1,
  RolloutsGivenUp: 1,
  WaveEnded: 1,
  WindowHeld: 1,
  WindowResumed: 1,
  WindowFrozen: 1,
  WindowAborted: 1,
  WindowCancelled: 1,
  WindowClosed: 1,
};

/** A stored event in today's shape. Throws for a type or version that this program does not know: a newer one wrote it. */
export function upcastDocument(stored: {
  readonly type: string;
  readonly schemaVersion: number;
  readonly body: unknown;
}): DocumentEvent {
  const current = DOCUMENT_VERSIONS[stored.type as DocumentEvent['type']] as number | undefined;
  if (stored.type === 'WindowScheduled' && stored.schemaVersion === 1) return inOneWave(stored.body as ScheduledWithoutWaves);
  if (current === undefined || stored.schemaVersion !== current) {
    throw new Error(
      `This program cannot read ${stored.type} of version ${stored.schemaVersion}: a newer one wrote it. Use that version.`,
    );
  }
  return { type: stored.type, data: stored.body } as DocumentEvent;
}

type ScheduledWithoutWaves = Omit<WindowScheduled, 'waves' | 'soakMs' | 'failureBudget' | 'dependsOn'>;

/** Before there were waves, all rollouts began when the window opened, and nothing stopped it. */
function inOneWave(window: ScheduledWithoutWaves): DocumentEvent {
  const waves = [{ canary: false, clusters: window.clusters }];
  const failureBudget = window.clusters.length;
  return { type: 'WindowScheduled', data: { ...window, waves, soakMs: 0, failureBudget, dependsOn: [] } };
}
