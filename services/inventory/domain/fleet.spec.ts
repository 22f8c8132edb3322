import type { ClusterDefinition } from '@understudy/cluster';
import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import type { FleetEvent } from './fleet.js';
import { fleetDecider } from './fleet.js';
import { patchSetDecider } from './patch-set.js';

function cluster(
  slug: string,
  hosts: Readonly<Record<string, string>>,
  change: Partial<ClusterDefinition> = {},
): ClusterDefinition {
  return {
    slug,
    platform: 'postgres-streaming',
    environment: 'production',
    workloads: ['app'],
    nodes: [],
    hosts: Object.entries(hosts).map(([host, root]) => ({ slug: host, access: { kind: 'local', root }, patching: {} })),
    credentials: {},
    settings: {},
    ...change,
  };
}

const list = (definition: ClusterDefinition, ...events: readonly FleetEvent[]) =>
  fleetDecider.decide({ type: 'list', definition }, fold(fleetDecider, events));
const orders: FleetEvent = {
  type: 'ClusterListed',
  body: { cluster: 'orders', environment: 'production', twinOf: '', hosts: [{ slug: 'db-a', target: 'local:/srv/a' }] },
};
const codes = (decision: ReturnType<typeof list>): readonly string[] =>
  decision.accepted ? [] : decision.refusals.map((one) => `${one.pointer} ${one.code}`);

describe('the fleet', () => {
  it('lists a cluster with its hosts', () => {
    expect(list(cluster('orders', { 'db-a': '/srv/a' }))).toEqual({ accepted: true, events: [orders] });
  });
  it('lets one host carry two clusters', () => {
    expect(list(cluster('billing', { 'db-a': '/srv/a/' }), orders)).toMatchObject({
      accepted: true,
      events: [{ type: 'ClusterListed' }],
    });
  });
  it('refuses another slug for a machine that is known, and another machine for a slug that is known', () => {
    expect(codes(list(cluster('billing', { other: '/srv/a' }), orders))).toEqual(['/hosts/0/access SAME_ACCESS_TARGET']);
    expect(codes(list(cluster('billing', { 'db-a': '/srv/b' }), orders))).toEqual(['/hosts/0/access HOST_DEFINED_OTHERWISE']);
  });
  it('lets local hosts differ by their folder', () => {
    expect(codes(list(cluster('billing', { 'db-b': '/srv/b' }), orders))).toEqual([]);
  });
  it('lets a cluster change its own hosts, and writes nothing when nothing changed', () => {
    expect(list(cluster('orders', { 'db-a': '/srv/moved' }), orders)).toMatchObject({
      accepted: true,
      events: [{ type: 'ClusterListed' }],
    });
    expect(list(cluster('orders', { 'db-a': '/srv/a' }), orders)).toEqual({ accepted: true, events: [] });
  });
  it('lets a lab mirror a production cluster that is registered, and nothing else', () => {
    const lab = (twinOf: string) => cluster('lab', {}, { environment: 'lab', twinOf });
    expect(list(lab('orders'), orders)).toMatchObject({ accepted: true, events: [{ body: { twinOf: 'orders' } }] });
    expect(codes(list(lab('nobody'), orders))).toEqual(['/twinOf UNKNOWN_TWIN']);
    const practice: FleetEvent = {
      type: 'ClusterListed',
      body: { cluster: 'play', environment: 'practice', twinOf: '', hosts: [] },
    };
    expect(codes(list(lab('play'), practice))).toEqual(['/twinOf TWIN_NOT_PRODUCTION']);
  });
  it('frees hosts when a cluster goes', () => {
    const gone = fleetDecider.decide({ type: 'delist', cluster: 'orders' }, fold(fleetDecider, [orders]));
    expect(gone).toEqual({ accepted: true, events: [{ type: 'ClusterDelisted', body: { cluster: 'orders' } }] });
    expect(
      codes(list(cluster('billing', { other: '/srv/a' }), orders, { type: 'ClusterDelisted', body: { cluster: 'orders' } })),
    ).toEqual([]);
    expect(fleetDecider.decide({ type: 'delist', cluster: 'orders' }, fleetDecider.initial)).toEqual({
      accepted: true,
      events: [],
    });
  });
});

describe('a patch set', () => {
  const patchSet = { id: 'ps-1', items: [], advisories: [], publishedAt: '2026-01-01T00:00:00Z' };
  it('is noted once', () => {
    const noted = { type: 'PatchSetNoted', body: patchSet } as const;
    expect(patchSetDecider.decide({ type: 'note', patchSet }, undefined)).toEqual({ accepted: true, events: [noted] });
    expect(patchSetDecider.decide({ type: 'note', patchSet }, fold(patchSetDecider, [noted]))).toEqual({
      accepted: true,
      events: [],
    });
  });
});
