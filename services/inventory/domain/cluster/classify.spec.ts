import type { ClusterDefinition, ClusterSnapshot, HaLayer, NodeSnapshot, Role } from '@understudy/cluster';
import { describe, expect, it } from 'vitest';
import type { Classification, Evidence } from './cluster.js';
import { classify } from './classify.js';
import { servingNode } from './topology.js';

function definition(nodes: readonly string[], change: Partial<ClusterDefinition> = {}): ClusterDefinition {
  return {
    slug: 'orders',
    platform: 'postgres-streaming',
    environment: 'practice',
    workloads: ['app'],
    nodes: nodes.map((slug) => ({ slug, host: `host-${slug}`, settings: {} })),
    hosts: nodes.map((slug) => ({ slug: `host-${slug}`, access: { kind: 'local', root: `/srv/${slug}` }, patching: {} })),
    credentials: {},
    settings: {},
    ...change,
  };
}

function node(slug: string, role: Role | undefined, change: Partial<NodeSnapshot> = {}): NodeSnapshot {
  return {
    node: slug,
    host: `host-${slug}`,
    reachable: true,
    availability: 'serving',
    native: 'x',
    roles: role === undefined ? {} : { app: role },
    writable: role === 'active',
    joined: role !== undefined,
    electable: true,
    promotion: { promotable: true },
    lag: null,
    versions: {},
    systemIdentifier: null,
    timeline: null,
    bootId: null,
    ...change,
  };
}

const look = (...nodes: readonly NodeSnapshot[]): ClusterSnapshot => ({
  cluster: 'orders',
  platform: 'postgres-streaming',
  observedAt: '2026-03-01T10:00:00Z',
  complete: true,
  nodes,
  disagreements: [],
});

const streaming = look(node('a', 'active'), node('b', 'standby'));
const declared = (layer: HaLayer): Partial<ClusterDefinition> => ({ declaredHaLayer: layer });
const hypervisorSeen: Evidence = { supports: 'hypervisor', detail: 'host-a runs under VMware' };
const applicationSeen: Evidence = { supports: 'application', detail: 'a has a replication slot for b' };

describe('classification goes by what is seen', () => {
  it('a pair registered as hypervisor whose standby streams is an application cluster, and says why', () => {
    const found = classify(definition(['a', 'b'], declared('hypervisor')), streaming, [applicationSeen]);
    expect(found).toEqual({
      haLayer: 'application',
      rolling: true,
      reason:
        'Application-level clustering was seen: "b" replicates from the serving node. It was registered as "hypervisor"; what was seen decides.',
      evidence: ['application: a has a replication slot for b'],
    });
  });
  it('a single node registered as application is none, in words', () => {
    const found = classify(definition(['a'], declared('application')), look(node('a', 'active')), []);
    expect(found).toMatchObject({ haLayer: 'none', rolling: false });
    expect(found.reason).toBe(
      'One node is registered and no standby was seen: patching it means downtime, a rolling plan cannot hold. It was registered as "application"; what was seen decides.',
    );
  });
  it('a single node under a hypervisor that was seen is hypervisor', () => {
    const found = classify(definition(['a'], declared('application')), look(node('a', 'active')), [hypervisorSeen]);
    expect(found).toMatchObject({ haLayer: 'hypervisor', rolling: false });
    expect(found.reason).toContain('a hypervisor was seen (host-a runs under VMware)');
  });
  it('a declared hypervisor is repeated as declared, with the standby that is missing', () => {
    const found = classify(definition(['a'], declared('hypervisor')), look(node('a', 'active')), []);
    expect(found).toMatchObject({ haLayer: 'hypervisor', rolling: false });
    expect(found.reason).toMatch(/^One node is registered and no standby was seen; hypervisor HA is declared by the owner/);
  });
  it('nothing declared and nothing contradicted adds no sentence', () => {
    expect(classify(definition(['a', 'b']), streaming, []).reason).toBe(
      'Application-level clustering was seen: "b" replicates from the serving node.',
    );
    expect(classify(definition(['a', 'b'], declared('application')), streaming, []).reason).not.toContain('registered');
  });
  it('several standbys replicate', () => {
    const found = classify(
      definition(['a', 'b', 'c']),
      look(node('c', 'standby'), node('b', 'standby'), node('a', 'active')),
      [],
    );
    expect(found.reason).toBe('Application-level clustering was seen: "b" and "c" replicate from the serving node.');
  });
});

describe('what cannot roll', () => {
  it('two actives', () => {
    const split = look(node('a', 'active'), node('b', 'active'));
    expect(classify(definition(['a', 'b']), split, [applicationSeen])).toMatchObject({ haLayer: 'application', rolling: false });
    const found = classify(definition(['a', 'b'], declared('application')), split, []);
    expect(found).toMatchObject({ haLayer: 'none', rolling: false });
    expect(found.reason).toContain('"a" and "b" both serve workload "app"');
  });
  it('no standby that streams', () => {
    const found = classify(
      definition(['a', 'b']),
      look(node('a', 'active'), node('b', undefined, { availability: 'down', native: 'no answer' })),
      [],
    );
    expect(found).toMatchObject({ haLayer: 'none', rolling: false });
    expect(found.reason).toContain('no standby was seen to replicate from the serving node: "b" is down (no answer)'.slice(3));
  });
  it('no standby role although every node is joined', () => {
    const found = classify(definition(['a', 'b']), look(node('a', 'active'), node('b', 'witness')), []);
    expect(found.reason).toMatch(/^No standby was seen to replicate from the serving node: patching it means downtime/);
  });
  it('no node that serves', () => {
    const found = classify(definition(['a', 'b']), look(node('a', 'standby'), node('b', 'standby')), []);
    expect(found).toMatchObject({ haLayer: 'none', rolling: false });
    expect(found.reason).toMatch(/^No node was seen to serve workload "app"/);
  });
  it('only standbys that must not become active, by the platform or by the owner', () => {
    const delayed = look(
      node('a', 'active'),
      node('b', 'standby', { promotion: { promotable: false, reason: 'delayed by 1 h' } }),
      node('c', 'standby'),
    );
    const owned = definition(['a', 'b', 'c']);
    const marked = {
      ...owned,
      nodes: owned.nodes.map((one) => (one.slug === 'c' ? { ...one, notPromotable: 'reporting' } : one)),
    };
    const found = classify(marked, delayed, []);
    expect(found).toMatchObject({ haLayer: 'application', rolling: false });
    expect(found.reason).toContain('"b": delayed by 1 h; "c": reporting');
  });
  it('nodes that share a host', () => {
    const owned = definition(['a', 'b']);
    const shared = { ...owned, nodes: owned.nodes.map((one) => ({ ...one, host: 'host-a' })) };
    const found = classify(shared, streaming, []);
    expect(found).toMatchObject({ haLayer: 'application', rolling: false });
    expect(found.reason).toContain('host "host-a" carries several of its nodes');
  });
});

describe('what was seen before', () => {
  const before: Classification = { haLayer: 'application', rolling: true, reason: 'Seen.', evidence: ['application: x'] };
  it('a standby that is away for a moment does not unmake an application cluster', () => {
    expect(classify(definition(['a', 'b']), look(node('a', 'active')), [], before)).toEqual(before);
  });
  it('a split brain does', () => {
    expect(classify(definition(['a', 'b']), look(node('a', 'active'), node('b', 'active')), [], before)).toMatchObject({
      rolling: false,
    });
  });
  it('one registered node is one node, whatever was before', () => {
    expect(classify(definition(['a']), look(node('a', 'active')), [], before)).toMatchObject({ haLayer: 'none' });
  });
});

describe('the serving node', () => {
  it('is named only where one node serves every workload', () => {
    expect(servingNode(streaming, ['app'])).toBe('a');
    expect(servingNode(look(node('a', 'active'), node('b', 'active')), ['app'])).toBe('');
    expect(servingNode(look(node('a', 'active'), node('b', undefined, { roles: { web: 'active' } })), ['app', 'web'])).toBe('');
  });
});
