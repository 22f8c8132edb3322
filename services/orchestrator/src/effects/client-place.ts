import type { NodeDefinition } from '@understudy/cluster';
import type { ClientPlace } from '@understudy/platforms';
import type { OpenCluster } from './targets.js';

/** Where a client of the workload reaches this node. @throws with a sentence where the platform does not say, or a setting cannot be used. */
export function clientPlace({ driver, target: { definition } }: OpenCluster, node: NodeDefinition): ClientPlace {
  const place = driver.clientPlace?.(definition, node);
  if (place === undefined) throw new Error(`the platform ${driver.platform} does not tell where a client reaches ${node.slug}`);
  return place;
}
