import { compareVersions, type ClusterSnapshot, type PatchItem, type PatchSet } from '@understudy/cluster';

/** Running versions by node and item; empty where nothing was seen. */
export function versionsOf(snapshot: ClusterSnapshot | null): Readonly<Record<string, Readonly<Record<string, string | null>>>> {
  const nodes = (snapshot?.nodes ?? []).map((node) => {
    const versions = Object.entries(node.versions).map(([item, version]) => [item, version.running] as const);
    return [node.node, Object.fromEntries(versions)] as const;
  });
  return Object.fromEntries(nodes);
}

/** What the platform driver says about running two versions side by side, per item: data, asked at the door. */
export interface VersionPairSeen {
  readonly allowed: boolean;
  readonly wayBack: 'lossless' | 'lossy' | 'none';
  readonly reason: string;
}

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
  return atTarget(snapshot, patchSet) ? 'Every node already runs the target versions: there is nothing to do.' : null;
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
