import type { Projection } from '@understudy/event-log';
import type { ClusterDefinition } from '@understudy/cluster';
import type { StoredEvent } from '@understudy/event-log';
import type { ClusterEvent, InventoryEvent } from '@understudy/inventory-domain';
import { upcast } from '@understudy/inventory-domain';
import type { EntityManager } from 'typeorm';
import { ClusterRow, DebtRow, PatchSetRow } from './entities.js';

/** The catalogue: clusters with what was last seen of them, debts, patch sets. */
export const catalogueProjection: Projection<EntityManager> = {
  name: 'projection/catalogue',
  apply: (stored, tx) => apply(upcast(stored), stored, tx),
  clear: async (tx) => {
    for (const row of [ClusterRow, DebtRow, PatchSetRow]) await tx.clear(row);
  },
};

async function apply(event: InventoryEvent, stored: StoredEvent, tx: EntityManager): Promise<void> {
  switch (event.type) {
    case 'ClusterListed':
    case 'ClusterDelisted':
      return;
    case 'PatchSetNoted':
      await tx.upsert(PatchSetRow, { patchSetId: event.body.id, patchSet: event.body, position: stored.position }, [
        'patchSetId',
      ]);
      return;
    case 'DebtAssessed':
      await tx.upsert(
        DebtRow,
        {
          ...event.body,
          advisories: [...event.body.advisories],
          availableSince: new Date(event.body.availableSince),
          position: stored.position,
        },
        ['cluster', 'node', 'patchSetId'],
      );
      return;
    default:
      await applyToCluster(event, stored, tx);
  }
}

async function applyToCluster(
  event: Exclude<ClusterEvent, { type: 'DebtAssessed' }>,
  stored: StoredEvent,
  tx: EntityManager,
): Promise<void> {
  const { position } = stored;
  switch (event.type) {
    case 'ClusterRegistered':
      return await document(event.body.definition, stored, tx);
    case 'ClusterChanged':
      return await document(event.body.definition, stored, tx);
    case 'ClusterRetired':
      await tx.update(ClusterRow, { slug: event.body.cluster }, { retired: true, changedAt: new Date(stored.time), position });
      await tx.delete(DebtRow, { cluster: event.body.cluster });
      return;
    case 'TopologyObserved':
      await tx.update(ClusterRow, { slug: event.body.snapshot.cluster }, { snapshot: event.body.snapshot, position });
      return;
    case 'HaLayerClassified': {
      const { cluster, classification } = event.body;
      await tx.update(ClusterRow, { slug: cluster }, { classification, haLayer: classification.haLayer, position });
      return;
    }
    case 'FactsCollected':
      await tx.update(ClusterRow, { slug: event.body.cluster }, { facts: event.body, position });
  }
}

/** What was seen belonged to the document before: it begins anew, as in the aggregate. */
async function document(definition: ClusterDefinition, stored: StoredEvent, tx: EntityManager): Promise<void> {
  const before = await tx.findOneBy(ClusterRow, { slug: definition.slug });
  const changedAt = new Date(stored.time);
  await tx.upsert(
    ClusterRow,
    {
      slug: definition.slug,
      revision: (before?.revision ?? 0) + 1,
      retired: false,
      platform: definition.platform,
      environment: definition.environment,
      twinOf: definition.twinOf ?? null,
      haLayer: null,
      definition,
      classification: null,
      snapshot: null,
      facts: null,
      registeredAt: before === null || before.retired ? changedAt : before.registeredAt,
      changedAt,
      position: stored.position,
    },
    ['slug'],
  );
  await tx
    .createQueryBuilder()
    .delete()
    .from(DebtRow)
    .where('cluster = :cluster and node <> all(:nodes)', {
      cluster: definition.slug,
      nodes: definition.nodes.map((node) => node.slug),
    })
    .execute();
}
