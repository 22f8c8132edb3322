import { compareVersions, tableOf, type ClusterSnapshot, type PatchItem, type PatchSet } from '@understudy/cluster';
import type { Plan, PlannedStep } from './plan.js';

/** Running versions by node and item; empty where nothing was seen. */
export function versionsOf(snapshot: ClusterSnapshot | null): Readonly<Record<string, Readonly<Record<string, string | null>>>> {
  const nodes = (snapshot?.nodes ?? []).map((node) => {
    const versions = Object.entries(node.versions).map(([item, version]) => [item, version.running] as const);
    return [node.node, Object.fromEntries(versions)] as const;
  });
  return tableOf(nodes);
}

/** What the platform driver says about running two versions side by side, per item: data, asked at the door. */
export interface VersionPairSeen {
  readonly allowed: boolean;
  readonly wayBack: 'lossless' | 'lossy' | 'none';
  readonly reason: string;
  /** The other direction, from the target to what runs now; absent in plans of before it was asked. */
  readonly back?: { readonly allowed: boolean; readonly reason: string };
}

/** What going back means once a node of the newer version has been active: as the platform says, in both directions. */
export function wayBackOf(pair: VersionPairSeen): Pick<VersionPairSeen, 'wayBack' | 'reason'> {
  const { back, wayBack, reason } = pair;
  return back === undefined || back.allowed ? { wayBack, reason } : { wayBack: 'none', reason: back.reason };
}

/** From this step the way back is not lossless any more, and what it is instead; undefined = it is throughout. */
export function pointOfNoReturn(
  step: PlannedStep | undefined,
  pairs: Readonly<Record<string, VersionPairSeen>>,
  patchSet: PatchSet,
): Plan['pointOfNoReturn'] {
  const worst = patchSet.items
    .flatMap((item) => pairs[item.name] ?? [])
    .map(wayBackOf)
    .filter((pair) => pair.wayBack !== 'lossless')
    .sort((left, right) => Number(left.wayBack === 'lossy') - Number(right.wayBack === 'lossy'))[0];
  if (step === undefined || worst === undefined) return undefined;
  return { stepId: step.stepId, meaning: `From here the way back is ${worst.wayBack}: ${worst.reason}` };
}

/** A patch set that every node has already. */
export const NOTHING_TO_DO = 'Every node already runs the target versions: there is nothing to do.';

/** Why this patch set has no business here: older than what runs, nothing to do, or versions that may not run together. */
export function versionObstacle(
  snapshot: ClusterSnapshot,
  patchSet: PatchSet,
  pairs: Readonly<Record<string, VersionPairSeen>>,
): string | null {
  for (const item of patchSet.items) {
    const newer = snapshot.nodes.find((node) => compareVersions(runs(node.versions[item.name]), item.targetVersion) > 0);
    if (newer !== undefined) {
      const running = runs(newer.versions[item.name]);
      return `The patch set is older than what runs: ${newer.node} has ${item.name} ${running}, the patch set says ${item.targetVersion}.`;
    }
    const pair = pairs[item.name];
    if (pair?.allowed !== true) {
      return `${item.name} ${item.targetVersion} may not run beside the old version: ${pair?.reason ?? 'the platform driver does not know the pair'}.`;
    }
  }
  return atTarget(snapshot, patchSet) ? NOTHING_TO_DO : null;
}

/** Does every node that an item applies to run at least its target version? */
export function atTarget(snapshot: ClusterSnapshot, patchSet: PatchSet): boolean {
  return patchSet.items.every((item) =>
    snapshot.nodes.every((node) => {
      const version = node.versions[item.name];
      return version === undefined || (version.running !== null && compareVersions(version.running, item.targetVersion) >= 0);
    }),
  );
}

function runs(version: { readonly installed: string | null; readonly running: string | null } | undefined): string {
  return version?.running ?? version?.installed ?? '0';
}

/** Does this node run less than the item's target? An item that does not apply to it is never behind. */
export function behind(version: { readonly running: string | null } | undefined, item: PatchItem): boolean {
  if (version === undefined) return false;
  return version.running === null || compareVersions(version.running, item.targetVersion) < 0;
}
