import type { ClusterDefinition, ClusterSnapshot, NodeSnapshot } from '@understudy/cluster';
import type { inventory } from '@understudy/contracts';
import type { StoredEvent } from '@understudy/event-log';
import type { ClusterEvent, Debt, FactsCollected } from '@understudy/inventory-domain';
import { upcast } from '@understudy/inventory-domain';
import type { Publication } from '@understudy/messaging';

/**
 * Stored event -> what is published of it, or nothing. Pure. What is published is not what is stored: nodes are told
 * with our word and the platform's own; lag, boot ids and identities stay here. Fleet and patch sets are not told again.
 */
export function publish(stored: StoredEvent): Publication | undefined {
  const event = upcast(stored);
  switch (event.type) {
    case 'ClusterListed':
    case 'ClusterDelisted':
    case 'PatchSetNoted':
      return undefined;
    default:
      return told(event);
  }
}

function told(event: ClusterEvent): Publication {
  switch (event.type) {
    case 'ClusterRegistered':
      return as('cluster-registered', event.body.definition.slug, { cluster: clusterJson(event.body.definition) });
    case 'ClusterChanged':
      return as('cluster-changed', event.body.definition.slug, { cluster: clusterJson(event.body.definition) });
    case 'ClusterRetired':
      return as('cluster-retired', event.body.cluster, event.body satisfies inventory.ClusterRetiredJson);
    case 'TopologyObserved':
      return as('topology-observed', event.body.snapshot.cluster, topologyJson(event.body.snapshot));
    case 'HaLayerClassified': {
      const { cluster, classification } = event.body;
      return as('ha-layer-classified', cluster, {
        cluster,
        ...classification,
        evidence: [...classification.evidence],
      } satisfies inventory.HaLayerClassifiedJson);
    }
    case 'FactsCollected':
      return as('facts-collected', event.body.cluster, factsJson(event.body));
    case 'DebtAssessed':
      return as('debt-assessed', event.body.cluster, debtJson(event.body));
  }
}

function as(name: string, cluster: string, data: unknown): Publication {
  return { type: `understudy.inventory.${name}.v1`, key: cluster, subject: `cluster/${cluster}`, data };
}

/** The published form of a document. Absent is empty there. */
export function clusterJson(definition: ClusterDefinition): inventory.ClusterJson {
  return {
    slug: definition.slug,
    platform: definition.platform,
    environment: definition.environment,
    declaredHaLayer: definition.declaredHaLayer ?? '',
    twinOf: definition.twinOf ?? '',
    workloads: [...definition.workloads],
    nodes: definition.nodes.map((node) => ({
      slug: node.slug,
      host: node.host,
      settings: { ...node.settings },
      notPromotable: node.notPromotable ?? '',
    })),
    hosts: definition.hosts.map((host) => ({
      slug: host.slug,
      access: structuredClone(host.access) as unknown as NonNullable<inventory.HostJson['access']>,
      patching: Object.fromEntries(Object.entries(host.patching).map(([source, settings]) => [source, { ...settings }])),
    })),
    credentials: { ...definition.credentials },
    probeHost: definition.probeHost ?? '',
    settings: { ...definition.settings },
  };
}

function topologyJson(snapshot: ClusterSnapshot): inventory.TopologyObservedJson {
  return {
    cluster: snapshot.cluster,
    observedAt: snapshot.observedAt,
    complete: snapshot.complete,
    nodes: snapshot.nodes.map(nodeJson),
    disagreements: [...snapshot.disagreements],
  };
}

function nodeJson(node: NodeSnapshot): inventory.ObservedNodeJson {
  return {
    node: node.node,
    host: node.host,
    availability: node.availability,
    native: node.native,
    roles: { ...node.roles },
    joined: node.joined,
    electable: node.electable,
    notPromotableBecause: node.promotion.promotable ? '' : node.promotion.reason,
    installedVersions: versionsJson(node, 'installed'),
    runningVersions: versionsJson(node, 'running'),
  };
}

function versionsJson(node: NodeSnapshot, which: 'installed' | 'running'): Record<string, string> {
  return Object.fromEntries(
    Object.entries(node.versions).flatMap(([item, version]) => (version[which] === null ? [] : [[item, version[which]]])),
  );
}

function factsJson(collected: FactsCollected): inventory.FactsCollectedJson {
  return {
    cluster: collected.cluster,
    requestId: collected.requestId,
    activeNode: collected.activeNode,
    nodes: collected.nodes.map((node) => ({
      node: node.node,
      collectedAt: node.collectedAt,
      facts: node.facts.map((fact) => ({
        area: fact.area,
        name: fact.name,
        value: fact.value,
        secret: fact.secret === true,
        ...(fact.runningValue === undefined ? {} : { runningValue: fact.runningValue }),
      })),
      missing: [...node.missing],
    })),
  };
}

function debtJson(debt: Debt & { readonly cluster: string }): inventory.DebtAssessedJson {
  return { ...debt, advisories: [...debt.advisories] };
}
