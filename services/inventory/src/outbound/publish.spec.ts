import { readFileSync } from 'node:fs';
import type { DescMessage, JsonValue } from '@bufbuild/protobuf';
import { fromJson } from '@bufbuild/protobuf';
import { inventory } from '@understudy/contracts';
import { schemaVersions } from '@understudy/inventory-domain';
import { describe, expect, it } from 'vitest';
import { publish } from './publish.js';

const messages: Readonly<Record<string, DescMessage>> = {
  'understudy.inventory.cluster-registered.v1': inventory.ClusterRegisteredSchema,
  'understudy.inventory.cluster-changed.v1': inventory.ClusterChangedSchema,
  'understudy.inventory.cluster-retired.v1': inventory.ClusterRetiredSchema,
  'understudy.inventory.topology-observed.v1': inventory.TopologyObservedSchema,
  'understudy.inventory.ha-layer-classified.v1': inventory.HaLayerClassifiedSchema,
  'understudy.inventory.facts-collected.v1': inventory.FactsCollectedSchema,
  'understudy.inventory.debt-assessed.v1': inventory.DebtAssessedSchema,
};

function publishSample(type: string) {
  const body: unknown = JSON.parse(readFileSync(new URL(`../../domain/samples/${type}.v1.json`, import.meta.url), 'utf8'));
  const metadata = { commandId: 'c', actor: { subject: 's', role: 'system', authentication: 'internal', from: 'spec' } };
  return publish({
    position: 1,
    stream: 'x',
    version: 1,
    type,
    schemaVersion: 1,
    time: '2026-03-01T10:00:00.000Z',
    metadata,
    body,
    hash: '',
  });
}

const OURS_ALONE = ['ClusterListed', 'ClusterDelisted', 'PatchSetNoted'];

describe('what is published', () => {
  it.each(Object.keys(schemaVersions).filter((type) => !OURS_ALONE.includes(type)))(
    '%s is a message of the published language, keyed by its cluster',
    (type) => {
      const publication = publishSample(type);
      const schema = messages[publication?.type ?? ''];
      expect(schema, publication?.type).toBeDefined();
      expect(publication).toMatchObject({ key: 'orders', subject: 'cluster/orders' });
      // Unknown fields and wrong types are refused here.
      expect(() => fromJson(schema as DescMessage, publication?.data as JsonValue)).not.toThrow();
    },
  );
  it.each(OURS_ALONE)('%s is not told', (type) => {
    expect(publishSample(type)).toBeUndefined();
  });
  it('covers every type of message', () => {
    const told = Object.keys(schemaVersions).flatMap((type) => publishSample(type)?.type ?? []);
    expect(told.sort()).toEqual(Object.keys(messages).sort());
  });
});
