import type { Environment } from '@understudy/cluster';
import type { inventory } from '@understudy/contracts';
import type { CollectedFacts, Fact, NotedCluster, Origin } from '@understudy/drift-domain';
import type { CloudEvent, HandlerTable } from '@understudy/messaging';
import { accepted, messageMetadata } from '../../handle.js';
import type { Ledgers } from '../../use-cases/ledgers.js';

export const INVENTORY_TOPIC = 'understudy.inventory.v1';

/** What this service does when inventory says something: it becomes a command to the cluster's ledger. */
export function inventoryHandlers(ledgers: Ledgers): HandlerTable {
  const noted = (event: CloudEvent): Promise<void> => noteCluster(ledgers, event);
  return {
    'understudy.inventory.cluster-registered.v1': noted,
    'understudy.inventory.cluster-changed.v1': noted,
    'understudy.inventory.cluster-retired.v1': async (event) => {
      const { cluster = '' } = event.data as inventory.ClusterRetiredJson;
      accepted(
        await ledgers.execute(cluster, { type: 'forget-cluster', origin: originOf(event) }, messageMetadata(event, cluster)),
      );
    },
    'understudy.inventory.facts-collected.v1': (event) => receiveFacts(ledgers, event),
  };
}

async function noteCluster(ledgers: Ledgers, event: CloudEvent): Promise<void> {
  const { cluster } = event.data as inventory.ClusterRegisteredJson;
  if (!cluster?.slug) throw new Error('The message carries no cluster.');
  const known: NotedCluster = {
    cluster: cluster.slug,
    platform: cluster.platform ?? '',
    environment: (cluster.environment ?? 'production') as Environment,
    members: (cluster.nodes ?? []).map((node) => node.slug ?? ''),
    twinOf: cluster.twinOf ?? '',
  };
  const metadata = messageMetadata(event, cluster.slug);
  accepted(await ledgers.execute(cluster.slug, { type: 'note-cluster', cluster: known, origin: originOf(event) }, metadata));
}

async function receiveFacts(ledgers: Ledgers, event: CloudEvent): Promise<void> {
  const data = event.data as inventory.FactsCollectedJson;
  const { cluster = '', requestId = '' } = data;
  if (cluster === '') throw new Error('The message names no cluster.');
  const command = {
    type: 'receive-facts',
    cluster,
    requestId,
    collected: collectedOf(data),
    origin: originOf(event),
    ...(await ledgers.judging()),
  } as const;
  accepted(await ledgers.execute(cluster, command, messageMetadata(event, cluster)));
  await ledgers.scoreFidelity(cluster, (lab) => messageMetadata(event, `${lab}#fidelity`));
}

function originOf(event: CloudEvent): Origin {
  return { source: event.source, position: Number(event.sequence) };
}

/** The published form -> ours. Empty and false may be left out there. */
export function collectedOf(data: inventory.FactsCollectedJson): CollectedFacts {
  return {
    activeNode: data.activeNode ?? '',
    nodes: (data.nodes ?? []).map((node) => ({
      node: node.node ?? '',
      collectedAt: node.collectedAt ?? '',
      missing: node.missing ?? [],
      facts: (node.facts ?? []).map(factOf),
    })),
  };
}

function factOf(fact: inventory.FactJson): Fact {
  return {
    area: fact.area ?? '',
    name: fact.name ?? '',
    value: fact.value ?? '',
    ...(fact.runningValue === undefined ? {} : { runningValue: fact.runningValue }),
    ...(fact.secret === true ? { secret: true } : {}),
  };
}
