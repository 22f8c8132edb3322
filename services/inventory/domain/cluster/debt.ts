import type { NodeSnapshot } from '@understudy/cluster';
import { compareVersions } from '@understudy/cluster';
import type { Debt, NotedPatchSet } from './cluster.js';

const DAY_MS = 86_400_000;

/**
 * The debt of one node for one patch set: days from the publication of the fix until the node *runs* it (installed
 * and not restarted is still a debt). Undefined where none of its items is on this node, or no version could be told.
 */
export function debtOf(node: NodeSnapshot, patchSet: NotedPatchSet, nowMs: number): Debt | undefined {
  const known = patchSet.items.flatMap((item) => {
    const version = Object.hasOwn(node.versions, item.name) ? node.versions[item.name] : undefined;
    const has = version?.running ?? version?.installed ?? null;
    return has === null ? [] : [compareVersions(has, item.targetVersion) >= 0];
  });
  if (known.length === 0) return undefined;
  return {
    node: node.node,
    patchSetId: patchSet.id,
    advisories: patchSet.advisories,
    availableSince: patchSet.publishedAt,
    days: Math.max(0, Math.floor((nowMs - Date.parse(patchSet.publishedAt)) / DAY_MS)),
    settled: known.every(Boolean),
  };
}

/** Says what a ledger has to write down: a new debt, a day more, or paid. A patch set older than what runs is no news. */
export function debtChanged(before: Debt | undefined, now: Debt): boolean {
  if (before === undefined) return !now.settled;
  if (now.settled || before.settled) return now.settled !== before.settled;
  return now.days !== before.days || now.availableSince !== before.availableSince;
}
