import type { ClusterDefinition } from '@understudy/cluster';
import { createWorld, tick, type World } from '@understudy/simulated-cluster';

/** One world per cluster, kept in this process. The only thing here that changes. */
export class SimulatedWorlds {
  private readonly worlds = new Map<string, World>();

  /** The cluster's world; made at the first look, its first node active. */
  of(definition: ClusterDefinition): World {
    const known = this.worlds.get(definition.slug);
    if (known !== undefined) return known;
    const world = createWorld({
      cluster: definition.slug,
      workload: definition.workloads[0] ?? definition.slug,
      nodes: definition.nodes.map((node) => ({ node: node.slug, host: node.host })),
      version: definition.settings['version'] ?? '1.0',
    });
    this.worlds.set(definition.slug, world);
    return world;
  }

  /** Replaces a cluster's world by what `change` makes of it. */
  change(definition: ClusterDefinition, change: (world: World) => World): World {
    const next = change(this.of(definition));
    this.worlds.set(definition.slug, next);
    return next;
  }

  pass(definition: ClusterDefinition, ms: number): World {
    return this.change(definition, (world) => tick(world, ms));
  }
}
