import { describe, expect, it } from 'vitest';
import { nextAct } from './next-act.js';
import type { Answering, Disk, PostgresGoal, PostgresNode, PostgresSnapshot, Server, SwitchoverMark } from './snapshot.js';

const KEY = 'r/s';
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
const server: Answering = {
  says: 'answers',
  inRecovery: false,
  systemIdentifier: '7',
  timeline: 1,
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
  senders: [],
  slots: [],
  replayedShutdowns: [],
};
const silent: Server = { says: 'nothing', reason: 'connection refused' };
const mark: SwitchoverMark = {
  key: KEY,
  target: 'b',
  freshLsn: 1_000,
  round: 1,
  freshAgeMs: 100,
  stopAgeMs: null,
  stopMissed: false,
  returned: false,
};

function sender(name: string, pid = 1): Answering['senders'][number] {
  return { pid, applicationName: name, state: 'streaming', confirmedLsn: 1_100, syncState: 'async', slot: `slot_${name}` };
}

function slot(name: string, active = true): Answering['slots'][number] {
  return { name: `slot_${name}`, kind: 'physical', active, walStatus: 'reserved' };
}

interface Change {
  readonly disk?: Partial<Disk>;
  readonly server?: Partial<Answering>;
  readonly says?: Server;
  readonly notPromotable?: string;
}

function node(name: string, change: Change = {}): PostgresNode {
  return {
    node: name,
    host: `host-${name}`,
    address: name,
    port: 5432,
    slot: `slot_${name}`,
    disk: { ...disk, ...change.disk },
    server: change.says ?? { ...server, ...change.server },
    ...(change.notPromotable === undefined ? {} : { notPromotable: change.notPromotable }),
  };
}

function primary(name: string, standbys: readonly string[], change: Change = {}): PostgresNode {
  const feeding = {
    senders: standbys.map((standby, index) => sender(standby, index + 1)),
    slots: standbys.map((standby) => slot(standby)),
  };
  return node(name, { ...change, server: { ...feeding, ...change.server } });
}

function standby(name: string, of: string, change: Change = {}): PostgresNode {
  const upstream = { host: of, port: 5432, applicationName: name, slot: `slot_${name}`, link: '' };
  return node(name, {
    ...change,
    disk: { standbySignal: true, upstream, ...change.disk },
    server: {
      inRecovery: true,
      currentLsn: null,
      receivedLsn: 1_000,
      replayedLsn: 1_000,
      upstream,
      receiver: { status: 'streaming', host: of, port: 5432 },
      ...change.server,
    },
  });
}

/** Stopped: no process, no answer. */
function down(of: PostgresNode, change: Partial<Disk> = {}): PostgresNode {
  return { ...of, disk: { ...(of.disk as Disk), process: false, ...change }, server: silent };
}

function given(...nodes: readonly PostgresNode[]): PostgresSnapshot {
  return { cluster: 'c', database: 'app', observedAt: '2026-01-01T00:00:00Z', lagCeilingBytes: 500, nodes };
}

function goal(verb: PostgresGoal['verb'], name: string, change: Partial<PostgresGoal> = {}): PostgresGoal {
  return { verb, node: name, key: KEY, stopDeadlineMs: 2_000, canRepoint: true, ...change };
}

const then = (snapshot: PostgresSnapshot, wanted: PostgresGoal): unknown => nextAct(snapshot, wanted);
const healthy = given(primary('a', ['b', 'c']), standby('b', 'a'), standby('c', 'a'));
const cleanStop: Partial<Disk> = { control: { systemIdentifier: '7', state: 'shut-down', checkpointLsn: 1_200, timeline: 1 } };

it('knows only the nodes of its cluster', () => {
  expect(then(healthy, goal('drain', 'z'))).toMatchObject({ next: 'stuck' });
});

describe('drain', () => {
  it('marks, then stops, then is done', () => {
    expect(then(healthy, goal('drain', 'b'))).toMatchObject({ next: 'act', act: { act: 'mark-drained', host: 'host-b' } });
    const marked = { drained: true, autostart: false };
    expect(then(given(primary('a', ['b']), standby('b', 'a', { disk: marked })), goal('drain', 'b'))).toMatchObject({
      act: { act: 'stop' },
    });
    expect(then(given(primary('a', []), down(standby('b', 'a'), marked)), goal('drain', 'b'))).toEqual({ next: 'done' });
  });

  it('is done without an active node in sight, and does not begin without one', () => {
    const marked = { drained: true, autostart: false };
    expect(then(given(down(primary('a', [])), down(standby('b', 'a'), marked)), goal('drain', 'b'))).toEqual({ next: 'done' });
    expect(then(given(down(primary('a', [])), standby('b', 'a')), goal('drain', 'b'))).toMatchObject({ next: 'wait' });
  });

  it('refuses the node that serves, and one that feeds another', () => {
    expect(then(healthy, goal('drain', 'a'))).toMatchObject({ next: 'stuck', reason: expect.stringContaining('serves') });
    const cascade = given(primary('a', ['b']), standby('b', 'a'), standby('c', 'b'));
    expect(then(cascade, goal('drain', 'b'))).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('c replicates from b'),
    });
  });

  it('relaxes the synchronous names first where commits would wait', () => {
    const only = given(primary('a', ['b'], { server: { synchronousNames: 'FIRST 1 (b)' } }), standby('b', 'a'));
    expect(then(only, goal('drain', 'b'))).toMatchObject({
      act: { act: 'relax-synchronous', host: 'host-a', names: '', drained: 'b' },
    });
    const two = given(
      primary('a', ['b', 'c'], { server: { synchronousNames: 'ANY 2 (b, c)' } }),
      standby('b', 'a'),
      standby('c', 'a'),
    );
    expect(then(two, goal('drain', 'b'))).toMatchObject({ act: { act: 'relax-synchronous', names: 'ANY 1 ("c")' } });
    const enough = given(
      primary('a', ['b', 'c'], { server: { synchronousNames: 'b, c' } }),
      standby('b', 'a'),
      standby('c', 'a'),
    );
    expect(then(enough, goal('drain', 'b'))).toMatchObject({ act: { act: 'mark-drained' } });
    const anyone = given(primary('a', ['b', 'c'], { server: { synchronousNames: '*' } }), standby('b', 'a'), standby('c', 'a'));
    expect(then(anyone, goal('drain', 'b'))).toMatchObject({ act: { act: 'mark-drained' } });
  });

  it('waits for a host that cannot be looked at, and for a stop under way', () => {
    const unseen = { ...standby('b', 'a'), disk: { seen: false as const, reason: 'link down' } };
    expect(then(given(primary('a', ['b']), unseen), goal('drain', 'b'))).toMatchObject({ next: 'wait' });
    const ending = { ...standby('b', 'a', { disk: { drained: true, autostart: false, process: false } }), server: server };
    expect(
      then(given(primary('a', ['b']), { ...ending, server: { ...server, inRecovery: true } }), goal('drain', 'b')),
    ).toMatchObject({ next: 'wait' });
  });
});

describe('join', () => {
  const drained = { drained: true, autostart: false };

  it('starts a standby and is done when it streams within the ceiling', () => {
    expect(
      then(
        given(primary('a', [], { server: { slots: [slot('b', false)] } }), down(standby('b', 'a'), drained)),
        goal('join', 'b'),
      ),
    ).toMatchObject({ act: { act: 'start' } });
    expect(then(given(primary('a', ['b']), standby('b', 'a', { disk: drained })), goal('join', 'b'))).toEqual({ next: 'done' });
    expect(
      then(given(primary('a', ['b']), standby('b', 'a', { server: { replayedLsn: 100 } })), goal('join', 'b')),
    ).toMatchObject({ next: 'wait' });
  });

  it('makes the missing slot first', () => {
    expect(then(given(primary('a', []), down(standby('b', 'a'))), goal('join', 'b'))).toMatchObject({
      act: { act: 'create-slots', host: 'host-a', slots: ['slot_b'] },
    });
  });

  it('points a standby at the active node, stopped or running', () => {
    const active = primary('a', [], { server: { slots: [slot('b', false)] } });
    expect(then(given(active, standby('b', 'z')), goal('join', 'b'))).toMatchObject({ act: { act: 'repoint', upstream: 'a' } });
    expect(then(given(active, down(standby('b', 'z'))), goal('join', 'b'))).toMatchObject({ act: { act: 'repoint' } });
    expect(then(given(active, standby('b', 'z')), goal('join', 'b', { canRepoint: false }))).toMatchObject({ next: 'stuck' });
  });

  it('makes a cleanly stopped primary a standby before it starts; an unclean one never', () => {
    const active = primary('a', [], { server: { slots: [slot('b', false)] } });
    expect(then(given(active, down(node('b'), cleanStop)), goal('join', 'b'))).toMatchObject({
      act: { act: 'mark-standby', upstream: 'a' },
    });
    expect(then(given(active, down(node('b'))), goal('join', 'b'))).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('rewound'),
    });
    const directed = down(standby('b', 'a'), { ...cleanStop, standbySignal: false });
    expect(then(given(active, directed), goal('join', 'b', { canRepoint: false }))).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('start as a primary'),
    });
  });

  it('refuses other data, two active nodes, and the node that serves', () => {
    const foreign = down(standby('b', 'a'), {
      control: { systemIdentifier: '8', state: 'shut-down', checkpointLsn: 1, timeline: 1 },
    });
    expect(then(given(primary('a', []), foreign), goal('join', 'b'))).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('other data'),
    });
    expect(then(given(primary('a', []), node('b'), standby('c', 'a')), goal('join', 'c'))).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('both accept writes'),
    });
    expect(then(healthy, goal('join', 'a'))).toMatchObject({ next: 'stuck' });
  });

  it('waits without an active node, without a look, and while it starts', () => {
    expect(then(given(down(primary('a', [])), standby('b', 'a')), goal('join', 'b'))).toMatchObject({ next: 'wait' });
    const unseen = { ...standby('b', 'a'), disk: { seen: false as const, reason: 'link down' } };
    expect(then(given(primary('a', ['b']), unseen), goal('join', 'b'))).toMatchObject({ next: 'wait' });
    const starting = { ...standby('b', 'a'), server: { says: 'starting' as const } };
    expect(then(given(primary('a', ['b']), starting), goal('join', 'b'))).toMatchObject({ next: 'wait' });
  });
});

describe('release', () => {
  it('restores what was relaxed for it, then removes the mark, then is done', () => {
    const drained = standby('b', 'a', { disk: { drained: true, autostart: false } });
    const relaxed = primary('a', ['b'], { disk: { relaxedFor: 'b' } });
    expect(then(given(relaxed, drained), goal('release', 'b'))).toMatchObject({
      act: { act: 'restore-synchronous', host: 'host-a' },
    });
    expect(then(given(primary('a', ['b']), drained), goal('release', 'b'))).toMatchObject({
      act: { act: 'release', host: 'host-b' },
    });
    expect(then(healthy, goal('release', 'b'))).toEqual({ next: 'done' });
  });

  it('refuses a node that does not stream: commits would wait for it', () => {
    const drained = down(standby('b', 'a'), { drained: true, autostart: false });
    expect(then(given(primary('a', []), drained), goal('release', 'b'))).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('join it'),
    });
  });

  it('waits while a host cannot be looked at or nobody serves', () => {
    const unseen = { seen: false as const, reason: 'link down' };
    const drained = standby('b', 'a', { disk: { drained: true } });
    expect(then(given(primary('a', ['b']), { ...drained, disk: unseen }), goal('release', 'b'))).toMatchObject({ next: 'wait' });
    expect(then(given({ ...primary('a', ['b']), disk: unseen }, drained), goal('release', 'b'))).toMatchObject({ next: 'wait' });
    expect(then(given(down(primary('a', [])), drained), goal('release', 'b'))).toMatchObject({ next: 'wait' });
  });
});

describe('stop and start', () => {
  it('stops what runs', () => {
    expect(then(healthy, goal('stop', 'b'))).toMatchObject({ act: { act: 'stop' } });
    expect(then(given(down(node('a'))), goal('stop', 'a'))).toEqual({ next: 'done' });
    expect(then(given({ ...node('a', { disk: { process: false } }) }), goal('stop', 'a'))).toMatchObject({ next: 'wait' });
    expect(then(given({ ...node('a'), disk: { seen: false, reason: 'x' } }), goal('stop', 'a'))).toMatchObject({ next: 'wait' });
  });

  it('starts what lies there, and a primary only where nobody else can take writes', () => {
    expect(then(healthy, goal('start', 'b'))).toEqual({ next: 'done' });
    expect(then(given(primary('a', []), down(standby('b', 'a'))), goal('start', 'b'))).toMatchObject({ act: { act: 'start' } });
    expect(then(given(down(node('a'))), goal('start', 'a'))).toMatchObject({ act: { act: 'start' } });
    expect(then(given(down(node('a')), node('b')), goal('start', 'a'))).toMatchObject({ next: 'stuck' });
    expect(then(given(down(node('a')), { ...node('b'), server: silent }), goal('start', 'a'))).toMatchObject({ next: 'wait' });
    expect(then(given(primary('a', []), down(standby('b', 'a'), { drained: true })), goal('start', 'b'))).toMatchObject({
      next: 'stuck',
    });
    expect(then(given({ ...node('a'), server: { says: 'starting' } }), goal('start', 'a'))).toMatchObject({ next: 'wait' });
    expect(then(given({ ...node('a'), disk: { seen: false, reason: 'x' } }), goal('start', 'a'))).toMatchObject({ next: 'wait' });
  });
});

describe('switchover, while the active node serves', () => {
  const switchover = goal('switchover', 'b');
  const checkpointed: Disk['control'] = { systemIdentifier: '7', state: 'in-production', checkpointLsn: 1_050, timeline: 1 };
  const marked = (
    change: Partial<SwitchoverMark> = {},
    feeding: Partial<Answering> = {},
    control = checkpointed,
  ): PostgresSnapshot =>
    given(
      primary('a', ['b', 'c'], { disk: { control, switchover: { ...mark, ...change } }, server: feeding }),
      standby('b', 'a'),
      standby('c', 'a'),
    );

  it('records the position, and again when that is stale or of another switchover', () => {
    const record = { next: 'act', act: { act: 'record-position', host: 'host-a', target: 'b', lsn: 1_000, round: 1 } };
    expect(then(healthy, switchover)).toMatchObject(record);
    expect(then(marked({ freshAgeMs: 20_000 }), switchover)).toMatchObject(record);
    expect(then(marked({ key: 'another' }), switchover)).toMatchObject(record);
    expect(then(marked({ target: 'c' }), switchover)).toMatchObject(record);
  });

  it('writes a checkpoint after that position', () => {
    expect(then(marked({}, {}, disk.control), switchover)).toMatchObject({
      next: 'act',
      act: { act: 'checkpoint', host: 'host-a' },
    });
    expect(then(marked({}, {}, null), switchover)).toMatchObject({ act: { act: 'checkpoint' } });
  });

  it('stops the active node only when every sender has confirmed', () => {
    const stop = { act: 'stop-active', host: 'host-a', node: 'a', limitMs: 2_000 };
    expect(then(marked(), switchover)).toEqual({ next: 'act', act: stop, binding: false });
    const behind = { senders: [sender('b'), { ...sender('c', 2), confirmedLsn: 1_050 }] };
    expect(then(marked({}, behind), switchover)).toMatchObject({ next: 'wait' });
    expect(then(marked({ freshAgeMs: 3_000 }, behind), switchover), 'once more').toMatchObject({
      act: { act: 'record-position', round: 2 },
    });
    const refused = { next: 'stuck', reason: expect.stringContaining('nothing was stopped: c') };
    expect(then(marked({ freshAgeMs: 3_000, round: 2 }, behind), switchover)).toMatchObject(refused);
    const backup = { senders: [sender('b'), { ...sender('backup', 3), state: 'backup', confirmedLsn: null }] };
    expect(then(marked({ freshAgeMs: 3_000, round: 2 }, backup), switchover)).toMatchObject({ next: 'stuck' });
  });

  it('drops slots of ours that lie unused on the target', () => {
    const stale = given(
      primary('a', ['b']),
      standby('b', 'a', { server: { slots: [slot('a', false), slot('other', false)] } }),
      node('a'),
    );
    const once = { ...stale, nodes: stale.nodes.slice(0, 2) };
    expect(then(once, switchover)).toMatchObject({ act: { act: 'drop-slots', host: 'host-b', slots: ['slot_a'] } });
  });

  it.each([
    ['drained', standby('b', 'a', { disk: { drained: true } }), 'drained'],
    ['named by the user', standby('b', 'a', { notPromotable: 'reporting' }), 'reporting'],
    ['delayed', standby('b', 'a', { server: { applyDelayMs: 60_000 } }), 'delayed'],
    ['paused', standby('b', 'a', { server: { replayPaused: true } }), 'paused'],
    ['not streaming', standby('b', 'a', { server: { receiver: null } }), 'does not stream'],
    ['on another timeline', standby('b', 'a', { server: { timeline: 2 } }), 'does not stream'],
    ['behind', standby('b', 'a', { server: { replayedLsn: 1 } }), 'bytes behind'],
    ['unseen', { ...standby('b', 'a'), disk: { seen: false as const, reason: 'link down' } }, 'cannot be looked at'],
  ])('refuses a target that is %s', (_why, target, reason) => {
    expect(then(given(primary('a', ['b']), target), switchover)).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining(reason),
    });
  });

  it('refuses without a login for standbys, with two active nodes, and after it was given up', () => {
    expect(then(healthy, goal('switchover', 'b', { canRepoint: false }))).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('replication'),
    });
    expect(then(given(node('a'), node('b')), switchover)).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('both accept writes'),
    });
    expect(then(marked({ returned: true }), switchover)).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('started again'),
    });
  });

  it('takes back a standby signal that an interrupted start left under a serving node', () => {
    const left = given(primary('a', ['b'], { disk: { standbySignal: true } }), standby('b', 'a'));
    expect(then(left, switchover)).toMatchObject({ act: { act: 'unmark-standby', host: 'host-a' } });
  });

  it('waits for what it does not know', () => {
    const unseen = { seen: false as const, reason: 'link down' };
    expect(then(given({ ...primary('a', ['b']), disk: unseen }, standby('b', 'a')), switchover)).toMatchObject({ next: 'wait' });
    expect(
      then(given(primary('a', ['b']), standby('b', 'a'), { ...standby('c', 'a'), server: silent }), switchover),
    ).toMatchObject({ next: 'wait' });
  });
});

describe('switchover, while nobody serves', () => {
  const switchover = goal('switchover', 'b');
  const stopped = { ...mark, stopAgeMs: 100 };
  const replayed = standby('b', 'a', { server: { receiver: null, replayedShutdowns: [1_200] } });
  const old = (change: Partial<Disk> = {}, switched: Partial<SwitchoverMark> = {}): PostgresNode =>
    down(primary('a', []), { ...cleanStop, switchover: { ...stopped, ...switched }, ...change });

  it('marks the old active node as a standby once the target has its last checkpoint', () => {
    expect(then(given(old(), replayed), switchover)).toEqual({
      next: 'act',
      act: { act: 'mark-standby', host: 'host-a', node: 'a', upstream: 'b' },
      binding: true,
    });
  });

  it('promotes only when the old active node can come up as nothing but a standby', () => {
    expect(then(given(old({ standbySignal: true }), replayed), switchover)).toEqual({
      next: 'act',
      act: { act: 'promote', host: 'host-b', node: 'b', systemIdentifier: '7', timeline: 1 },
      binding: true,
    });
    const startedByHand = standby('a', 'b', { disk: { switchover: stopped } });
    expect(then(given(startedByHand, replayed), switchover)).toMatchObject({ act: { act: 'promote' } });
  });

  it('does not promote while a third node may take writes', () => {
    expect(then(given(old({ standbySignal: true }), replayed, { ...node('c'), server: silent }), switchover)).toMatchObject({
      next: 'wait',
      binding: true,
    });
  });

  it('waits for the replay, and goes back when it takes too long', () => {
    const late = standby('b', 'a', { server: { receiver: null } });
    expect(then(given(old(), late), switchover)).toMatchObject({ next: 'wait', binding: true });
    const goesBack = { next: 'act', act: { act: 'return-active', host: 'host-a' }, binding: true };
    expect(then(given(old({}, { stopAgeMs: 9_000 }), late), switchover)).toMatchObject(goesBack);
    expect(then(given(old({}, { stopMissed: true }), replayed), switchover)).toMatchObject(goesBack);
    expect(then(given(down(primary('a', []), { switchover: stopped }), replayed), switchover), 'it crashed').toMatchObject(
      goesBack,
    );
  });

  it('waits for a stop under way, and cuts it when it is missed', () => {
    const stopping = (change: Partial<SwitchoverMark>): PostgresNode => ({
      ...node('a', { disk: { switchover: { ...stopped, ...change } } }),
      server: { says: 'stopping' },
    });
    expect(then(given(stopping({}), replayed), switchover)).toMatchObject({ next: 'wait', binding: true });
    expect(then(given(stopping({ stopMissed: true }), replayed), switchover)).toMatchObject({
      act: { act: 'stop-at-once' },
      binding: true,
    });
    expect(then(given(stopping({ stopAgeMs: 9_000 }), replayed), switchover)).toMatchObject({ act: { act: 'stop-at-once' } });
    const starting = { ...stopping({}), server: { says: 'starting' as const } };
    expect(then(given(starting, replayed), switchover)).toMatchObject({ next: 'wait' });
  });

  it('goes back from a marked node only when the target certainly was not promoted', () => {
    const marked = old({ standbySignal: true });
    expect(then(given(marked, down(replayed)), switchover)).toMatchObject({ act: { act: 'return-active', host: 'host-a' } });
    expect(then(given(marked, down(replayed, { standbySignal: false })), switchover)).toMatchObject({ next: 'wait' });
    expect(then(given(marked, { ...replayed, server: silent }), switchover)).toMatchObject({ next: 'wait' });
    const runs = standby('a', 'b', { disk: { switchover: stopped } });
    expect(then(given(runs, down(replayed)), switchover)).toMatchObject({ act: { act: 'stop-at-once', host: 'host-a' } });
  });

  it('brings the old active node back when that is what is asked for', () => {
    const back = goal('switchover', 'a', { key: 'another' });
    expect(then(given(old(), replayed), back)).toMatchObject({ act: { act: 'return-active' } });
    expect(then(given(old({ standbySignal: true }), replayed), back)).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('may have been promoted'),
    });
    expect(then(given(old({ standbySignal: true }), down(replayed)), back)).toMatchObject({ act: { act: 'return-active' } });
    expect(then(given({ ...old(), disk: { ...disk, switchover: stopped } }, replayed), back)).toMatchObject({ next: 'wait' });
  });

  it('goes on with a switchover that another step began, and does not bend it to another target', () => {
    expect(then(given(old({}, { key: 'another' }), replayed), switchover)).toMatchObject({ act: { act: 'mark-standby' } });
    expect(then(given(old({}, { target: 'c' }), replayed, standby('c', 'a')), switchover)).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('to c is under way'),
    });
  });

  it('touches nothing when nobody serves for another reason', () => {
    expect(then(given(down(primary('a', []), cleanStop), replayed), switchover)).toMatchObject({
      next: 'stuck',
      reason: expect.stringContaining('not because of a switchover'),
    });
    expect(then(given({ ...node('a'), server: silent }, replayed), switchover)).toMatchObject({ next: 'wait' });
  });
});

describe('switchover, after the promotion', () => {
  const switchover = goal('switchover', 'b');
  const promoted = (standbys: readonly string[]): PostgresNode => primary('b', standbys, { server: { timeline: 2 } });
  const following = (name: string, change: Change = {}): PostgresNode =>
    standby(name, 'b', { ...change, server: { timeline: 2, ...change.server } });
  const oldDown = down(standby('a', 'b'), { ...cleanStop, switchover: mark });

  it('makes every slot at once, starts the old active node, points the others, and cleans up', () => {
    expect(then(given(oldDown, promoted([]), standby('c', 'a')), switchover)).toMatchObject({
      act: { act: 'create-slots', host: 'host-b', slots: ['slot_a', 'slot_c'] },
    });
    const slots = { slots: [slot('a', false), slot('c', false)], timeline: 2 };
    expect(then(given(oldDown, primary('b', [], { server: slots }), standby('c', 'a')), switchover)).toMatchObject({
      act: { act: 'start', host: 'host-a' },
    });
    expect(
      then(
        given(following('a', { disk: { switchover: mark } }), primary('b', ['a'], { server: { ...slots } }), standby('c', 'a')),
        switchover,
      ),
    ).toMatchObject({
      act: { act: 'repoint', host: 'host-c', upstream: 'b' },
    });
    const withStale = following('a', { disk: { switchover: mark }, server: { slots: [slot('b', false), slot('c', false)] } });
    expect(then(given(withStale, promoted(['a', 'c']), following('c')), switchover)).toMatchObject({
      act: { act: 'drop-slots', host: 'host-a', slots: ['slot_b', 'slot_c'] },
    });
    const clean = following('a', { disk: { switchover: mark } });
    expect(then(given(clean, promoted(['a', 'c']), following('c')), switchover)).toMatchObject({
      act: { act: 'end-switchover', host: 'host-a' },
    });
    expect(then(given(following('a'), promoted(['a', 'c']), following('c')), switchover)).toEqual({ next: 'done' });
  });

  it('waits until everybody streams, and leaves drained and dead nodes as they are', () => {
    const unfed = following('a', { disk: { switchover: mark }, server: { receiver: null } });
    const slots = { slots: [slot('a')], timeline: 2 };
    expect(then(given(unfed, primary('b', [], { server: slots })), switchover)).toMatchObject({ next: 'wait', binding: false });
    expect(then(given(following('a'), promoted(['a']), down(standby('c', 'a'), { drained: true })), switchover)).toEqual({
      next: 'done',
    });
    expect(then(given(following('a'), promoted(['a']), down(standby('c', 'a'))), switchover)).toEqual({ next: 'done' });
    expect(
      then(given(following('a'), promoted(['a']), { ...standby('c', 'a'), disk: { seen: false, reason: 'x' } }), switchover),
    ).toEqual({ next: 'done' });
  });
});
