import type { ClusterSnapshot } from '@understudy/cluster';

/** Running versions by node and item; empty where nothing was seen. */
export function versionsOf(snapshot: ClusterSnapshot | null): Readonly<Record<string, Readonly<Record<string, string | null>>>> {
  const nodes = (snapshot?.nodes ?? []).map((node) => {
    const versions = Object.entries(node.versions).map(([item, version]) => [item, version.running] as const);
    return [node.node, Object.fromEntries(versions)] as const;
  });
  return Object.fromEntries(nodes);
}
