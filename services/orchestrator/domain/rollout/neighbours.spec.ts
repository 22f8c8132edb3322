import { describe, expect, it } from 'vitest';
import type { ClusterDefinition } from '@understudy/cluster';
import { activeSeen, definitionOf, nodeSeen, seen } from './fixtures/contract.js';
import { neighboursOn } from './neighbours.js';

/** The nodes of `definitionOf(n)`, each on the host given here. */
const on = (...hosts: readonly string[]): ClusterDefinition => {
  const definition = definitionOf(hosts.length);
  return { ...definition, slug: 'shop', nodes: definition.nodes.map((node, index) => ({ ...node, host: hosts[index] ?? '' })) };
};

describe('another cluster on our hosts', () => {
  it('is told by node: who serves there, who is the last fit standby, and nothing of hosts that are not ours', () => {
    const shop = on('h1', 'h2', 'h3');
    const nodes = [activeSeen('a'), nodeSeen('b'), nodeSeen('c')];
    expect(neighboursOn(['h1', 'h2'], shop, seen(nodes))).toEqual([
      { host: 'h1', cluster: 'shop', node: 'a', serving: true, lastFitStandby: false, losesQuorum: false },
      { host: 'h2', cluster: 'shop', node: 'b', serving: false, lastFitStandby: false, losesQuorum: false },
    ]);
    expect(neighboursOn(['h2'], on('h1', 'h2'), seen(nodes.slice(0, 2)))).toMatchObject([{ lastFitStandby: true }]);
    const lagging = [activeSeen('a'), nodeSeen('b'), nodeSeen('c', { lag: null })];
    expect(neighboursOn(['h2', 'h3'], shop, seen(lagging))).toMatchObject([{ lastFitStandby: true }, { lastFitStandby: false }]);
  });

  it('loses all of its nodes on a host at once: two standbys on one host are the last one together', () => {
    const shop = on('h1', 'h2', 'h2');
    const nodes = [activeSeen('a'), nodeSeen('b'), nodeSeen('c')];
    expect(neighboursOn(['h2'], shop, seen(nodes))).toMatchObject([
      { node: 'b', lastFitStandby: true },
      { node: 'c', lastFitStandby: true },
    ]);
  });

  it('keeps its quorum: its witness is worth no less than its data', () => {
    const shop = on('h1', 'h2', 'h3');
    const witness = nodeSeen('c', { roles: { main: 'witness' } });
    const whole = seen([activeSeen('a'), nodeSeen('b'), witness]);
    expect(neighboursOn(['h3'], shop, whole)).toMatchObject([{ lastFitStandby: false, losesQuorum: false }]);
    const weak = seen([activeSeen('a'), nodeSeen('b', { availability: 'down' }), witness]);
    expect(neighboursOn(['h3'], shop, weak)).toMatchObject([{ losesQuorum: true }]);
  });

  it('counts as serving where it could not be seen whole', () => {
    const shop = on('h1', 'h2');
    expect(neighboursOn(['h2'], shop, seen([activeSeen('a'), nodeSeen('b')], { complete: false }))).toMatchObject([
      { serving: true },
    ]);
  });
});
