import type { ClusterDefinition } from '@understudy/cluster';
import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import type { ClusterCommand, ClusterEvent } from './cluster.js';
import { clusterDecider } from './decide.js';
import { secretTargets } from './validate.js';
import { NOW, after, debt, given, known, look, node, observe, pair, registered } from './fixtures/contract.js';

describe('registering a cluster', () => {
  const register = (definition: ClusterDefinition): ClusterCommand => ({ type: 'register', definition, known });
  const refused = (change: Partial<ClusterDefinition>, ...codes: readonly (readonly [string, string])[]) =>
    given()
      .when(register({ ...pair, ...change }))
      .thenRefused('invalid', ...codes);

  it('takes a document that holds', () => {
    given()
      .when(register(pair))
      .then({ type: 'ClusterRegistered', body: { definition: pair } });
  });
  it('takes one node: it is classified later, it is not refused', () => {
    given()
      .when(register({ ...pair, nodes: pair.nodes.slice(0, 1), hosts: pair.hosts.slice(0, 1) }))
      .thenTypes('ClusterRegistered');
  });
  it('takes a retired slug again', () => {
    given(registered, { type: 'ClusterRetired', body: { cluster: 'orders', reason: 'moved' } })
      .when(register(pair))
      .thenTypes('ClusterRegistered');
  });
  it('refuses a slug that is taken', () => {
    given(registered).when(register(pair)).thenRefused('conflict', ['/slug', 'CLUSTER_EXISTS']);
  });
  it('refuses a platform without a driver, also by an inherited name', () => {
    refused({ platform: 'oracle' }, ['/platform', 'UNKNOWN_PLATFORM']);
    refused({ platform: 'constructor' }, ['/platform', 'UNKNOWN_PLATFORM']);
  });
  it('says that no platform is known where there is none', () => {
    const decision = clusterDecider.decide(
      { type: 'register', definition: pair, known: { ...known, platforms: {} } },
      { status: 'absent', revision: 0 },
    );
    expect(decision.accepted ? '' : decision.refusals[0]?.detail).toContain('Known platforms: none.');
  });
  it('refuses settings that the driver does not understand, where they stand', () => {
    const [a, b] = pair.nodes as [ClusterDefinition['nodes'][0], ClusterDefinition['nodes'][0]];
    refused(
      { settings: { databse: 'app' }, nodes: [a, { ...b, settings: { ...b.settings, 'pg/port~': '1' } }] },
      ['/settings/databse', 'UNKNOWN_SETTING'],
      ['/nodes/1/settings/pg~1port~0', 'UNKNOWN_SETTING'],
    );
  });
  it('refuses a name given twice', () => {
    const [a, b] = pair.nodes as [ClusterDefinition['nodes'][0], ClusterDefinition['nodes'][0]];
    const [hostA, hostB] = pair.hosts as [ClusterDefinition['hosts'][0], ClusterDefinition['hosts'][0]];
    refused({ nodes: [a, { ...b, slug: 'a' }] }, ['/nodes/1/slug', 'DUPLICATE_NODE']);
    refused({ workloads: ['app', 'app'] }, ['/workloads/1', 'DUPLICATE_WORKLOAD']);
    refused({ hosts: [hostA, hostB, hostA] }, ['/hosts/2/slug', 'DUPLICATE_HOST']);
  });
  it('refuses nodes and a probe host on hosts that are not there, and hosts that carry nothing', () => {
    const [a, b] = pair.nodes as [ClusterDefinition['nodes'][0], ClusterDefinition['nodes'][0]];
    refused(
      { nodes: [a, { ...b, host: 'host-c' }], probeHost: 'host-p' },
      ['/nodes/1/host', 'UNKNOWN_HOST'],
      ['/hosts/1', 'UNUSED_HOST'],
      ['/probeHost', 'UNKNOWN_HOST'],
    );
  });
  it('takes a host that carries the probe alone', () => {
    const probe = { slug: 'probe', access: { kind: 'local', root: '/srv/p' }, patching: {} } as const;
    given()
      .when(register({ ...pair, hosts: [...pair.hosts, probe], probeHost: 'probe' }))
      .thenTypes('ClusterRegistered');
  });
  it('refuses a patch source that does not exist', () => {
    const [hostA, hostB] = pair.hosts as [ClusterDefinition['hosts'][0], ClusterDefinition['hosts'][0]];
    refused({ hosts: [hostA, { ...hostB, patching: { yum: {} } }] }, ['/hosts/1/patching/yum', 'UNKNOWN_PATCH_SOURCE']);
  });
  it('refuses two slugs for one machine, however its folder is written', () => {
    const [hostA, hostB] = pair.hosts as [ClusterDefinition['hosts'][0], ClusterDefinition['hosts'][0]];
    refused({ hosts: [hostA, { ...hostB, access: { kind: 'local', root: '/srv/a/' } }] }, [
      '/hosts/1/access',
      'SAME_ACCESS_TARGET',
    ]);
  });
  it('lets only a lab mirror another cluster', () => {
    refused({ twinOf: 'orders-live' }, ['/twinOf', 'TWIN_NOT_LAB']);
    given()
      .when(register({ ...pair, environment: 'lab', twinOf: 'orders-live' }))
      .thenTypes('ClusterRegistered');
  });
  it('refuses credentials that nobody defined, and those that are bound to other hosts', () => {
    refused({ credentials: { driver: 'typo' } }, ['/credentials/driver', 'UNKNOWN_CREDENTIAL']);
    refused({ credentials: { driver: 'elsewhere' } }, ['/credentials/driver', 'CREDENTIAL_NOT_FOR_HOST']);
    refused(
      { credentials: { probe: 'nowhere' } },
      ['/credentials/probe', 'CREDENTIAL_NOT_FOR_HOST'],
      ['/credentials/probe', 'CREDENTIAL_NOT_FOR_HOST'],
    );
  });
  it('holds the credentials of the way to a host to the same rules, jump hosts included', () => {
    const [hostA, hostB] = pair.hosts as [ClusterDefinition['hosts'][0], ClusterDefinition['hosts'][0]];
    const place = (address: string, credential: string) => ({ address, user: 'understudy', credential });
    const ssh = (to: ReturnType<typeof place>, ...jumps: ReturnType<typeof place>[]) =>
      ({ ...hostB, access: { kind: 'ssh', root: '/srv/b', ...to, jumps } }) as const;
    given()
      .when(register({ ...pair, hosts: [hostA, ssh(place('10.0.0.2', 'orders-driver'), place('10.0.0.9', 'orders-driver'))] }))
      .thenTypes('ClusterRegistered');
    refused(
      { hosts: [hostA, ssh(place('10.0.0.2', 'elsewhere'), place('10.0.0.1', 'nowhere'), place('10.0.0.9', 'typo'))] },
      ['/hosts/1/access/jumps/0/credential', 'CREDENTIAL_NOT_FOR_HOST'],
      ['/hosts/1/access/jumps/1/credential', 'UNKNOWN_CREDENTIAL'],
      ['/hosts/1/access/credential', 'CREDENTIAL_NOT_FOR_HOST'],
    );
  });
  it('names every address that a document’s credentials are used for', () => {
    const [hostA, hostB] = pair.hosts as [ClusterDefinition['hosts'][0], ClusterDefinition['hosts'][0]];
    const jump = { address: 'bastion', user: 'hop', credential: 'key' };
    const access = {
      kind: 'ssh',
      root: '/srv/b',
      address: 'db-b',
      user: 'understudy',
      credential: 'key',
      jumps: [jump],
    } as const;
    expect(secretTargets({ ...pair, hosts: [hostA, { ...hostB, access }] })).toEqual(['10.0.0.1', '10.0.0.2', 'bastion', 'db-b']);
  });
  it('counts the host of an interface, and the targets of the probe', () => {
    const [a, b] = pair.nodes as [ClusterDefinition['nodes'][0], ClusterDefinition['nodes'][0]];
    const beside = { ...b, settings: { ...b.settings, api: 'http://10.0.0.9:8008' } };
    const document = { ...pair, nodes: [a, beside], settings: { ...pair.settings, probeTargets: 'app.example:5432' } };
    expect(secretTargets(document)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.9']);
    expect(secretTargets({ ...document, credentials: { driver: 'one', probe: 'two' } })).toContain('app.example');
  });
  it('compares a credential with the host where a node has no address', () => {
    const [a, b] = pair.nodes as [ClusterDefinition['nodes'][0], ClusterDefinition['nodes'][0]];
    refused({ nodes: [a, { ...b, settings: {} }], credentials: { driver: 'elsewhere' } }, [
      '/credentials/driver',
      'CREDENTIAL_NOT_FOR_HOST',
    ]);
  });
});

describe('changing and retiring', () => {
  const changed = { ...pair, declaredHaLayer: 'application' } as const;
  const change = (definition: ClusterDefinition): ClusterCommand => ({ type: 'change', definition, known });

  it('takes the whole new document', () => {
    given(registered)
      .when(change(changed))
      .then({ type: 'ClusterChanged', body: { definition: changed } });
  });
  it('writes nothing down when nothing changed', () => {
    given(registered).when(change(pair)).then();
  });
  it('refuses another slug, and a document that does not hold', () => {
    given(registered)
      .when(change({ ...pair, slug: 'other' }))
      .thenRefused('invalid', ['/slug', 'SLUG_CHANGED']);
    given(registered)
      .when(change({ ...pair, platform: 'x' }))
      .thenRefused('invalid', ['/platform', 'UNKNOWN_PLATFORM']);
  });
  it('refuses a document or an end that was meant for an older revision', () => {
    const log = after([registered], change(changed));
    given(...log)
      .when({ type: 'change', definition: pair, known, expectedRevision: 1 })
      .thenRefused('precondition', ['', 'CLUSTER_CHANGED_MEANWHILE']);
    given(...log)
      .when({ type: 'change', definition: pair, known, expectedRevision: 2 })
      .thenTypes('ClusterChanged');
    given(...log)
      .when({ type: 'retire', reason: 'r', expectedRevision: 1 })
      .thenRefused('precondition', ['', 'CLUSTER_CHANGED_MEANWHILE']);
  });
  it('refuses what is not registered or was retired', () => {
    given().when(change(pair)).thenRefused('not-found', ['', 'CLUSTER_NOT_FOUND']);
    given(registered, { type: 'ClusterRetired', body: { cluster: 'orders', reason: 'r' } })
      .when({ type: 'retire', reason: 'again' })
      .thenRefused('not-found', ['', 'CLUSTER_NOT_FOUND']);
  });
  it('retires', () => {
    given(registered)
      .when({ type: 'retire', reason: 'moved' })
      .then({ type: 'ClusterRetired', body: { cluster: 'orders', reason: 'moved' } });
  });
  it('classifies afresh after a change, and keeps debts of nodes that stay', () => {
    const log = after([registered], observe(look([node('a'), node('b')])), debt(NOW));
    const narrowed = { ...pair, nodes: pair.nodes.slice(0, 1), hosts: pair.hosts.slice(0, 1) };
    const state = fold(clusterDecider, after(log, change(narrowed)));
    expect(state).toMatchObject({ status: 'registered', debts: { 'a/ps-1': { days: 9 } } });
    expect(state).not.toHaveProperty('classification');
    expect(Object.keys((state as { debts: object }).debts)).toEqual(['a/ps-1']);
  });
  it('a fact about a cluster that is gone changes nothing', () => {
    const log: readonly ClusterEvent[] = [registered, { type: 'ClusterRetired', body: { cluster: 'orders', reason: 'r' } }];
    const late: ClusterEvent = { type: 'TopologyObserved', body: { snapshot: look([]) } };
    expect(fold(clusterDecider, [...log, late])).toEqual(fold(clusterDecider, log));
  });
});

describe('observing', () => {
  const healthy = look([node('a'), node('b')]);

  it('writes the first picture and the classification', () => {
    given(registered).when(observe(healthy)).thenTypes('TopologyObserved', 'HaLayerClassified');
  });
  it('publishes what changed, not every look: lag and time are no news', () => {
    const log = after([registered], observe(healthy));
    const next = look([node('b', { lag: { bytes: 77, ceilingBytes: 1_000 } }), node('a')], {
      observedAt: '2026-03-01T10:00:05.000Z',
    });
    given(...log)
      .when(observe(next))
      .then();
  });
  it('writes a node that changed', () => {
    const log = after([registered], observe(healthy));
    const down = look([
      node('a'),
      node('b', { availability: 'down', joined: false, native: 'no answer', promotion: { promotable: false, reason: 'down' } }),
    ]);
    given(...log)
      .when(observe(down))
      .then({ type: 'TopologyObserved', body: { snapshot: down } });
  });
  it('does not mind the order in which nodes, items and roles are told', () => {
    const versions = { kernel: { installed: '6', running: '6' }, postgresql: { installed: '17', running: '17' } };
    const turned = { postgresql: versions.postgresql, kernel: versions.kernel };
    const log = after([registered], observe(look([node('a', { versions }), node('b')])));
    given(...log)
      .when(observe(look([node('b'), node('a', { versions: turned })])))
      .then();
  });
  it('passes over a look that is older than the last', () => {
    const log = after([registered], observe(healthy));
    given(...log)
      .when(observe(look([], { observedAt: '2026-03-01T09:00:00.000Z' })))
      .then();
  });
  it('lets a partial picture prove an application cluster and never disprove one', () => {
    const single = look([node('a')], { complete: false });
    const log = after([registered], observe(single));
    expect(fold(clusterDecider, log)).toMatchObject({ classification: { haLayer: 'none' } });
    given(...log)
      .when(observe(look([node('a', { native: 'primary, busy' })], { complete: false })))
      .thenTypes('TopologyObserved');
    given(...log)
      .when(observe(look([node('a'), node('b')], { complete: false })))
      .thenTypes('TopologyObserved', 'HaLayerClassified');
  });
});
