import { describe, expect, it } from 'vitest';
import type { Baseline } from './baseline.js';
import { compare } from './compare.js';
import type { CollectedFacts, Fact, NodeFacts } from './facts.js';
import { fnv64 } from './facts.js';
import { rules, synchronousNames } from './rules.js';

const described = { cluster: 'orders', platform: 'postgres-streaming', environment: 'production' } as const;

function fact(area: string, name: string, value: string, change: Partial<Fact> = {}): Fact {
  return { area, name, value, ...change };
}
function node(slug: string, facts: readonly Fact[], missing: readonly string[] = []): NodeFacts {
  return { node: slug, collectedAt: '2026-03-01T10:00:00Z', facts, missing };
}
/** Node a serves; b stands by. */
function pair(active: readonly Fact[], standby: readonly Fact[]): CollectedFacts {
  return { nodes: [node('a', active), node('b', standby)], activeNode: 'a' };
}
const look = (collected: CollectedFacts, baselines: readonly Baseline[] = [], expectedItems: readonly string[] = []) =>
  compare(described, ['a', 'b'], collected, baselines, expectedItems);
/** Findings as `<severity> <area>/<name> <value> (<expected>)`. */
const told = (collected: CollectedFacts, expectedItems: readonly string[] = []): readonly string[] =>
  look(collected, [], expectedItems).findings.map(
    ({ finding }) => `${finding.severity} ${finding.area}/${finding.name} ${finding.value} (${finding.expected})`,
  );
/** One fact on each side; undefined = the side has not got it. */
function differ(area: string, name: string, active: string | undefined, standby: string | undefined): readonly string[] {
  const side = (value: string | undefined): readonly Fact[] => (value === undefined ? [] : [fact(area, name, value)]);
  return told(pair(side(active), side(standby)));
}

describe('what stops a standby from serving as the active node did', () => {
  it.each([
    'max_connections',
    'max_wal_senders',
    'max_worker_processes',
    'max_prepared_transactions',
    'max_locks_per_transaction',
  ])('a lower %s blocks, a higher one does not', (name) => {
    expect(differ('setting', name, '100', '50')).toEqual([`blocking setting/${name} 50 (100)`]);
    expect(differ('setting', name, '100', '200')).toEqual([`info setting/${name} 200 (100)`]);
    expect(differ('setting', name, '100', '100')).toEqual([]);
    expect(differ('setting', name, '100', undefined)).toEqual([`info setting/${name} (absent) (100)`]);
    expect(differ('setting', name, undefined, '100')).toEqual([`info setting/${name} 100 ((absent))`]);
  });
  it('a file that was edited and not loaded counts as the value it will have', () => {
    const edited = pair(
      [fact('setting', 'max_wal_senders', '10')],
      [fact('setting', 'max_wal_senders', '5', { runningValue: '10' })],
    );
    expect(told(edited)).toEqual(['blocking setting/max_wal_senders 5 (10)', 'info setting/max_wal_senders 5 (10)']);
  });
  it('a standby below what the active node still runs with blocks, although the files agree', () => {
    const lowered = pair(
      [fact('setting', 'max_connections', '50', { runningValue: '100' })],
      [fact('setting', 'max_connections', '50')],
    );
    expect(told(lowered)).toContain('blocking setting/max_connections 50 (100)');
    const other = pair([fact('setting', 'work_mem', '50', { runningValue: '100' })], [fact('setting', 'work_mem', '50')]);
    expect(told(other)).toEqual(['info setting/work_mem 50 (100)']);
  });
  it('an authentication rule that the active node has and the standby has not', () => {
    expect(differ('authentication', 'host app app all', 'scram-sha-256', undefined)).toEqual([
      'blocking authentication/host app app all (absent) (scram-sha-256)',
    ]);
    expect(differ('authentication', 'host app app all', 'scram-sha-256', 'reject')).toEqual([
      'blocking authentication/host app app all reject (scram-sha-256)',
    ]);
    expect(differ('authentication', 'host all all all', undefined, 'trust')).toEqual([
      'warning authentication/host all all all trust ((absent))',
    ]);
  });
  it('latent synchronous standby names', () => {
    expect(differ('setting', 'synchronous_standby_names', '', 'gone')).toEqual([
      'blocking setting/synchronous_standby_names gone ()',
    ]);
    expect(differ('setting', 'synchronous_standby_names', 'b', 'gone')).toEqual([
      'blocking setting/synchronous_standby_names gone (b)',
    ]);
    expect(differ('setting', 'synchronous_standby_names', undefined, 'gone')).toHaveLength(1);
    expect(differ('setting', 'synchronous_standby_names', 'b', 'FIRST 1 (a)')).toEqual([
      'warning setting/synchronous_standby_names FIRST 1 (a) (b)',
    ]);
    expect(differ('setting', 'synchronous_standby_names', 'b', '*')[0]).toMatch(/^warning/);
    expect(differ('setting', 'synchronous_standby_names', 'b', '')[0]).toMatch(/^warning/);
    expect(differ('setting', 'synchronous_standby_names', 'b', undefined)[0]).toMatch(/^warning/);
  });
  it('reads synchronous standby names in every form of the manual', () => {
    expect(synchronousNames('FIRST 2 (s1, "S 2")')).toEqual(['s1', 's 2']);
    expect(synchronousNames('ANY 1 (s1,s2)')).toEqual(['s1', 's2']);
    expect(synchronousNames('2 (s1, s2)')).toEqual(['s1', 's2']);
    expect(synchronousNames('s1, *')).toEqual(['s1', '*']);
  });
  it('knows a peer by its cluster name and its application name too', () => {
    const names = [
      fact('setting', 'cluster_name', 'node_a'),
      fact('replication', 'application_name', 'walreceiver_a'),
      fact('setting', 'synchronous_standby_names', 'b'),
    ];
    const told2 = (value: string) =>
      told(pair(names, [fact('setting', 'cluster_name', ''), fact('setting', 'synchronous_standby_names', value)]));
    expect(told2('node_a')[0]).toMatch(/^warning setting\/synchronous/);
    expect(told2('walreceiver_a')[0]).toMatch(/^warning setting\/synchronous/);
    expect(told2('node_b')[0]).toMatch(/^blocking setting\/synchronous/);
  });
  it('a read-only default', () => {
    expect(differ('setting', 'default_transaction_read_only', 'off', 'on')).toEqual([
      'blocking setting/default_transaction_read_only on (off)',
    ]);
    expect(differ('setting', 'default_transaction_read_only', 'on', 'off')[0]).toMatch(/^warning/);
    expect(differ('setting', 'default_transaction_read_only', 'off', undefined)[0]).toMatch(/^warning/);
  });
  it('archiving that the active node does and the standby would not', () => {
    expect(differ('setting', 'archive_command', 'cp %p /archive/%f', 'false')).toEqual([
      'blocking setting/archive_command false (cp %p /archive/%f)',
    ]);
    expect(differ('setting', 'archive_mode', 'on', 'off')[0]).toMatch(/^blocking/);
    expect(differ('setting', 'archive_mode', 'off', 'on')[0]).toMatch(/^warning/);
    expect(differ('setting', 'archive_command', 'cp', 'rsync')[0]).toMatch(/^warning/);
    expect(differ('setting', 'archive_library', undefined, 'basic')[0]).toMatch(/^warning/);
  });
  it('libraries that the active node loads', () => {
    expect(differ('setting', 'shared_preload_libraries', 'pg_stat_statements, timescaledb', 'pg_stat_statements')[0]).toMatch(
      /^blocking/,
    );
    expect(differ('setting', 'shared_preload_libraries', 'a,b', undefined)[0]).toMatch(/^blocking/);
    expect(differ('setting', 'shared_preload_libraries', 'a,b', 'b,a')[0]).toMatch(/^warning/);
    expect(differ('library', 'pg_walinspect', 'present', undefined)[0]).toMatch(/^blocking/);
    expect(differ('extension', 'postgis', '3.4', undefined)[0]).toMatch(/^blocking/);
    expect(differ('extension', 'postgis', '3.4', '3.5')[0]).toMatch(/^warning/);
    expect(differ('extension', 'postgis', undefined, '3.5')[0]).toMatch(/^info/);
  });
  it('collation versions, WAL level, TLS', () => {
    expect(differ('collation', 'libc', '2.36', '2.41')[0]).toMatch(/^blocking/);
    expect(differ('setting', 'wal_level', 'logical', 'replica')[0]).toMatch(/^blocking/);
    expect(differ('setting', 'ssl', 'on', 'off')[0]).toMatch(/^blocking/);
    expect(differ('setting', 'ssl', 'off', 'on')[0]).toMatch(/^warning/);
    expect(differ('certificate', 'server', '2027-01-01T00:00:00Z', undefined)[0]).toMatch(/^blocking/);
  });
  it('says why it matters and what to do', () => {
    const [seen] = look(pair([fact('setting', 'max_connections', '100')], [fact('setting', 'max_connections', '50')])).findings;
    expect(seen?.finding).toMatchObject({ cluster: 'orders', node: 'b', against: 'a' });
    expect(seen?.finding.detail).toMatch(/does not start.*Raise it on the standby/s);
    for (const rule of rules)
      if (rule.severity !== 'expected') expect(`${rule.why} ${rule.todo}`).toMatch(/^[A-Z].*\. [A-Z].*\.$/s);
  });
});

describe('what is not drift', () => {
  it.each(['port', 'listen_addresses', 'primary_conninfo', 'data_directory', 'cluster_name', 'server_version_num'])(
    'every node has its own %s',
    (name) => {
      expect(differ('setting', name, 'x', 'y')).toEqual([]);
    },
  );
  it('certificates and replication facts differ by node', () => {
    expect(differ('certificate', 'server', '2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z')).toEqual([]);
    expect(differ('replication', 'slots', '1', '0')).toEqual([]);
  });
  it('versions of an item that the running rollout changes', () => {
    const mixed = pair(
      [fact('version', 'postgresql', '17.9'), fact('package', 'openssl', '3.0')],
      [fact('version', 'postgresql', '17.10'), fact('package', 'openssl', '3.1')],
    );
    expect(told(mixed)).toEqual(['warning version/postgresql 17.10 (17.9)', 'warning package/openssl 3.1 (3.0)']);
    expect(told(mixed, ['postgresql'])).toEqual(['warning package/openssl 3.1 (3.0)']);
  });
  it('a setting that has the name of an item is still compared', () => {
    expect(told(pair([fact('setting', 'postgresql', '1')], [fact('setting', 'postgresql', '2')]), ['postgresql'])).toHaveLength(
      1,
    );
  });
});

describe('other differences', () => {
  it('are warned of, in areas without a rule too', () => {
    expect(differ('setting', 'work_mem', '4MB', '8MB')[0]).toMatch(/^warning/);
    expect(differ('archiving', 'target', 's3', 'nfs')[0]).toMatch(/^warning/);
    for (const area of ['os', 'time']) expect(differ(area, 'x', '1', '2')[0]).toMatch(/^warning/);
    expect(differ('reboot', 'required', 'no', 'yes')[0]).toMatch(/^info/);
    expect(differ('kernel', 'release', '6.1', '6.12')[0]).toMatch(/^warning/);
    expect(differ('library', 'libssl', '3', '4')[0]).toMatch(/^warning/);
    expect(differ('library', 'libssl', undefined, '4')[0]).toMatch(/^info/);
    for (const area of ['sysctl', 'config']) expect(differ(area, 'x', '1', '2')[0]).toMatch(/^warning/);
    expect(differ('config', 'locales', '1', '2')[0]).toMatch(/^warning/);
    expect(differ('service', 'app.service', 'enabled', undefined)[0]).toMatch(/^warning/);
    expect(differ('service', 'app.service', undefined, 'enabled')[0]).toMatch(/^info/);
    expect(differ('weather', 'sun', 'yes', 'no')).toEqual(['warning weather/sun no (yes)']);
  });
  it('of secrets are told as different, nothing else', () => {
    const secret = { secret: true } as const;
    const hashes = pair(
      [fact('setting', 'restore_token', 'hash-1', secret)],
      [fact('setting', 'restore_token', 'hash-2', { ...secret, runningValue: 'hash-3' })],
    );
    expect(told(hashes)).toEqual([
      'warning setting/restore_token different (hidden) ((hidden))',
      'info setting/restore_token (hidden) ((hidden))',
    ]);
    expect(JSON.stringify(look(hashes).findings)).not.toContain('hash-');
    expect(told(pair([fact('setting', 'x', 'same', secret)], [fact('setting', 'x', 'same', secret)]))).toEqual([]);
  });
  it('keep their id while their values move; the mark moves with the values', () => {
    const [first] = look(pair([fact('setting', 'work_mem', '1')], [fact('setting', 'work_mem', '2')])).findings;
    const [second] = look(pair([fact('setting', 'work_mem', '1')], [fact('setting', 'work_mem', '3')])).findings;
    expect(second?.finding.findingId).toBe(first?.finding.findingId);
    expect(second?.mark).not.toBe(first?.mark);
    expect(fnv64('foobar')).toBe('85944171f73967e8');
  });
});

describe('faults of a host', () => {
  it.each([
    { area: 'disk', name: '/var', value: 'low', fine: 'enough' },
    { area: 'failed', name: 'app.service', value: 'yes', fine: 'no' },
    { area: 'automation', name: 'unattended-upgrades', value: 'on', fine: 'off' },
  ])('$area is told by each node for itself, and stops nothing', ({ area, name, value, fine }) => {
    expect(told(pair([], [fact(area, name, value)]))).toEqual([expect.stringMatching(`^warning ${area}/${name} ${value}`)]);
    expect(told(pair([fact(area, name, value)], [fact(area, name, value)]))).toHaveLength(2);
    expect(told(pair([fact(area, name, fine)], []))).toEqual([]);
  });
});

describe('faults of one node', () => {
  const alone = (area: string, value: string) => ({
    onStandby: told(pair([], [fact(area, 'server', value)])),
    onActive: told(pair([fact(area, 'server', value)], [fact(area, 'server', value)])),
  });
  it('an expired certificate blocks a standby and warns on the active node', () => {
    const { onActive } = alone('certificate', '2026-02-01T00:00:00Z');
    expect(onActive).toEqual([
      'warning certificate/server 2026-02-01T00:00:00Z (a certificate that is valid)',
      'blocking certificate/server 2026-02-01T00:00:00Z (a certificate that is valid)',
    ]);
  });
  it('a certificate that ends soon warns, one that lasts or cannot be read says nothing', () => {
    expect(alone('certificate', 'CN=db notAfter=2026-03-20T00:00:00Z').onStandby[0]).toMatch(/^warning .*more than 30 days/);
    expect(alone('certificate', '2027-03-20T00:00:00Z').onStandby).toEqual([]);
    expect(alone('certificate', 'unreadable').onStandby).toEqual([]);
  });
  it('dead archiving blocks a standby', () => {
    expect(alone('archiving', 'dead: exit 1').onActive).toEqual([
      'warning archiving/server dead: exit 1 (working)',
      'blocking archiving/server dead: exit 1 (working)',
    ]);
    expect(alone('archiving', 'working').onActive).toEqual([]);
  });
  it('an authentication file that cannot be read blocks a standby, and is told once', () => {
    const broken = fact('authentication', 'unreadable line 7', 'invalid authentication method');
    const expected = 'authentication/unreadable line 7 invalid authentication method (a file that can be read)';
    expect(told(pair([], [broken]))).toEqual([`blocking ${expected}`]);
    expect(told(pair([broken], []))).toEqual([`warning ${expected}`]);
  });
  it('dead archiving is told once, as a fault and not as a difference too', () => {
    expect(told(pair([fact('archiving', 'WAL', 'on')], [fact('archiving', 'WAL', 'dead: "false"')]))).toEqual([
      'blocking archiving/WAL dead: "false" (working)',
    ]);
    expect(differ('archiving', 'WAL', 'on', 'off')[0]).toMatch(/^blocking/);
    expect(differ('archiving', 'WAL', 'off', 'on')[0]).toMatch(/^warning/);
  });
  it('an edit that is not loaded is told', () => {
    const both = [fact('setting', 'work_mem', '8MB', { runningValue: '4MB' })];
    expect(told(pair(both, [fact('setting', 'work_mem', '8MB', { runningValue: '8MB' })]))).toEqual([
      'info setting/work_mem 8MB (4MB)',
    ]);
  });
});

describe('an incomplete look', () => {
  it('names nodes without facts and facts that are missing', () => {
    const collected = { nodes: [node('a', [], ['pg_hba.conf: permission denied'])], activeNode: 'a' };
    expect(look(collected).incomplete).toEqual(['a: pg_hba.conf: permission denied', 'b: no facts were collected']);
  });
  it('is not whole without a serving node, unless there is one node only', () => {
    const collected = { nodes: [node('a', []), node('b', [])], activeNode: '' };
    expect(look(collected).incomplete).toEqual(['no single serving node was seen, so no standby could be compared with it']);
    expect(compare(described, ['a'], { nodes: [node('a', [])], activeNode: '' }, [], []).incomplete).toEqual([]);
    expect(compare(described, [], collected, [], []).incomplete).toEqual(['the cluster is not registered, so no node is known']);
  });
  it('takes an absent fact of an incomplete node for unknown, on either side', () => {
    const rule = fact('authentication', 'host', 'scram');
    expect(told({ nodes: [node('a', [rule]), node('b', [], ['no answer'])], activeNode: 'a' })).toEqual([]);
    expect(told({ nodes: [node('a', [], ['no answer']), node('b', [rule])], activeNode: 'a' })).toEqual([]);
  });
  it('leaves undecided what these nodes were found with', () => {
    const { undecided } = look({ nodes: [node('a', []), node('b', [], ['no answer'])], activeNode: 'a' });
    const finding = (of: string, against: string) =>
      ({
        findingId: 'f',
        cluster: 'orders',
        node: of,
        against,
        area: 'x',
        name: 'y',
        value: '',
        expected: '',
        severity: 'info',
        detail: '',
      }) as const;
    expect(undecided(finding('b', 'a'))).toBe(true);
    expect(undecided(finding('a', 'b'))).toBe(true);
    expect(undecided(finding('a', 'a'))).toBe(false);
    expect(undecided(finding('a', 'baseline:x'))).toBe(false);
    const whole = look({ nodes: [node('a', []), node('b', [])], activeNode: '' });
    expect(whole.undecided(finding('b', 'a'))).toBe(true);
  });
});

describe('baselines', () => {
  const baseline = (requirement: object, appliesTo: Baseline['appliesTo'] = {}): Baseline => ({
    name: 'base',
    description: '',
    appliesTo,
    requirements: [{ area: 'setting', name: 'log_statement', severity: 'warning', ...requirement }],
  });
  const against = (value: string | undefined, base: Baseline, missing: readonly string[] = []): readonly string[] =>
    look({ nodes: [node('a', value === undefined ? [] : [fact('setting', 'log_statement', value)], missing)], activeNode: 'a' }, [
      base,
    ]).findings.map(
      ({ finding }) => `${finding.severity} ${finding.against} ${finding.value} (${finding.expected}) ${finding.detail}`,
    );

  it('require a value', () => {
    expect(against('ddl', baseline({ value: 'ddl' }))).toEqual([]);
    expect(against('none', baseline({ value: 'ddl' }))).toEqual([
      'warning baseline:base none (ddl) Baseline "base" requires it. Bring the node to it, or change the baseline.',
    ]);
    expect(against(undefined, baseline({ value: 'ddl', reason: 'Audit asks.', severity: 'blocking' }))).toEqual([
      'blocking baseline:base (absent) (ddl) Audit asks. Bring the node to it, or change the baseline.',
    ]);
    expect(against(undefined, baseline({ value: 'ddl' }), ['no answer'])).toEqual([]);
  });
  it('require one of several, a least version, or absence', () => {
    expect(against('mod', baseline({ oneOf: ['ddl', 'mod'] }))).toEqual([]);
    expect(against('all', baseline({ oneOf: ['ddl', 'mod'] }))[0]).toContain('all (ddl or mod)');
    expect(against('17.10', baseline({ atLeast: '17.9' }))).toEqual([]);
    expect(against('17.9', baseline({ atLeast: '17.10' }))[0]).toContain('17.9 (at least 17.10)');
    expect(against(undefined, baseline({ absent: true }))).toEqual([]);
    expect(against('x', baseline({ absent: true }))[0]).toContain('x (absent)');
  });
  it('apply by environment, platform and cluster', () => {
    const broken = (appliesTo: Baseline['appliesTo']): number => against('none', baseline({ value: 'ddl' }, appliesTo)).length;
    expect(broken({ environments: ['production'], platforms: ['postgres-streaming'], clusters: ['orders'] })).toBe(1);
    expect(broken({ environments: ['lab'] })).toBe(0);
    expect(broken({ platforms: ['simulated'] })).toBe(0);
    expect(broken({ clusters: ['other'] })).toBe(0);
  });
});
