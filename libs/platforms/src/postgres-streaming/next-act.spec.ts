import { describe, expect, it } from 'vitest';
import { postgresSnapshots } from '@understudy/testing';
import { CallMemory } from './call-memory.js';
import { nextAct } from './next-act.js';
import type { Answering, Disk, PostgresGoal, PostgresNode, PostgresSnapshot } from './snapshot.js';

const { down, goal, given, node, primary, sender, server, silent, slot, standby } = postgresSnapshots;
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

  describe('of a node that commits wait for', () => {
    const drainB = (lsn?: number, askedAgoMs = 100): PostgresGoal =>
      goal('drain', 'b', lsn === undefined ? {} : { firstSeen: new Map([['a', { lsn, askedAgoMs }]]) });
    const three = (synchronousNames: string, senders = primary('a', ['b', 'c']).server): PostgresSnapshot =>
      given(
        primary('a', ['b', 'c'], { server: { ...(senders as Answering), synchronousNames } }),
        standby('b', 'a'),
        standby('c', 'a'),
      );
    const hangs = { ...server, senders: [sender('b', 1), { ...sender('c', 2), confirmedLsn: 900 }] };

    it('relaxes the names first where nobody else counts', () => {
      const only = given(primary('a', ['b'], { server: { synchronousNames: 'FIRST 1 (b)' } }), standby('b', 'a'));
      expect(then(only, drainB())).toMatchObject({
        act: { act: 'relax-synchronous', host: 'host-a', names: '', drained: 'b' },
      });
      expect(then(three('FIRST 1 (c)'), drainB())).toMatchObject({ act: { act: 'mark-drained' } });
    });

    it('asks the others for a confirmation that is newer than its first look', () => {
      for (const asked of [drainB(), drainB(950)])
        expect(then(three('b, c'), asked)).toMatchObject({ act: { act: 'checkpoint', host: 'host-a' } });
      expect(then(three('b, c', hangs), drainB(800))).toMatchObject({ next: 'wait', why: expect.stringContaining('c (pid 2)') });
      expect(then(three('b, c', hangs), drainB(800, 2_001))).toMatchObject({ act: { act: 'relax-synchronous', names: '' } });
      for (const names of ['b, c', '*', 'FIRST 1 ("B", "C")'])
        expect(then(three(names), drainB(800))).toMatchObject({ act: { act: 'mark-drained' } });
      expect(then(three('ANY 2 (b, c)'), drainB(800))).toMatchObject({ act: { names: 'ANY 1 ("c")' } });
      expect(then(three('FIRST 2 (*)'), drainB(800))).toMatchObject({ act: { names: 'FIRST 1 ("c")' } });
    });

    it('waits for the active node’s host, whose checkpoint tells what is new', () => {
      const [active, ...others] = three('b, c').nodes as [PostgresNode, ...PostgresNode[]];
      const unseen = { ...active, disk: { seen: false as const, reason: 'link down' } };
      expect(then(given(unseen, ...others), drainB(800))).toMatchObject({ next: 'wait' });
    });

    it('counts the time to confirm from the end of the checkpoint', async () => {
      let nowMs = 0;
      const memory = new CallMemory(() => nowMs);
      const look = (): Promise<void> => memory.seen(three('b, c', hangs), () => Promise.resolve(''));
      await look();
      memory.performed({ act: 'checkpoint', host: 'host-a', node: 'a' });
      nowMs = 5_000;
      expect(memory.known.firstSeen.get('a')).toEqual({ lsn: 1_000, askedAgoMs: 5_000 });
      await look();
      expect(memory.known.firstSeen.get('a')).toEqual({ lsn: 1_000, askedAgoMs: 0 });
    });
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

describe('a server that ends after each start', () => {
  const tried = (times: number, said: string): Partial<PostgresGoal> => ({ startsInVain: new Map([['b', { times, said }]]) });
  const broken = given(primary('a', [], { server: { slots: [slot('b', false)] } }), down(standby('b', 'a')));

  it.each(['join', 'start'] as const)('is started a few times by %s, then given up with what its log says', (verb) => {
    expect(then(broken, goal(verb, 'b', tried(2, '')))).toMatchObject({ act: { act: 'start', node: 'b' } });
    expect(then(broken, goal(verb, 'b', tried(3, 'FATAL: no disk')))).toEqual({
      next: 'stuck',
      reason: 'node b was started 3 times and ended each time. Its log ends with: FATAL: no disk',
    });
    expect(then(broken, goal(verb, 'b', tried(3, '')))).toMatchObject({
      reason: expect.stringContaining('Its log says nothing'),
    });
  });

  it('counts only starts after which nobody answered, and reads the log once they are given up', async () => {
    const count = new CallMemory(() => 0);
    const seen = async (snapshot: PostgresSnapshot, times: number): Promise<unknown> => {
      for (let n = 0; n < times; n++) count.performed({ act: 'start', host: 'host-b', node: 'b' });
      count.performed({ act: 'stop', host: 'host-b', node: 'b' });
      await count.seen(snapshot, (name) => Promise.resolve(`words of ${name}`));
      return count.known.startsInVain.get('b');
    };
    expect(await seen(broken, 2)).toEqual({ times: 2, said: '' });
    expect(await seen(broken, 1)).toEqual({ times: 3, said: 'words of b' });
    expect(await seen(healthy, 0)).toBeUndefined();
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
