import { describe, expect, it } from 'vitest';
import { replicationEvidence } from './evidence.js';
import { withLeftovers } from './leftovers.js';
import type { NodeSettings } from './settings.js';
import { topologyChecks } from './preflight.js';
import type { Answering, Disk, PostgresNode, PostgresSnapshot, Server } from './snapshot.js';
import { summarise } from './summary.js';
import { stateChecks } from './validate.js';

const disk: Disk = {
  seen: true,
  bootId: 'boot',
  process: true,
  autostart: true,
  drained: false,
  standbySignal: false,
  relaxedFor: null,
  switchover: null,
  control: { systemIdentifier: '7', state: 'in-production', checkpointLsn: 900, timeline: 1 },
  upstream: null,
  installedVersion: '17.9',
};
const answers: Answering = {
  says: 'answers',
  inRecovery: false,
  systemIdentifier: '7',
  timeline: 1,
  upForMs: 60_000,
  version: '17.9',
  clusterName: '',
  currentLsn: 1_000,
  receivedLsn: null,
  replayedLsn: null,
  replayPaused: false,
  applyDelayMs: 0,
  synchronousNames: '',
  upstream: null,
  receiver: null,
  senders: [{ pid: 1, applicationName: 'b', state: 'streaming', confirmedLsn: 1_000, syncState: 'async', slot: null }],
  slots: [],
  replayedShutdowns: [],
  showsRecords: false,
};

function node(name: string, server: Server, change: Partial<Disk> = {}): PostgresNode {
  return {
    node: name,
    host: `host-${name}`,
    address: name,
    port: 5432,
    slot: `slot_${name}`,
    disk: { ...disk, ...change },
    server,
  };
}

function standby(name: string, of: string, change: Partial<Answering> = {}): PostgresNode {
  const upstream = { host: of, port: 5432, applicationName: name, slot: null, link: '' };
  const receiver = { status: 'streaming', host: of, port: 5432 };
  return node(
    name,
    { ...answers, inRecovery: true, currentLsn: null, replayedLsn: 990, senders: [], upstream, receiver, ...change },
    { standbySignal: true, upstream },
  );
}

function given(...nodes: readonly PostgresNode[]): PostgresSnapshot {
  return { cluster: 'c', database: 'app', observedAt: '2026-01-01T00:00:00Z', lagCeilingBytes: 500, nodes };
}

const active = node('a', answers);
const pair = given(active, standby('b', 'a'));
const refused: Server = { says: 'nothing', reason: 'connection refused' };
const unseen = { seen: false as const, reason: 'link down' };

describe('the general picture', () => {
  it('of a healthy pair', () => {
    const seen = summarise(pair);
    expect(seen).toMatchObject({ complete: true, disagreements: [] });
    expect(seen.nodes).toMatchObject([
      { node: 'a', roles: { app: 'active' }, writable: true, joined: true, lag: null, native: 'primary, timeline 1' },
      {
        node: 'b',
        roles: { app: 'standby' },
        writable: false,
        joined: true,
        lag: { bytes: 10, ceilingBytes: 500 },
        promotion: { promotable: true },
      },
    ]);
  });

  it('of a node that is named by a relaxed setting: it is not released', () => {
    const keeper = node('a', answers, { relaxedFor: 'b' });
    const seen = summarise(given(keeper, standby('b', 'a'), standby('c', 'a')));
    expect(seen.nodes.map(({ node: name, electable }) => [name, electable])).toEqual([
      ['a', true],
      ['b', false],
      ['c', true],
    ]);
    expect(seen.nodes[1]?.native).toContain('synchronous_standby_names on a is relaxed for it');
    expect(seen.disagreements).toContainEqual(
      expect.stringMatching(/node b is not drained.*on a is still relaxed.*host-a.*pg_ctl reload/),
    );
    const drained = given(keeper, { ...standby('b', 'a'), disk: { ...disk, drained: true, standbySignal: true } });
    expect(summarise(drained).disagreements, 'on its way to a release').toEqual([]);
  });

  it.each<[string, PostgresNode, object]>([
    [
      'stopped',
      node('b', refused, { process: false }),
      { availability: 'down', writable: false, native: 'stopped, control file: in production', roles: {} },
    ],
    [
      'drained',
      node('b', refused, { process: false, drained: true, standbySignal: true }),
      { availability: 'drained', electable: false, roles: { app: 'standby' } },
    ],
    [
      'without a control file',
      node('b', refused, { process: false, control: null }),
      { native: 'stopped, control file: unreadable', systemIdentifier: null },
    ],
    ['hung', node('b', refused), { availability: 'unknown', writable: null, native: 'postmaster runs, no answer' }],
    ['starting', node('b', { says: 'starting' }), { availability: 'unknown', native: 'the database system is starting up' }],
    ['stopping', node('b', { says: 'stopping' }), { native: 'the database system is shutting down' }],
    [
      'out of reach',
      { ...node('b', refused), disk: unseen },
      {
        reachable: false,
        electable: false,
        writable: null,
        native: 'no answer',
        versions: { postgresql: { installed: null, running: null } },
      },
    ],
    ['delayed', standby('b', 'a', { applyDelayMs: 5 }), { promotion: { promotable: false } }],
    [
      'paused',
      standby('b', 'a', { replayPaused: true }),
      { native: 'in recovery, timeline 1, WAL receiver streaming, replay paused' },
    ],
    ['of other data', standby('b', 'a', { systemIdentifier: '8' }), { joined: false, lag: null }],
  ])('of a node that is %s', (_what, other, expected) => {
    expect(summarise(given(active, other)).nodes[1]).toMatchObject(expected);
  });

  it('tells how far each log goes: what is written, received or replayed; of a stopped one its last checkpoint', () => {
    const ends = (...nodes: readonly PostgresNode[]): readonly unknown[] =>
      summarise(given(...nodes)).nodes.map(({ logEnd }) => logEnd ?? null);
    expect(ends(active, standby('b', 'a', { receivedLsn: 995 }), standby('c', 'a'))).toEqual([
      { timeline: 1, bytes: 1_000 },
      { timeline: 1, bytes: 995 },
      { timeline: 1, bytes: 990 },
    ]);
    const fresh = standby('b', 'a', { receivedLsn: null, replayedLsn: null });
    expect(ends(node('a', refused, { process: false }), fresh)).toEqual([
      { timeline: 1, bytes: 900 },
      { timeline: 1, bytes: 0 },
    ]);
    expect(ends(node('a', refused, { control: null }), { ...node('b', refused), disk: unseen })).toEqual([null, null]);
  });

  it('is not complete while a node is not known', () => {
    expect(summarise(given(active, node('b', refused)))).toMatchObject({ complete: false });
    expect(summarise(given(active, { ...standby('b', 'a'), disk: unseen }))).toMatchObject({ complete: false });
    expect(summarise(given(active, node('b', refused, { process: false })))).toMatchObject({ complete: true });
  });

  it('says where the places contradict each other', () => {
    const said = (...nodes: readonly PostgresNode[]): string => summarise(given(...nodes)).disagreements.join('\n');
    expect(said(active, node('b', answers))).toContain('more than one node accepts writes: a, b');
    expect(said(active, standby('b', 'a', { systemIdentifier: '8' }))).toContain('different data');
    expect(said(active, { ...standby('b', 'a'), disk: { ...disk, process: false } })).toContain('something answers at b:5432');
    expect(said(node('a', { ...answers, senders: [] }), standby('b', 'a'))).toContain('has no sender for it');
    expect(said(active, standby('b', 'a', { receiver: null }))).toContain('receives no WAL');
  });

  it('calls a standby of a standby cascaded', () => {
    const seen = summarise(given(active, standby('b', 'a'), standby('c', 'b')));
    expect(seen.nodes[2]?.promotion).toEqual({ promotable: false, reason: 'it replicates from the standby b (cascaded)' });
  });
});

describe('evidence of an HA layer', () => {
  it('is an application cluster only with a standby that was seen streaming and may be promoted', () => {
    expect(replicationEvidence(pair)).toMatchObject([
      { supports: 'application', detail: expect.stringContaining('b streams from a') },
    ]);
    expect(replicationEvidence(given(active, standby('b', 'a', { applyDelayMs: 9 })))).toMatchObject([
      { supports: 'none', detail: expect.stringContaining('delayed') },
    ]);
    expect(replicationEvidence(given(active, node('b', refused, { process: false })))).toMatchObject([
      { supports: 'none', detail: expect.stringContaining('none of the other nodes') },
    ]);
  });

  it('observes the missing standby of a single node', () => {
    expect(replicationEvidence(given(node('a', { ...answers, senders: [] })))).toMatchObject([
      { supports: 'none', detail: expect.stringContaining('only node') },
    ]);
  });

  it('is nothing without an active node, and separate databases with two', () => {
    expect(replicationEvidence(given(standby('b', 'a')))).toMatchObject([
      { supports: 'none', detail: expect.stringContaining('No node') },
    ]);
    expect(replicationEvidence(given(active, node('b', answers)))).toMatchObject([
      { supports: 'none', detail: expect.stringContaining('separate databases') },
    ]);
  });
});

describe('preflight from the picture', () => {
  const failed = (...nodes: readonly PostgresNode[]): readonly string[] =>
    topologyChecks(given(...nodes))
      .filter(({ passed }) => passed !== true)
      .map(({ check }) => check);

  it.each<[string, readonly PostgresNode[], readonly string[]]>([
    ['a healthy pair', pair.nodes, []],
    ['two active nodes', [active, node('b', answers)], ['one-active']],
    ['a node that is not known', [active, standby('b', 'a'), node('c', refused)], ['complete', 'streaming', 'lag']],
    ['a standby that lags', [active, standby('b', 'a', { replayedLsn: 10 })], ['lag', 'promotable-standby']],
    ['a standby that does not stream', [active, standby('b', 'a', { receiver: null })], ['streaming', 'promotable-standby']],
    ['no standby that may be promoted', [active, standby('b', 'a', { applyDelayMs: 1 })], ['promotable-standby']],
    [
      'a sender that nobody answers',
      [
        node('a', {
          ...answers,
          senders: [...answers.senders, { ...answers.senders[0]!, pid: 2, applicationName: 'x', confirmedLsn: null }],
        }),
        standby('b', 'a'),
      ],
      ['wal-senders'],
    ],
  ])('%s', (_what, nodes, expected) => {
    expect(failed(...nodes)).toEqual(expected);
  });
});

describe('validation from the picture', () => {
  const failed = (snapshot: PostgresSnapshot, index: number, asActive: boolean): readonly string[] =>
    stateChecks(snapshot, snapshot.nodes[index]!, asActive)
      .filter(({ passed }) => passed !== true)
      .map(({ check }) => check);

  it('passes a healthy pair in its roles', () => {
    expect(failed(pair, 0, true)).toEqual([]);
    expect(failed(pair, 1, false)).toEqual([]);
  });

  it('fails a node in a role that it has not got, and one that does not answer', () => {
    expect(failed(pair, 1, true)).toEqual(['sole-active']);
    expect(failed(given(active, standby('b', 'a', { receiver: null, replayedLsn: 1, timeline: 2 })), 1, false)).toEqual([
      'streaming',
      'timeline',
      'lag',
    ]);
    expect(failed(given(standby('b', 'a')), 0, false)).toEqual(['streaming', 'timeline', 'lag']);
    expect(failed(given(node('a', refused)), 0, true)).toEqual(['answers']);
    expect(failed(given(node('a', { says: 'starting' })), 0, true)).toEqual(['answers']);
  });

  it('fails a node that runs another version than is installed', () => {
    expect(failed(given(node('a', answers, { installedVersion: '17.10' })), 0, true)).toEqual(['version']);
    expect(failed(given({ ...node('a', answers), disk: unseen }), 0, true)).toEqual(['version']);
  });
});

describe('the commands for a server that does not run', () => {
  const settings = {
    node: 'a',
    dataFolder: 'data',
    binFolder: 'bin',
    logFile: 'log',
    stateFolder: 'state',
    autostartFile: 'auto',
  };
  const places = [{ root: '/srv/a', settings: settings as NodeSettings }];
  const stopped = node('a', refused, { process: false });
  const leftOn = (snapshot: PostgresSnapshot) => withLeftovers(summarise(snapshot), snapshot, places).nodes[0]?.leftovers?.[0];

  it('start it as what its files say where no other node can be taking writes', () => {
    expect(leftOn(given(stopped, standby('b', 'a')))).toEqual({
      kind: 'stopped',
      node: 'a',
      host: 'host-a',
      what: 'PostgreSQL does not run on a.',
      commands: ['cd /srv/a', expect.stringContaining('bin/pg_ctl -D data -l log -w start')],
    });
  });

  it('start it as a standby where another node serves, or one is not seen: never a second writer by a pasted command', () => {
    const asStandby = ['cd /srv/a', expect.stringContaining('touch data/standby.signal'), expect.stringContaining('start')];
    const serving = leftOn(given(stopped, node('b', answers)));
    expect(serving).toMatchObject({ what: 'PostgreSQL does not run on a.', commands: asStandby });
    const silent = { ...node('b', refused), disk: unseen };
    expect(leftOn(given(stopped, silent))).toMatchObject({
      what: 'PostgreSQL does not run on a. Its files say primary, and node b: its host could not be looked at (link down) and its server does not answer (connection refused). So it is started as a standby: promote it only when no other node takes writes.',
      commands: asStandby,
    });
    const drained = node('a', refused, { process: false, drained: true });
    expect(leftOn(given(drained, silent))).toMatchObject({
      kind: 'drained',
      what: expect.stringContaining('is not started at boot. Its files say primary, and node b'),
      commands: expect.arrayContaining([expect.stringContaining('touch data/standby.signal')]),
    });
  });
});
