import { activeNode, fitToServe, nodeNamed, writableNodes } from '@understudy/cluster';
import { describe, expect, it } from 'vitest';
import { evidenceOf } from './evidence.js';
import { patroni } from './driver.js';
import { configurationFacts } from './facts.js';
import { config, etcd, given, held, leader, off, replica, sampled, server, unit, unseen, untagged } from './fixtures/contract.js';
import { clusterChecks, forPurpose } from './preflight.js';
import type { PatroniSnapshot } from './snapshot.js';
import { summarise } from './summary.js';
import { memberStateChecks } from './validate.js';

const failing = (snapshot: PatroniSnapshot): readonly string[] =>
  clusterChecks(snapshot)
    .filter(({ passed }) => passed !== true)
    .map(({ check, node }) => (node === undefined ? check : `${check} ${node}`));

describe('the picture of what Patroni 3.0.2 really answered', () => {
  it('is whole when all is well: one leader, two standbys that could take over', () => {
    const seen = summarise(sampled('healthy'));
    expect(seen).toMatchObject({ platform: 'patroni', complete: true, disagreements: [] });
    expect(activeNode(seen, 'app')).toMatchObject({
      node: 'n2',
      writable: true,
      lag: null,
      timeline: 78,
      native: 'master, running, timeline 78',
    });
    for (const name of ['n1', 'n3'])
      expect(nodeNamed(seen, name)).toMatchObject({
        joined: true,
        electable: true,
        lag: { bytes: 0 },
        promotion: { promotable: true },
      });
    expect(failing(sampled('healthy'))).toEqual([]);
  });

  it('measures the lag by positions: a member that streams may be 60 MB behind', () => {
    const seen = summarise(sampled('lag'));
    expect(nodeNamed(seen, 'n3')).toMatchObject({ joined: true, lag: { bytes: 61_784_752, ceilingBytes: 1_048_576 } });
    expect(fitToServe(nodeNamed(seen, 'n3')!)).toBe(false);
    expect(failing(sampled('lag'))).toEqual(['lag n3']);
  });

  it('believes no lag of 0 while the replay is paused, which only the server tells', () => {
    const snapshot = sampled('lag-replay-paused');
    const nodes = snapshot.nodes.map((node) =>
      node.node === 'n3' ? { ...node, server: { ...server, replayPaused: true } } : node,
    );
    expect(nodeNamed(summarise({ ...snapshot, nodes }), 'n3')?.promotion).toEqual({
      promotable: false,
      reason: 'its replay is paused',
    });
  });

  it('says that the cluster is paused', () => {
    expect(summarise(sampled('paused')).disagreements).toContain('the cluster is paused: Patroni does not fail over');
    expect(failing(sampled('paused'))).toEqual(['not-paused']);
  });

  it('tells a tag of the node’s own from ours', () => {
    expect(nodeNamed(summarise(sampled('tagged-nofailover')), 'n3')).toMatchObject({
      electable: false,
      promotion: { promotable: false, reason: 'it has the tag nofailover' },
      native: 'replica, running, timeline 80, tags nofailover noloadbalance',
    });
    const ours = summarise(sampled('tagged-nofailover', { units: { n3: { ...unit, tagged: true } } }));
    expect(nodeNamed(ours, 'n3')).toMatchObject({ electable: false, promotion: { promotable: true } });
  });

  it('finds settings that wait for a restart', () => {
    expect(failing(sampled('pending-restart'))).toEqual(['pending-restart n1', 'pending-restart n2', 'pending-restart n3']);
  });

  it('knows a stopped member as down by its unit alone', () => {
    const stopped = { ...unit, activeState: 'inactive', subState: 'dead', listens: false };
    const seen = summarise(sampled('member-stopped', { units: { n3: stopped } }));
    expect(seen.complete).toBe(true);
    expect(nodeNamed(seen, 'n3')).toMatchObject({ availability: 'down', writable: false, leftovers: [{ kind: 'stopped' }] });
    expect(nodeNamed(seen, 'n3')?.native).toBe('no answer of its REST API, patroni.service inactive (dead)');
    const drained = summarise(sampled('member-stopped', { units: { n3: { ...stopped, ...held } } }));
    expect(nodeNamed(drained, 'n3')).toMatchObject({ availability: 'drained', electable: false, roles: { app: 'standby' } });
  });

  it('does not believe the list while a crashed member still stands in it', () => {
    const seen = summarise(sampled('replica-crashed-3s', { units: { n3: { seen: false, reason: 'no route' } } }));
    expect(seen.complete).toBe(false);
    expect(nodeNamed(seen, 'n3')).toMatchObject({ availability: 'unknown', reachable: false, writable: null });
    expect(seen.disagreements.join()).toContain('Patroni still lists n3 as running, and it does not answer');
  });

  it('sees no leader when the one that everybody names does not answer', () => {
    const seen = summarise(sampled('leader-crashed-2s', { units: { n2: { seen: false, reason: 'no route' } } }));
    expect(seen.complete).toBe(false);
    expect(writableNodes(seen)).toEqual([]);
    expect(seen.disagreements.join()).toContain('in /cluster n1 names n2, n3 names n2');
    expect(evidenceOf(sampled('leader-crashed-2s'))).toMatchObject([{ supports: 'none' }]);
  });

  it('sees the new leader after a failover, and that nobody follows it yet', () => {
    const snapshot = sampled('leader-crashed-after-failover', {
      units: { n2: { ...unit, activeState: 'failed', listens: false } },
    });
    const seen = summarise(snapshot);
    expect(activeNode(seen, 'app')?.node).toBe('n1');
    expect(nodeNamed(seen, 'n3')).toMatchObject({ joined: false });
    const away = ['member n2', 'streaming n2', 'timeline n2', 'lag n2', 'replay n2'];
    expect(failing(snapshot)).toEqual([...away, 'streaming n3', 'timeline n3', 'promotable-standby']);
  });

  it('does not believe a leader in the list while the store has no quorum', () => {
    expect(summarise(sampled('no-quorum-25s'))).toMatchObject({
      complete: false,
      disagreements: [
        'no member runs as the primary and holds the leader key, yet in /cluster n1 names n1, n2 names n1, n3 names n1',
      ],
    });
    // Two seconds after the loss Patroni itself does not know it yet; etcd does.
    expect(summarise(sampled('no-quorum-2s')).complete).toBe(true);
    const alone = etcd(['n1', 'n1', false], ['n2', 'n2', false], ['lb1', null, false]);
    const seen = summarise(sampled('no-quorum-2s', { etcd: alone }));
    expect(seen.complete).toBe(false);
    expect(seen.disagreements).toEqual(['etcd has no majority: n1 and n2 and lb1 of 3 voting members are away']);
    expect(failing(sampled('no-quorum-2s', { etcd: alone }))).toEqual(['complete', 'etcd', 'etcd-survives-one']);
  });
});

describe('the picture', () => {
  const three = (change: Parameters<typeof replica>[1] = {}): PatroniSnapshot =>
    given([leader('a', ['b', 'c']), replica('b', change), replica('c')]);

  it('says what contradicts itself', () => {
    const strangers = given([leader('a', ['b']), replica('b')]);
    const registered = { ...strangers, nodes: strangers.nodes.slice(0, 1) };
    expect(summarise(registered).disagreements).toContain('Patroni has members that are not registered here: b');
    expect(failing(registered)).toContain('members-registered');
    expect(summarise(three({ server: { inRecovery: false } })).disagreements).toEqual(
      expect.arrayContaining([
        'more than one node accepts writes: a, b',
        'Patroni says that b is a replica, and its server accepts writes',
      ]),
    );
    expect(summarise(three({ member: { systemIdentifier: '43' } })).disagreements.join()).toContain('different data');
    expect(evidenceOf(three({ server: { inRecovery: false } }))).toMatchObject([{ supports: 'none' }]);
  });

  it('is not whole while a host, a view or the configuration is missing', () => {
    expect(summarise(given([leader('a', ['b']), unseen(replica('b'))])).complete).toBe(false);
    expect(summarise(given([leader('a', ['b']), replica('b', { api: { viewReason: '/cluster: timeout' } })])).complete).toBe(
      false,
    );
    expect(summarise(given([leader('a', ['b']), replica('b')], { config: null })).complete).toBe(false);
    expect(summarise(given([leader('a', ['b']), replica('b')])).complete).toBe(true);
  });

  it.each([
    [{ member: { isWatchdogFailed: true } }, 'watchdog'],
    [{ server: { applyDelayMs: 60_000 } }, 'delayed standby'],
    [{ notPromotable: 'reporting' }, 'reporting'],
  ])('names why %j is not promoted', (change, words) => {
    const { promotion } = nodeNamed(summarise(three(change)), 'b')!;
    expect(promotion).toMatchObject({ promotable: false, reason: expect.stringContaining(words) });
  });

  it('promotes no cascaded standby, and in synchronous mode only a synchronous one', () => {
    const cascade = given([
      leader('a', ['b']),
      replica('b', { member: { senders: [{ member: 'c', state: 'streaming', syncState: 'async' }] } }),
      replica('c'),
    ]);
    expect(nodeNamed(summarise(cascade), 'c')).toMatchObject({
      joined: true,
      promotion: { reason: 'it replicates from the standby b (cascaded)' },
    });
    const synchronous = given(
      [leader('a', ['b', 'c']), replica('b'), replica('c')],
      { config: { ...config, synchronousMode: 'on' } },
      { b: 'sync_standby' },
    );
    const seen = summarise(synchronous);
    expect(nodeNamed(seen, 'b')).toMatchObject({
      promotion: { promotable: true },
      native: 'replica (sync_standby), running, timeline 7',
    });
    expect(nodeNamed(seen, 'c')?.promotion).toMatchObject({ promotable: false });
    expect(failing(synchronous)).toEqual([]);
  });

  it('takes the timeline from the server where Patroni tells none, as of a replica whose receiver has heard nothing yet', () => {
    const quiet = given([leader('a', ['b', 'c']), replica('b', { member: { timeline: null } }), replica('c')]);
    expect(nodeNamed(summarise(quiet), 'b')).toMatchObject({ joined: true, timeline: 7, native: 'replica, running, timeline 7' });
    expect(failing(quiet)).toEqual([]);
    const elsewhere = { member: { timeline: null }, server: { timeline: 6 } };
    const behind = given([leader('a', ['b', 'c']), replica('b', elsewhere), replica('c')]);
    expect(nodeNamed(summarise(behind), 'b')).toMatchObject({ joined: false, timeline: 6 });
    expect(failing(behind)).toEqual(['streaming b', 'timeline b']);
  });

  it('shows a package that is newer than what runs, and tells the way from one to the other', () => {
    const newer = { binaries: ['13.9', '15.20'], packages: { 'postgresql-15': '15.20-0+deb12u1', patroni: '3.0.2-1' } };
    const snapshot = three({ unit: newer });
    expect(nodeNamed(summarise(snapshot), 'b')?.versions).toEqual({
      postgresql: { installed: '15.20', running: '15.18' },
      patroni: { installed: '3.0.2', running: '3.0.2' },
      'postgresql-15': { installed: '15.20-0+deb12u1', running: '15.18-0+deb12u1' },
    });
    const checks = memberStateChecks(snapshot, snapshot.nodes[1]!, false).filter(({ passed }) => passed !== true);
    expect(checks.map(({ check }) => check)).toEqual(['version', 'version-postgresql-15']);
    const restarted = three({ unit: newer, server: { version: '15.20', packageVersion: undefined } as never });
    expect(nodeNamed(summarise(restarted), 'b')?.versions['postgresql-15']).toMatchObject({ running: '15.20-0+deb12u1' });
  });

  it('names what we left on a node, with the commands that take it away', () => {
    expect(nodeNamed(summarise(given([leader('a', []), off('b', held)])), 'b')?.leftovers).toEqual([
      {
        kind: 'drained',
        node: 'b',
        host: 'host-b',
        what: 'b is drained: patroni.service is held, so that nothing starts it, and its member carries our tag nofailover.',
        commands: [
          '/usr/local/sbin/understudy-helper unit-free patroni.service',
          'systemctl start patroni.service',
          '/usr/local/sbin/understudy-helper patroni-tag none',
        ],
      },
    ]);
    expect(nodeNamed(summarise(three()), 'b')?.leftovers).toEqual([]);
  });
});

describe('preflight', () => {
  const two = (change: Partial<PatroniSnapshot>): PatroniSnapshot => given([leader('a', ['b']), replica('b')], change);

  it('counts etcd members on the nodes', () => {
    expect(failing(two({ etcd: etcd(['e1', 'a', true], ['e2', 'b', true], ['e3', null, true]) }))).toEqual([]);
    expect(failing(two({ etcd: etcd(['e1', 'a', true], ['e2', 'b', true]) }))).toEqual(['etcd-survives-one']);
    expect(failing(two({ etcd: { voters: [], unanswered: ['etcd at x: timeout'] } }))).toEqual(['complete', 'etcd']);
    expect(failing(two({ isStoreElsewhere: false })), 'nobody said where the store is').toEqual(['etcd']);
  });

  it.each([
    [{ member: { isFailsafeActive: true } }, ['store-reached']],
    [{ member: { scheduledRestart: true } }, ['no-scheduled-restart b']],
    [{ member: { isWatchdogFailed: true } }, ['watchdog b', 'promotable-standby']],
    [{ unit: { enabled: false } }, ['unit b']],
    [{ unit: { tagged: true } }, ['unit b', 'promotable-standby']],
    [{ member: { state: 'starting' } }, ['member b', 'streaming b', 'promotable-standby']],
    [{ member: { replayPaused: true } }, ['replay b', 'promotable-standby']],
    [{ member: { tags: { ...untagged, nofailover: true } } }, ['nofailover-declared b', 'promotable-standby']],
    [{ member: { storeUnseenMs: 7_000 } }, ['promotable-standby']],
    [{ server: { receiver: null } }, ['streaming b', 'promotable-standby']],
  ])('finds %j', (change, expected) => {
    expect(failing(given([leader('a', ['b']), replica('b', change)]))).toEqual(expected);
  });

  it('finds a receiver that does not answer, and asks less of a workload that stays', () => {
    const silent = given([leader('a', ['b'], { server: { senders: [] } }), replica('b', { notPromotable: 'reporting' })]);
    expect(failing(silent)).toEqual(['promotable-standby']);
    expect(forPurpose(clusterChecks(silent), 'staying').filter(({ passed }) => passed !== true)).toEqual([]);
    expect(failing(two({ config: { ...config, isStandbyCluster: true } }))).toEqual(['standby-cluster']);
  });
});

describe('evidence, facts and fingerprint', () => {
  it('speak for an application cluster once for each standby that could take over', () => {
    const evidence = evidenceOf(sampled('healthy'));
    expect(evidence.map(({ supports }) => supports)).toEqual(['application', 'application']);
    expect(evidence[0]?.detail).toContain(
      'Patroni names n2 as the leader of "demo", and it holds the leader key; n1 streams from it on timeline 78',
    );
    expect(evidenceOf(given([leader('a', [])]))).toEqual([
      { supports: 'none', detail: expect.stringContaining('it is the only node') },
    ]);
  });

  it('keep what may hold a secret as a keyed hash', () => {
    const body = JSON.stringify({
      ttl: 30,
      synchronous_mode: 'quorum',
      postgresql: {
        use_slots: true,
        parameters: { max_connections: 100 },
        recovery_conf: { restore_command: 'fetch --key hush' },
        pg_hba: ['host all hush'],
      },
    });
    const facts = configurationFacts(body, (value) => `#${value.length}`);
    expect(facts).toEqual([
      { area: 'patroni', name: 'ttl', value: '30' },
      { area: 'patroni', name: 'synchronous_mode', value: 'quorum' },
      { area: 'patroni', name: 'postgresql.use_slots', value: 'true' },
      { area: 'patroni', name: 'postgresql.recovery_conf.restore_command', value: '#16', secret: true },
      { area: 'patroni', name: 'postgresql.pg_hba', value: '#17', secret: true },
    ]);
  });

  it('stay the same when the roles change, and not when a tag does', () => {
    const print = (names: readonly [string, string], tag: string): string => {
      const [first, second] = names;
      const nodes = [leader(first, [second]), replica(second)].sort((left, right) => (left.node < right.node ? -1 : 1));
      const facts = nodes.map(({ node }) => ({
        node,
        collectedAt: '',
        missing: [],
        facts: [{ area: 'patroni', name: 'tag nofailover', value: tag }],
      }));
      return patroni.fingerprintInput(summarise(given(nodes)), facts);
    };
    expect(print(['a', 'b'], 'false')).toBe(print(['b', 'a'], 'false'));
    expect(print(['a', 'b'], 'false')).not.toBe(print(['a', 'b'], 'true'));
  });

  it.each([
    ['postgresql', '15.18', '15.20', true],
    ['postgresql-15', '15.18-0+deb12u1', '15.20-0+deb12u1', true],
    ['postgresql', '15.18', '16.1', false],
    ['postgresql', 'new', 'newer', false],
    ['patroni', '3.0.2', '3.3.5', true],
    ['patroni', '3.0.2-1', '4.0.4', false],
    ['etcd-server', '3.4.23-4+b4', '3.4.30', true],
    ['etcd', '3.4.23', '3.5.1', false],
    ['openssl', '1', '3', true],
  ])('allow %s from %s to %s: %s', (item, from, to, allowed) => {
    for (const pair of [patroni.versionPair(item, from, to), patroni.versionPair(item, to, from)])
      expect(pair).toMatchObject({ allowed, wayBack: allowed ? 'lossless' : 'none', reason: expect.stringMatching(/\S/) });
  });
});
