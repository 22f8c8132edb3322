import type { CheckResult, ClusterDefinition } from '@understudy/cluster';
import { describe, expect, it } from 'vitest';
import { pacemaker } from './driver.js';
import { evidenceOf } from './evidence.js';
import { factsOf } from './facts.js';
import { ledBy, snapshot, view, type Change, type Sample } from './fixtures/samples/contract.js';
import { clusterChecks } from './preflight.js';
import { clusterSettings, memberName, servicePlace } from './settings.js';
import type { PacemakerSnapshot } from './snapshot.js';
import { stateChecks } from './validate.js';
import { versionPair, versionsOf } from './versions.js';

const WORKLOAD = 'st-clone';
const failed = (checks: readonly CheckResult[]): readonly string[] =>
  checks.filter(({ passed }) => passed !== true).map(({ check, node }) => (node === undefined ? check : `${check} ${node}`));
const preflight = (sample: Sample = 'healthy', change: Change = {}): readonly CheckResult[] =>
  clusterChecks(snapshot(sample, change), WORKLOAD, 'moving');

describe('preflight', () => {
  it('passes in a healthy cluster', () => {
    expect(failed(preflight())).toEqual([]);
    expect(preflight().length).toBeGreaterThan(15);
  });

  it.each([
    ['fencing is off and was not declared so', 'healthy', {}, ['fencing']],
    ['a failure is remembered', 'resource-failed', {}, ['no-failures']],
    ['the cluster is in maintenance mode', 'cluster-maintenance', {}, ['complete', 'cluster', 'resource']],
    ['no-quorum-policy is ignore', 'healthy', { crm: { noQuorumPolicy: 'ignore' } }, ['no-quorum-policy']],
    ['a node is in maintenance mode', 'node-maintenance', {}, ['resource', 'online c2']],
    ['health is red', 'healthy', { members: { c2: { health: 'red' } } }, ['online c2']],
    ['a replica lags', 'healthy', { attributes: { c2: { 'master-st': '-1' } } }, ['follows c2']],
    [
      'a unit does not start at boot',
      'healthy',
      {
        stacks: {
          c1: { corosync: { activeState: 'active', subState: 'running', result: 'success', enabled: false, held: false } },
        },
      },
      ['starts-at-boot c1'],
    ],
    ['a constraint prefers one node', 'healthy', { constraints: [{ id: 'likes', member: 'c1', score: '1000' }] }, ['stays']],
  ] as const)('fails when %s', (what, sample, change, expected) => {
    const seen = snapshot(sample, change);
    const registered: PacemakerSnapshot = what.startsWith('fencing') ? { ...seen, isFencingOff: false } : seen;
    const names = failed(clusterChecks(registered, WORKLOAD, 'moving'));
    for (const each of expected) expect(names).toContain(each);
    if (expected.length === 1) expect(names).toEqual(expected);
  });

  it('fails when a node went away, for who could take over without it is not known', () => {
    const names = failed(preflight('node-crashed', { blind: ['c3'] }));
    expect(names).toEqual(expect.arrayContaining(['complete', 'online c3', 'quorum-without-one']));
  });

  it('says what to do next', () => {
    const detail = preflight('resource-failed').find(({ check }) => check === 'no-failures')?.detail;
    expect(detail).toContain('nginx binary not found');
    expect(detail).toContain('crm_resource --cleanup');
  });
});

describe('the minimum on a node', () => {
  const minimum = (seen: PacemakerSnapshot, name: string, asActive: boolean): readonly string[] =>
    failed(
      stateChecks(
        seen,
        WORKLOAD,
        seen.nodes.find(({ node }) => node === name)!,
        asActive,
      ),
    );

  it('holds for who serves and who follows, and not the other way round', () => {
    expect([minimum(snapshot(), 'c3', true), minimum(snapshot(), 'c1', false)]).toEqual([[], []]);
    expect(minimum(snapshot(), 'c1', true)).toEqual(['sole-active c1']);
  });

  it('does not hold where two serve, nothing is seen, or an old program still runs', () => {
    const two = (all: ReturnType<typeof view>['crm']['resources']) =>
      ledBy('c3')(all).map((each) => ({ ...each, instances: each.instances.map((one) => ({ ...one, role: 'Promoted' })) }));
    expect(minimum(snapshot('healthy', { resources: two }), 'c3', true)).toEqual(['sole-active c3']);
    expect(minimum(snapshot('healthy', { blind: ['c1'] }), 'c1', false)).toEqual(['answers c1']);
    const seen = snapshot();
    const old = { ...seen.nodes[0]!, view: { ...view('healthy'), replaced: ['corosync'] } };
    expect(minimum({ ...seen, nodes: [old, ...seen.nodes.slice(1)] }, 'c1', false)).toEqual(['version-corosync c1']);
    expect(versionsOf(old)['corosync']).toEqual({ installed: '3.1.7-1+deb12u1', running: null });
  });
});

describe('evidence', () => {
  it('is an application cluster where another node could serve', () => {
    expect(evidenceOf(snapshot()).map(({ supports }) => supports)).toEqual(['application', 'application']);
  });

  it.each([
    ['no-quorum', {}],
    ['cluster-maintenance', {}],
    ['healthy', { resources: ledBy('nobody') }],
    ['healthy', { workload: 'no-such-resource' }],
    ['healthy', { attributes: { c1: {}, c2: {} } }],
  ] as const)('is none in %s with %j', (sample, change) => {
    const [only, ...others] = evidenceOf(snapshot(sample, change));
    expect([only?.supports, others]).toEqual(['none', []]);
  });
});

describe('facts', () => {
  it('hold what decides, from the configuration as each node sees it, and no parameter', () => {
    const [facts] = snapshot().nodes.map((node) => factsOf(snapshot(), node));
    const named = new Map(facts?.facts.map(({ area, name, value }) => [`${area} ${name}`, value]));
    expect(named.get('pacemaker no-quorum-policy')).toBe('stop');
    expect(named.get('resource st-clone promotable')).toBe('true');
    expect(named.get('resource vip')).toBe('ocf:heartbeat:IPaddr2');
    expect(named.get('corosync corosync.conf')).toBe(`sha256 ${'a'.repeat(64)}`);
    expect(JSON.stringify(facts)).not.toContain('10.77.0.50');
  });

  it('leave out constraints of ours, and say what is missing', () => {
    const ours = snapshot('healthy', {
      constraints: [
        { id: 'understudy-ban-st-clone-c1', member: 'c1' },
        { id: 'likes', member: 'c2', score: '5' },
      ],
    });
    const names = factsOf(ours, ours.nodes[0]!).facts.filter(({ area }) => area === 'constraint');
    expect(names).toEqual([{ area: 'constraint', name: 'likes', value: 'rsc_location st-clone c2 5' }]);
    const blind = snapshot('healthy', { blind: ['c1'] });
    expect(factsOf(blind, blind.nodes[0]!).missing).toEqual(["the cluster's configuration: crm_mon ended with 102"]);
  });

  it('give the same fingerprint whoever serves', () => {
    const print = (change: Change): string => {
      const seen = snapshot('healthy', change);
      const nodes = seen.nodes.map((node) => ({ ...node, roles: {} }));
      return pacemaker.fingerprintInput(
        { cluster: 'orders', platform: 'pacemaker', nodes: [] } as never,
        nodes.map((node) => factsOf(seen, node)),
      );
    };
    expect(print({ resources: ledBy('c1') })).toBe(print({}));
  });
});

describe('versions', () => {
  it.each([
    ['pacemaker', '2.1.5-1+deb12u1', '2.1.5-1+deb12u2', true, 'lossless'],
    ['corosync', '3.1.7-1', '3.1.8-1', true, 'none'],
    ['corosync', '3.1.8-1', '3.1.7-1', false, 'none'],
    ['pacemaker', '2.1.5', '3.0.0', false, 'none'],
    ['postgresql-15', '15.18-0+deb12u1', '15.20-0+deb12u1', true, 'lossless'],
    ['postgresql', '15.18', '16.1', false, 'none'],
    ['nginx', '1.22.1-9', '1.24.0-1', true, 'none'],
    ['nginx', '1.22.1-9', 'unknown', false, 'none'],
  ] as const)('%s from %s to %s', (item, from, to, allowed, wayBack) => {
    expect(versionPair(item, from, to)).toMatchObject({ allowed, wayBack });
  });
});

describe('settings', () => {
  const cluster = (settings: Record<string, string>, workloads = ['db']): ClusterDefinition =>
    ({ slug: 'orders', settings, workloads }) as unknown as ClusterDefinition;

  it('are read with their defaults', () => {
    expect(clusterSettings(cluster({}))).toEqual({ isFencingOff: false, mayMove: [] });
    expect(clusterSettings(cluster({ fencing: 'off', mayMove: 'ip, web' }))).toEqual({
      isFencingOff: true,
      mayMove: ['ip', 'web'],
    });
    expect(servicePlace(cluster({ serviceAddress: '10.0.0.50', servicePort: '5432' }))).toEqual({
      host: '10.0.0.50',
      port: 5432,
    });
    expect(memberName({ slug: 'a', host: 'a', settings: {} })).toBe('a');
  });

  it.each([
    () => clusterSettings(cluster({ fencing: 'maybe' })),
    () => clusterSettings(cluster({ mayMove: 'a;b' })),
    () => clusterSettings(cluster({}, ['<x>'])),
    () => servicePlace(cluster({})),
    () => servicePlace(cluster({ serviceAddress: 'a', servicePort: '0' })),
    () => memberName({ slug: 'a', host: 'a', settings: { member: "a'] | //x" } }),
  ])('are refused where they cannot be used', (read) => {
    expect(read).toThrow(/setting|cannot be the id/);
  });
});
