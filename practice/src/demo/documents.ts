import type { PracticeCluster } from '../pair/index.js';

/** What the demo hands to the product over REST: the same documents that a user writes. */
export const PLAYBOOK_NAME = 'standby-first';
const WINDOW_MINUTES = 30;
const MINUTE_MS = 60_000;

export function playbook(): unknown {
  return {
    name: PLAYBOOK_NAME,
    version: 1,
    kind: 'patch',
    gates: [
      { gate: 'drift', maxAgeMs: 10 * MINUTE_MS },
      { gate: 'switchover-test', maxAgeMs: 60 * MINUTE_MS },
    ],
    phases: {
      switchoverTest: { enabled: true, andBack: true },
      failback: { enabled: false },
      soakMs: 500,
      interruptionBudgetMs: 5_000,
    },
    checks: [{ name: 'rows-can-be-counted', kind: 'sql', sql: 'select 1', expect: '1' }],
    pauseBefore: [],
    onFailure: 'rollback',
    maxUnavailable: 1,
    // A practice host is quick; its deadlines should not be those of a large database.
    durations: { drain: 3_000, patch: 3_000, unpatch: 3_000, reboot: 5_000, join: 4_000, stop: 3_000, start: 4_000 },
  };
}

export function patchSet(targetVersion: string, now: Date): unknown {
  return {
    items: [{ name: 'postgresql', targetVersion, source: 'release', artifact: `postgresql-${targetVersion}` }],
    advisories: [],
    publishedAt: now.toISOString(),
  };
}

export function windowOf(cluster: PracticeCluster, patchSetId: string, now: Date): unknown {
  return {
    kind: 'patch',
    clusters: [cluster.definition.slug],
    patchSetId,
    playbook: { name: PLAYBOOK_NAME },
    opensAt: now.toISOString(),
    closesAt: new Date(now.getTime() + WINDOW_MINUTES * MINUTE_MS).toISOString(),
    tickets: [],
  };
}
