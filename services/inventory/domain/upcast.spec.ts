import { fold } from '@understudy/decider';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ClusterEvent } from './cluster/cluster.js';
import { clusterDecider } from './cluster/decide.js';
import { fleetDecider } from './fleet.js';
import type { FleetEvent } from './fleet.js';
import { patchSetDecider } from './patch-set.js';
import type { PatchSetEvent } from './patch-set.js';
import { schemaVersions, upcast } from './upcast.js';

const folder = new URL('./samples/', import.meta.url);
const folded = new Set<string>();

/** A stored body, read as a store gives it back. */
function sample<E>(type: keyof typeof schemaVersions, schemaVersion = 1): E {
  const file = `${type}.v${schemaVersion}.json`;
  folded.add(file);
  const body: unknown = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  return upcast({ type, schemaVersion, body }) as E;
}

describe('events of every stored version', () => {
  it('fold into a cluster', () => {
    const seen = (['ClusterRegistered', 'TopologyObserved', 'HaLayerClassified', 'FactsCollected', 'DebtAssessed'] as const).map(
      (type) => sample<ClusterEvent>(type),
    );
    expect(fold(clusterDecider, seen)).toMatchObject({
      status: 'registered',
      definition: { slug: 'orders' },
      snapshot: { complete: true },
      classification: { rolling: true },
      answered: ['0195a000-0000-7000-8000-000000000001'],
      debts: { 'orders-a/0195a000-0000-8000-8000-000000000002': { days: 9 } },
    });
    const changed = fold(clusterDecider, [...seen, sample<ClusterEvent>('ClusterChanged')]);
    expect(changed).toMatchObject({ definition: { declaredHaLayer: 'hypervisor' } });
    expect(fold(clusterDecider, [sample<ClusterEvent>('ClusterRetired')], changed)).toEqual({
      status: 'retired',
      revision: 2,
      slug: 'orders',
    });
  });
  it('fold into fleet and patch set', () => {
    const listed = fold(fleetDecider, [sample<FleetEvent>('ClusterListed')]);
    expect(Object.keys(listed.clusters)).toEqual(['orders']);
    expect(fold(fleetDecider, [sample<FleetEvent>('ClusterDelisted')], listed).clusters).toEqual({});
    expect(fold(patchSetDecider, [sample<PatchSetEvent>('PatchSetNoted')])).toMatchObject({
      items: [{ targetVersion: '17.10' }],
    });
  });
  it('of a type or version that this build does not know are not guessed', () => {
    expect(() => upcast({ type: 'ClusterListed', schemaVersion: 2, body: {} })).toThrow(
      /version 2 is not known to this build \(it knows up to 1\)/,
    );
    expect(() => upcast({ type: 'ClusterListed', schemaVersion: 0, body: {} })).toThrow();
    expect(() => upcast({ type: 'toString', schemaVersion: 1, body: {} })).toThrow();
  });

  it('are all folded here: whatever lies among the samples was read above', () => {
    expect([...folded].sort()).toEqual(readdirSync(folder).sort());
  });
});
