import { activeNode, fitStandbys, quorumSurvives, type ClusterDefinition, type ClusterSnapshot } from '@understudy/cluster';
import type { Neighbour } from './observation.js';

/**
 * What another cluster would lose if these hosts were taken away one at a time: a host step takes every node on its host with
 * it. A picture that is not complete counts as serving: nobody's host is touched on a guess.
 */
export function neighboursOn(
  hosts: readonly string[],
  other: ClusterDefinition,
  snapshot: ClusterSnapshot,
): readonly Neighbour[] {
  const witnesses = snapshot.nodes.some((node) => Object.values(node.roles).includes('witness'));
  const voters = witnesses ? snapshot.nodes.length : 0;
  return other.nodes
    .filter((node) => hosts.includes(node.host))
    .flatMap((node) => {
      const gone = other.nodes.filter(({ host }) => host === node.host).map(({ slug }) => slug);
      const away = snapshot.nodes.filter((seen) => gone.includes(seen.node) || seen.availability !== 'serving').length;
      return other.workloads.map((workload) => ({
        host: node.host,
        cluster: other.slug,
        node: node.slug,
        serving: !snapshot.complete || activeNode(snapshot, workload)?.node === node.slug,
        lastFitStandby: fitStandbys(snapshot, workload).every((standby) => gone.includes(standby.node)),
        losesQuorum: !quorumSurvives(voters, away),
      }));
    });
}
