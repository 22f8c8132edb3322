import type { ClusterSnapshot, ItemVersion, NodeSnapshot, PatchItem } from '@understudy/cluster';
import type { PatchSource } from '@understudy/hosts';
import type { OpenCluster } from './targets.js';

/** A cluster at one moment. */
export interface Picture {
  /** With the versions of every item. */
  readonly snapshot: ClusterSnapshot;
  /** As the driver told it: what a fingerprint of the topology is made of, whatever is to be patched. */
  readonly ofPlatform: ClusterSnapshot;
}

/**
 * The platform's picture of a cluster, with the versions of every item. What the platform itself knows nothing of (a library, a
 * kernel) is told by the item's patch source: what is installed then counts as running, and whether a reboot is pending is
 * asked apart. A host that could not tell has the item in no version, which holds whoever wants to be sure. Throws what the driver throws.
 */
export async function picture(
  open: OpenCluster,
  items: readonly PatchItem[],
  patchSource: (name: string) => PatchSource,
  deadlineMs: number,
): Promise<Picture> {
  const ofPlatform = await open.driver.observe(open.target, deadlineMs);
  const unknown = items.filter(({ name }) => ofPlatform.nodes.every(({ versions }) => versions[name] === undefined));
  if (unknown.length === 0) return { snapshot: ofPlatform, ofPlatform };
  const told = await Promise.all(
    ofPlatform.nodes.map(async (node) =>
      Promise.all(unknown.map((item) => toldOf(open, node, item, { patchSource, deadlineMs }))),
    ),
  );
  const nodes = ofPlatform.nodes.map((node, index) => ({
    ...node,
    versions: Object.fromEntries([...Object.entries(node.versions), ...(told[index] ?? []).flat()]),
  }));
  return { snapshot: { ...ofPlatform, nodes }, ofPlatform };
}

/** Empty where the node has nothing of the item: it does not apply to it. */
async function toldOf(
  { target }: OpenCluster,
  { host }: NodeSnapshot,
  item: PatchItem,
  { patchSource, deadlineMs }: { readonly patchSource: (name: string) => PatchSource; readonly deadlineMs: number },
): Promise<readonly (readonly [string, ItemVersion])[]> {
  const reached = target.hosts[host];
  if (reached === undefined) return [];
  try {
    const { version, checks } = await patchSource(item.source).verify(reached, item, deadlineMs);
    if (version.installed !== null) return [[item.name, { installed: version.installed, running: version.installed }]];
    return checks.some(({ passed }) => passed === null) ? [[item.name, { installed: null, running: null }]] : [];
  } catch {
    return [[item.name, { installed: null, running: null }]];
  }
}
