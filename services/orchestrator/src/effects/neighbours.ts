import type { ClusterDefinition } from '@understudy/cluster';
import { neighboursOn, type Neighbour } from '@understudy/orchestrator-domain';
import type { Directory } from '../projections/directory.js';
import type { Targets } from './targets.js';

const LOOK_DEADLINE_MS = 5_000;
/** Other clusters on one host that are looked at before a host step; a host with more is refused as unclear. */
const MOST_NEIGHBOURS = 8;

/** Looks at the other clusters that share a host with this one: a host step must satisfy them all. */
export class Neighbourhood {
  constructor(
    private readonly directory: Directory,
    private readonly targets: Targets,
  ) {}

  /** Nodes of other clusters on this cluster's hosts, as observed now. Throws when one of them cannot be looked at. */
  async of(definition: ClusterDefinition): Promise<readonly Neighbour[]> {
    const hosts = [...new Set(definition.nodes.map((node) => node.host))];
    const others = (await this.directory.onHosts(hosts)).filter((other) => other.slug !== definition.slug);
    if (others.length > MOST_NEIGHBOURS)
      throw new Error(`More than ${MOST_NEIGHBOURS} other clusters share hosts with ${definition.slug}.`);
    const looks = await Promise.all(others.map((other) => this.look(other, hosts)));
    return looks.flat();
  }

  private async look(other: ClusterDefinition, hosts: readonly string[]): Promise<readonly Neighbour[]> {
    const { driver, target } = await this.targets.openCluster(other);
    return neighboursOn(hosts, other, await driver.observe(target, LOOK_DEADLINE_MS));
  }
}
