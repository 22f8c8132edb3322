import { describe, expect, it } from 'vitest';
import { isHealthy, readMemberId, readMembers, summariseEtcd, unasked, type AskedPlace } from './etcd.js';
import { readSwitchoverAnswer } from './member-api.js';
import { readCluster, readConfig, readMember } from './readings.js';
import { clusterSettings, nodeSettings } from './settings.js';
import { readUnit } from './unit.js';

/** As Patroni 4.1 answers: `api.py`, `get_postgresql_status`. */
const newer = {
  state: 'running',
  role: 'replica',
  server_version: 170_005,
  xlog: { received_location: 90, replayed_location: 100, replayed_timestamp: null, paused: true },
  replication_state: 'streaming',
  quorum_standby: true,
  timeline: 3,
  tags: { failover_priority: 0, replicatefrom: 'b' },
  watchdog_failed: true,
  scheduled_restart: { schedule: '2026-01-01T00:00:00+00:00' },
  failsafe_mode_is_active: true,
  cluster_unlocked: true,
  patroni: { version: '4.1.0', scope: 'demo', name: 'a' },
};

describe('what a member says of itself', () => {
  it('is read from newer versions too', () => {
    expect(readMember(JSON.stringify(newer), 'demo', 'a')).toMatchObject({
      replicationState: 'streaming',
      isSynchronous: true,
      serverVersion: '17.5',
      received: 90,
      replayed: 100,
      replayPaused: true,
      tags: { nofailover: true, replicatefrom: 'b' },
      isWatchdogFailed: true,
      scheduledRestart: true,
      isFailsafeActive: true,
      isUnlocked: true,
    });
    expect(
      readMember(JSON.stringify({ ...newer, tags: { failover_priority: 0, nofailover: false } }), 'demo', 'a'),
    ).toMatchObject({
      tags: { nofailover: false },
    });
  });

  it('is refused when it is another cluster’s, or another member’s', () => {
    expect(readMember(JSON.stringify(newer), 'other', 'a')).toBe('it belongs to the cluster "demo", not to "other"');
    expect(readMember(JSON.stringify(newer), 'demo', 'b')).toBe('it is the member "a", not "b"');
  });

  it.each(['', '[]', 'null', '{}', '{"state": 1, "role": "replica"}', '<html>'])(
    'is nothing where it cannot be read: %s',
    (body) => {
      expect(readMember(body, 'demo', 'a')).toBeUndefined();
    },
  );

  it('leaves out what has another shape, and guesses nothing', () => {
    const odd = {
      state: 'starting',
      role: 'replica',
      timeline: 'x',
      server_version: null,
      xlog: [],
      replication: 'none',
      tags: 1,
    };
    expect(readMember(JSON.stringify(odd), 'demo', 'a')).toMatchObject({
      timeline: null,
      serverVersion: null,
      received: null,
      senders: [],
    });
    expect(readMember(JSON.stringify({ ...odd, server_version: 90_624 }), 'demo', 'a')).toMatchObject({
      serverVersion: '9.6.24',
    });
  });
});

describe('the view and the configuration of a cluster', () => {
  it('tell what is scheduled', () => {
    const body = { members: [], scheduled_switchover: { at: '2026-01-01T00:00:00+00:00', from: 'a' } };
    expect(readCluster(JSON.stringify(body))?.scheduledSwitchover).toBe('from a to any member at 2026-01-01T00:00:00+00:00');
    expect(readCluster('{"members": {}}')).toBeUndefined();
  });

  it('have Patroni’s defaults where nothing is set', () => {
    expect(readConfig('{}')).toEqual({
      ttlMs: 30_000,
      loopWaitMs: 10_000,
      retryTimeoutMs: 10_000,
      lagCeilingBytes: 1_048_576,
      synchronousMode: 'off',
      isSynchronousStrict: false,
      isFailsafe: false,
      isStandbyCluster: false,
    });
    expect(readConfig('502')).toBeUndefined();
  });

  it.each([
    [true, 'on'],
    ['on', 'on'],
    ['quorum', 'quorum'],
    [false, 'off'],
    ['off', 'off'],
  ])('know the synchronous mode %s', (mode, expected) => {
    const read = readConfig(
      JSON.stringify({ synchronous_mode: mode, synchronous_mode_strict: 'true', standby_cluster: { host: 'x' } }),
    );
    expect(read).toMatchObject({ synchronousMode: expected, isSynchronousStrict: true, isStandbyCluster: true });
  });
});

describe('what Patroni answers to a switchover', () => {
  it.each([
    [200, 'Successfully switched over to "n2"', 'ended'],
    [200, 'Switched over to "c" instead of "b"', 'ended'],
    [412, 'leader name does not match', 'refused'],
    [412, 'candidate does not exists', 'refused'],
    [503, 'Switchover failed', 'refused'],
    [503, 'Switchover status unknown after 20 seconds; operation may still be in progress', 'unknown'],
    [503, 'failed to write switchover key into DCS', 'unknown'],
    [202, 'Switchover scheduled', 'unknown'],
    [500, 'Internal Server Error', 'unknown'],
    [502, 'Bad Gateway', 'unknown'],
    [504, 'Gateway Time-out', 'unknown'],
  ])('%i %s', (code, body, outcome) => {
    expect(readSwitchoverAnswer(code, body)).toEqual({ outcome, said: `${code} ${body}` });
  });

  it('says what to do when a login is missing, and shows no page of markup', () => {
    expect(readSwitchoverAnswer(401, 'no auth header received').said).toContain('credential for "restApi"');
    expect(readSwitchoverAnswer(501, '<!DOCTYPE HTML><html>Unsupported method</html>')).toEqual({
      outcome: 'refused',
      said: '501',
    });
  });
});

/** As etcd 3.4.23 answered: ids as strings, health as a string. */
const list = JSON.stringify({
  header: { member_id: '2965841215891318191' },
  members: [
    { ID: '2965841215891318191', name: 'n1', clientURLs: ['http://10.77.0.11:2379'] },
    { ID: '7402740984884231507', name: 'n2', clientURLs: ['http://10.77.0.12:2379'] },
    { ID: '10813251057243787743', name: 'lb1', clientURLs: ['http://10.77.0.20:2379'] },
    { ID: '5', name: 'learner', isLearner: true, clientURLs: ['http://10.77.0.30:2379'] },
  ],
});

describe('etcd', () => {
  const place = (url: string, node: string | null, memberId: string | null, isUp = true): AskedPlace => ({
    url,
    node,
    memberId,
    isHealthy: isUp,
    members: isUp ? readMembers(list) : null,
    reason: isUp ? null : 'connect ECONNREFUSED',
  });
  const first = place('http://n1:2379', 'n1', '2965841215891318191');

  it('reads health in both notations, and who answers', () => {
    expect([isHealthy('{"health":"true"}'), isHealthy('{"health":true,"reason":""}')]).toEqual([true, true]);
    expect([isHealthy('{"health":"false"}'), isHealthy(''), isHealthy('not found')]).toEqual([false, false, false]);
    expect([readMemberId(list), readMemberId('{}')]).toEqual(['2965841215891318191', null]);
    expect([readMembers('{"members":[]}'), readMembers('')]).toEqual([null, null]);
  });

  it('asks those besides that nobody named, at the URL that etcd gives', () => {
    expect(unasked([first])).toEqual(['http://10.77.0.12:2379', 'http://10.77.0.20:2379', 'http://10.77.0.30:2379']);
    expect(unasked([place('http://n1:2379', 'n1', null, false)])).toEqual([]);
  });

  it('counts the voters, each as its own place said; one that did not answer is away, a learner never counts', () => {
    const second = place('http://10.77.0.12:2379', 'n2', null, false);
    const third = place('http://10.77.0.20:2379', null, '10813251057243787743');
    expect(summariseEtcd([first, second, third])).toEqual({
      voters: [
        { name: 'n1', node: 'n1', isHealthy: true },
        { name: 'n2', node: 'n2', isHealthy: false },
        { name: 'lb1', node: null, isHealthy: true },
      ],
      unanswered: ['etcd at http://10.77.0.12:2379: connect ECONNREFUSED'],
    });
    expect(summariseEtcd([second]).voters).toEqual([]);
    const addresses = new Map([['10.77.0.20', 'n3']]);
    expect(summariseEtcd([first, third], addresses).voters[2], 'it lives where a node lives').toMatchObject({ node: 'n3' });
  });
});

describe('what the host shows', () => {
  const lines = [
    'boot=11111111-2222-3333-4444-555555555555',
    'LoadState=loaded',
    'ActiveState=active',
    'SubState=running',
    'Result=success',
    'UnitFileState=enabled',
    'binary=postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)',
    'binary=postgres (PostgreSQL) 13.9',
    'package=postgresql-15 15.20-0+deb12u1 ii ',
    'package=postgresql-16 16.1-1 rc ',
    'package=patroni 3.0.2-1 ii ',
    'listening=0016',
  ];
  const place = { name: 'patroni.service', port: 5_432 };

  it('is read: the unit, what we left, what is installed', () => {
    expect(readUnit(lines.join('\n'), place)).toEqual({
      seen: true,
      name: 'patroni.service',
      activeState: 'active',
      subState: 'running',
      result: 'success',
      enabled: true,
      held: false,
      tagged: false,
      listens: false,
      bootId: '11111111-2222-3333-4444-555555555555',
      binaries: ['15.20', '13.9'],
      packages: { 'postgresql-15': '15.20-0+deb12u1', patroni: '3.0.2-1' },
    });
    expect(readUnit([...lines, 'held=yes', 'tagged=yes', 'tagged=yes', 'listening=1538'].join('\n'), place)).toMatchObject({
      held: true,
      tagged: true,
      listens: true,
    });
  });

  it('is no answer without a unit: nothing could be held there', () => {
    const missing = readUnit('LoadState=not-found\nActiveState=inactive', place);
    expect(missing).toEqual({ seen: false, reason: expect.stringContaining('there is no unit patroni.service') });
    expect(readUnit('boot=x', place)).toMatchObject({ seen: false });
  });
});

describe('settings', () => {
  const cluster = { slug: 'c', settings: { scope: 'demo', database: 'app' } } as unknown as Parameters<typeof clusterSettings>[0];
  const node = (settings: Record<string, string>): ReturnType<typeof nodeSettings> =>
    nodeSettings({ slug: 'a', host: 'h', settings });

  it('have defaults: the member is named as the node, PostgreSQL answers where the API does', () => {
    expect(node({ api: 'http://10.0.0.1:8008' })).toEqual({
      node: 'a',
      member: 'a',
      api: 'http://10.0.0.1:8008',
      address: '10.0.0.1',
      port: 5_432,
      unit: 'patroni.service',
      etcd: null,
      binFolder: null,
    });
    expect(node({ api: 'https://[::1]:8008/', member: 'pg-1' })).toMatchObject({
      address: '::1',
      member: 'pg-1',
      api: 'https://[::1]:8008',
    });
    expect(clusterSettings(cluster)).toEqual({ scope: 'demo', database: 'app', etcd: [], isStoreElsewhere: false });
    const elsewhere = { ...cluster, settings: { ...cluster.settings, etcd: 'elsewhere' } };
    expect(clusterSettings(elsewhere)).toMatchObject({ etcd: [], isStoreElsewhere: true });
  });

  it.each([
    [{}, 'needs the setting "api"'],
    [{ api: 'ftp://x' }, 'no http or https URL'],
    [{ api: 'http://user:hush@x:8008' }, 'credential for "restApi"'],
    [{ api: 'http://x:8008/patroni' }, 'Give scheme, host and port alone'],
    [{ api: 'http://x:8008', unit: '-H evil.service' }, 'cannot be the name of a systemd service'],
    [{ api: 'http://x:8008', port: '0' }, 'not between 1 and 65535'],
    [{ api: 'http://x:8008', binFolder: 'bin;rm' }, 'no absolute path'],
    [{ api: 'http://x:8008', etcd: 'x:2379' }, 'no http or https URL'],
  ])('refuse %j', (settings, words) => {
    expect(() => node(settings as Record<string, string>)).toThrow(words);
  });

  it.each([
    [{ database: 'app' }, 'needs the setting "scope"'],
    [{ scope: 'demo' }, 'needs the setting "database"'],
    [{ scope: 'demo', database: 'app', certificateAuthority: '/etc/ca.pem' }, 'Paste the text'],
    [{ scope: 'demo', database: 'app', etcd: Array.from({ length: 10 }, (_, i) => `http://e${i}:1`).join(',') }, 'at most 9'],
  ])('refuse a cluster with %j', (settings, words) => {
    expect(() => clusterSettings({ ...cluster, settings: settings })).toThrow(words);
  });
});
