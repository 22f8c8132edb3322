import type { ClusterDefinition, ClusterSnapshot, NodeSnapshot } from '@understudy/cluster';
import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import type { ClusterCommand, ClusterEvent, Known, NodeFacts, NotedPatchSet } from './cluster.js';
import { ANSWERED_REQUESTS_KEPT } from './cluster.js';
import { clusterDecider } from './decide.js';

const known: Known = {
  platforms: { 'postgres-streaming': { cluster: ['database'], node: ['address', 'port'] }, simulated: { cluster: [], node: [] } },
  credentials: [
    { name: 'orders-driver', hostPatterns: ['10.0.0.*'], refuses: [] },
    { name: 'elsewhere', hostPatterns: ['10.9.9.9'], refuses: ['10.0.0.2', 'host-b'] },
    { name: 'nowhere', hostPatterns: [], refuses: ['10.0.0.1', '10.0.0.2'] },
  ],
  patchSources: ['release', 'script'],
};

const pair: ClusterDefinition = {
  slug: 'orders',
  platform: 'postgres-streaming',
  environment: 'practice',
  workloads: ['app'],
  nodes: [
    { slug: 'a', host: 'host-a', settings: { address: '10.0.0.1', port: '5432' } },
    { slug: 'b', host: 'host-b', settings: { address: '10.0.0.2', port: '5432' } },
  ],
  hosts: [
    { slug: 'host-a', access: { kind: 'local', root: '/srv/a' }, patching: { release: { link: 'current' } } },
    { slug: 'host-b', access: { kind: 'local', root: '/srv/b' }, patching: {} },
  ],
  credentials: { driver: 'orders-driver' },
  settings: { database: 'app' },
};

function node(slug: string, change: Partial<NodeSnapshot> = {}): NodeSnapshot {
  return {
    node: slug,
    host: `host-${slug}`,
    reachable: true,
    availability: 'serving',
    native: slug === 'a' ? 'primary' : 'streaming standby',
    roles: { app: slug === 'a' ? 'active' : 'standby' },
    writable: slug === 'a',
    joined: true,
    electable: true,
    promotion: { promotable: true },
    lag: slug === 'a' ? null : { bytes: 0, ceilingBytes: 1_000 },
    versions: { postgresql: { installed: '17.9', running: '17.9' } },
    systemIdentifier: '7',
    timeline: 1,
    bootId: `boot-${slug}`,
    ...change,
  };
}

function look(nodes: readonly NodeSnapshot[], change: Partial<ClusterSnapshot> = {}): ClusterSnapshot {
  return {
    cluster: 'orders',
    platform: 'postgres-streaming',
    observedAt: '2026-03-01T10:00:00.000Z',
    complete: true,
    nodes,
    disagreements: [],
    ...change,
  };
}

const registered: ClusterEvent = { type: 'ClusterRegistered', body: { definition: pair } };
const observe = (
  snapshot: ClusterSnapshot,
  evidence: Extract<ClusterCommand, { type: 'record-observation' }>['evidence'] = [],
): ClusterCommand => ({
  type: 'record-observation',
  snapshot,
  evidence,
});

function given(...events: readonly ClusterEvent[]) {
  return {
    when: (command: ClusterCommand) => {
      const decision = clusterDecider.decide(command, fold(clusterDecider, events));
      return {
        then: (...expected: readonly unknown[]) => {
          expect(decision).toEqual({ accepted: true, events: expected });
        },
        thenTypes: (...types: readonly string[]) => {
          expect(decision.accepted && decision.events.map((event) => event.type)).toEqual(types);
        },
        thenRefused: (kind: string, ...codes: readonly (readonly [pointer: string, code: string])[]) => {
          expect(decision.accepted).toBe(false);
          if (decision.accepted) return;
          expect(decision.kind).toBe(kind);
          expect(decision.refusals.map(({ pointer, code }) => [pointer, code])).toEqual(codes);
          for (const { detail } of decision.refusals) expect(detail).toMatch(/^[^a-z].*\.$/s);
        },
        events: decision.accepted ? decision.events : [],
      };
    },
  };
}

/** The log after a command: what was there and what it added. */
function after(events: readonly ClusterEvent[], ...commands: readonly ClusterCommand[]): readonly ClusterEvent[] {
  return commands.reduce<readonly ClusterEvent[]>((log, command) => [...log, ...given(...log).when(command).events], events);
}

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

const collected = (value: string, collectedAt = '2026-03-01T10:00:00Z'): readonly NodeFacts[] => [
  { node: 'a', collectedAt, facts: [{ area: 'setting', name: 'max_connections', value }], missing: [] },
];

describe('facts', () => {
  const record = (requestId: string, value = '100', collectedAt?: string): ClusterCommand => ({
    type: 'record-facts',
    requestId,
    nodes: collected(value, collectedAt),
    activeNode: 'a',
  });

  it('are written by schedule when they changed, not when only the time did', () => {
    const log = after([registered], record(''));
    expect(log.at(-1)).toEqual({
      type: 'FactsCollected',
      body: { cluster: 'orders', requestId: '', nodes: collected('100'), activeNode: 'a' },
    });
    given(...log)
      .when(record('', '100', '2026-03-01T11:00:00Z'))
      .then();
    given(...log)
      .when(record('', '90'))
      .thenTypes('FactsCollected');
  });
  it('are written once for each request', () => {
    const log = after([registered], record(''), record('r-1'));
    expect(log).toHaveLength(3);
    given(...log)
      .when(record('r-1', '90'))
      .then();
  });
  it('remember a bounded number of requests', () => {
    const many = Array.from({ length: ANSWERED_REQUESTS_KEPT + 5 }, (_, i) => record(`r-${i}`));
    const state = fold(clusterDecider, after([registered], ...many)) as { answered: readonly string[] };
    expect(state.answered).toHaveLength(ANSWERED_REQUESTS_KEPT);
    expect(state.answered.at(-1)).toBe(`r-${ANSWERED_REQUESTS_KEPT + 4}`);
  });
});

const NOW = Date.parse('2026-03-10T12:00:00Z');
const patchSet: NotedPatchSet = {
  id: 'ps-1',
  items: [{ name: 'postgresql', targetVersion: '17.10' }],
  advisories: ['CVE-1'],
  publishedAt: '2026-03-01T00:00:00Z',
};
function debt(nowMs: number, ...patchSets: readonly NotedPatchSet[]): ClusterCommand {
  return { type: 'assess-debt', patchSets: patchSets.length === 0 ? [patchSet] : patchSets, nowMs };
}

describe('debt', () => {
  const seen = after([registered], observe(look([node('a'), node('b')])));

  it('counts whole days from the publication, per node', () => {
    const expected = (slug: string) => ({
      type: 'DebtAssessed',
      body: {
        cluster: 'orders',
        node: slug,
        patchSetId: 'ps-1',
        advisories: ['CVE-1'],
        availableSince: '2026-03-01T00:00:00Z',
        days: 9,
        settled: false,
      },
    });
    given(...seen)
      .when(debt(NOW))
      .then(expected('a'), expected('b'));
  });
  it('is written once a day', () => {
    const log = after(seen, debt(NOW));
    given(...log)
      .when(debt(NOW + 3_600_000))
      .then();
    given(...log)
      .when(debt(NOW + 86_400_000))
      .thenTypes('DebtAssessed', 'DebtAssessed');
  });
  it('is paid when the node runs the version; installed and not restarted is not enough', () => {
    const log = after(seen, debt(NOW));
    const installed = look([node('a', { versions: { postgresql: { installed: '17.10', running: '17.9' } } }), node('b')]);
    expect(given(...after(log, observe(installed))).when(debt(NOW)).events).toEqual([]);
    const running = look([node('a', { versions: { postgresql: { installed: '17.10', running: '17.10' } } }), node('b')]);
    const paid = after(log, observe(running), debt(NOW));
    expect(paid.at(-1)).toMatchObject({ type: 'DebtAssessed', body: { node: 'a', settled: true } });
    given(...paid)
      .when(debt(NOW + 86_400_000))
      .thenTypes('DebtAssessed');
    given(...after(paid, observe(look([node('a'), node('b')]))))
      .when(debt(NOW))
      .thenTypes('DebtAssessed');
  });
  it('is no news for a patch set older than what runs, nor where the item is not there or its version unknown', () => {
    given(...seen)
      .when(debt(NOW, { ...patchSet, items: [{ name: 'postgresql', targetVersion: '17.2' }] }))
      .then();
    given(...seen)
      .when(debt(NOW, { ...patchSet, items: [{ name: 'openssl', targetVersion: '3' }] }))
      .then();
    const mute = after(
      [registered],
      observe(look([node('a', { versions: { postgresql: { installed: null, running: null } } })])),
    );
    given(...mute)
      .when(debt(NOW))
      .then();
  });
  it('judges a node that is down by what is installed, and a fix that is not out yet as no day', () => {
    const down = after(
      [registered],
      observe(look([node('a', { versions: { postgresql: { installed: '17.9', running: null } } })])),
    );
    const [event] = given(...down).when(debt(Date.parse('2026-02-01T00:00:00Z'))).events;
    expect(event).toMatchObject({ body: { days: 0, settled: false } });
  });
  it('follows a corrected publication date, and nothing was seen where nobody looked', () => {
    given(...after(seen, debt(NOW)))
      .when(debt(NOW, { ...patchSet, publishedAt: '2026-03-01T01:00:00Z' }))
      .thenTypes('DebtAssessed', 'DebtAssessed');
    given(registered).when(debt(NOW)).then();
  });
});
