import type { ClusterDefinition, ClusterSnapshot, HaLayer, NodeSnapshot } from '@understudy/cluster';
import { activeNodes } from '@understudy/cluster';
import type { Classification, Evidence } from './cluster.js';

/**
 * Which layer protects this cluster, judged by what was seen. Hypervisor HA protects the machine: guest and
 * application still go down to be patched. Only application-level clustering can roll.
 *
 * `application` only when a standby that replicates from a serving node was seen. What the owner declared is compared
 * and never believed, with one labelled exception: a hypervisor cannot be seen from inside a guest, so with no standby
 * in sight the declared hypervisor is repeated *as declared*.
 *
 * @param previous the last classification of this same document. An application cluster whose standby is away for a
 * moment stays one (the topology gate says that it is away now); only a split brain takes the rolling plan from it.
 */
export function classify(
  definition: ClusterDefinition,
  snapshot: ClusterSnapshot,
  evidence: readonly Evidence[],
  previous?: Classification,
): Classification {
  const seen = evidence.map((one) => `${one.supports}: ${one.detail}`);
  const verdict = judge(definition, snapshot, evidence, previous);
  return 'evidence' in verdict ? verdict : { ...verdict, evidence: seen };
}

type Verdict = Omit<Classification, 'evidence'>;

function judge(
  definition: ClusterDefinition,
  snapshot: ClusterSnapshot,
  evidence: readonly Evidence[],
  previous?: Classification,
): Verdict | Classification {
  const split = definition.workloads.find((workload) => activeNodes(snapshot, workload).length > 1);
  if (split !== undefined) return splitBrain(definition, snapshot, split, evidence);
  const standbys = replicatingStandbys(definition, snapshot);
  if (standbys.length > 0) return applicationLayer(definition, standbys);
  if (previous?.haLayer === 'application' && !onlyOneNode(definition)) return { ...previous };
  return notApplication(definition, snapshot, evidence);
}

const onlyOneNode = (definition: ClusterDefinition): boolean => definition.nodes.length === 1;

/** Nodes that stand by for every workload while exactly one other node serves it. */
function replicatingStandbys(definition: ClusterDefinition, snapshot: ClusterSnapshot): readonly NodeSnapshot[] {
  const served = definition.workloads.every((workload) => activeNodes(snapshot, workload).length === 1);
  if (!served) return [];
  return snapshot.nodes.filter(
    (node) => node.joined && definition.workloads.every((workload) => node.roles[workload] === 'standby'),
  );
}

function applicationLayer(definition: ClusterDefinition, standbys: readonly NodeSnapshot[]): Verdict {
  const seen = `application-level clustering was seen: ${quoted(standbys.map((node) => node.node))} ${standbys.length === 1 ? 'replicates' : 'replicate'} from the serving node`;
  const declared = contradiction(definition, 'application');
  const shared = sharedHost(definition);
  if (shared !== undefined) {
    return {
      haLayer: 'application',
      rolling: false,
      reason: sentence(
        `${seen}, but host "${shared}" carries several of its nodes: patching that host takes them all out of service`,
        declared,
      ),
    };
  }
  const promotable = standbys.filter((node) => mayServe(definition, node));
  if (promotable.length === 0) {
    return {
      haLayer: 'application',
      rolling: false,
      reason: sentence(
        `${seen}, but none may become active (${standbys.map((node) => whyNot(definition, node)).join('; ')}): the workload has nowhere to go`,
        declared,
      ),
    };
  }
  return { haLayer: 'application', rolling: true, reason: sentence(seen, declared) };
}

function registered(definition: ClusterDefinition, node: NodeSnapshot): string | undefined {
  return definition.nodes.find((candidate) => candidate.slug === node.node)?.notPromotable;
}

function mayServe(definition: ClusterDefinition, node: NodeSnapshot): boolean {
  return node.promotion.promotable && registered(definition, node) === undefined;
}

function whyNot(definition: ClusterDefinition, node: NodeSnapshot): string {
  const reason = registered(definition, node) ?? (node.promotion as { readonly reason: string }).reason;
  return `"${node.node}": ${reason}`;
}

function sharedHost(definition: ClusterDefinition): string | undefined {
  const hosts = definition.nodes.map((node) => node.host);
  return hosts.find((host, i) => hosts.indexOf(host) !== i);
}

function splitBrain(
  definition: ClusterDefinition,
  snapshot: ClusterSnapshot,
  workload: string,
  evidence: readonly Evidence[],
): Verdict {
  const nodes = quoted(activeNodes(snapshot, workload).map((node) => node.node));
  const haLayer = evidence.some((one) => one.supports === 'application') ? 'application' : 'none';
  return {
    haLayer,
    rolling: false,
    reason: sentence(
      `${nodes} both serve workload "${workload}": two nodes that accept writes cannot be rolled, they must be mended first`,
      contradiction(definition, haLayer),
    ),
  };
}

function notApplication(definition: ClusterDefinition, snapshot: ClusterSnapshot, evidence: readonly Evidence[]): Verdict {
  const seen = whatIsMissing(definition, snapshot);
  const hypervisor = evidence.find((one) => one.supports === 'hypervisor');
  const consequence = 'patching it means downtime, a rolling plan cannot hold';
  if (hypervisor !== undefined) {
    return {
      haLayer: 'hypervisor',
      rolling: false,
      reason: sentence(
        `${seen}; a hypervisor was seen (${hypervisor.detail}): it protects the machine, not the service, so ${consequence}`,
        contradiction(definition, 'hypervisor'),
      ),
    };
  }
  if (definition.declaredHaLayer === 'hypervisor') {
    return {
      haLayer: 'hypervisor',
      rolling: false,
      reason: sentence(
        `${seen}; hypervisor HA is declared by the owner and cannot be seen from inside a guest. It protects the machine, not the service, so ${consequence}`,
        '',
      ),
    };
  }
  return { haLayer: 'none', rolling: false, reason: sentence(`${seen}: ${consequence}`, contradiction(definition, 'none')) };
}

function whatIsMissing(definition: ClusterDefinition, snapshot: ClusterSnapshot): string {
  if (onlyOneNode(definition)) return 'one node is registered and no standby was seen';
  const unserved = definition.workloads.find((workload) => activeNodes(snapshot, workload).length === 0);
  if (unserved !== undefined) return `no node was seen to serve workload "${unserved}", so no standby can be told`;
  const away = snapshot.nodes
    .filter((node) => !node.joined)
    .map((node) => `"${node.node}" is ${node.availability} (${node.native})`);
  return `no standby was seen to replicate from the serving node${away.length === 0 ? '' : `: ${away.join(', ')}`}`;
}

function contradiction(definition: ClusterDefinition, found: HaLayer): string {
  const declared = definition.declaredHaLayer;
  return declared === undefined || declared === found ? '' : `It was registered as "${declared}"; what was seen decides`;
}

function sentence(seen: string, addition: string): string {
  const first = `${seen.charAt(0).toUpperCase()}${seen.slice(1)}.`;
  return addition === '' ? first : `${first} ${addition}.`;
}

function quoted(names: readonly string[]): string {
  return [...names]
    .sort()
    .map((name) => `"${name}"`)
    .join(' and ');
}
