import { describe, expect, it } from 'vitest';
import { postgresSnapshots } from '@understudy/testing';
import { nextAct } from './next-act.js';
import type { Answering, Disk, PostgresGoal, PostgresNode, PostgresSnapshot, SwitchoverMark } from './snapshot.js';

const { disk, down, goal, given, mark, node, primary, sender, silent, slot, standby } = postgresSnapshots;
type Change = postgresSnapshots.Change;
const then = (snapshot: PostgresSnapshot, wanted: PostgresGoal): unknown => nextAct(snapshot, wanted);
const healthy = given(primary('a', ['b', 'c']), standby('b', 'a'), standby('c', 'a'));
const cleanStop: Partial<Disk> = { control: { systemIdentifier: '7', state: 'shut-down', checkpointLsn: 1_200, timeline: 1 } };

describe('switchover, while the active node serves', () => {
  const switchover = goal('switchover', 'b');
  const checkpointed: Disk['control'] = { systemIdentifier: '7', state: 'in-production', checkpointLsn: 1_050, timeline: 1 };
  const marked = (
    change: Partial<SwitchoverMark> = {},
    feeding: Partial<Answering> = {},
    control: Disk['control'] = checkpointed,
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
    const stop = { act: 'stop-active', host: 'host-a', node: 'a', limitMs: 2_000, upstream: 'b' };
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

  it('stops nothing while the target cannot show that it has the last checkpoint', () => {
    const blind = (freshAgeMs: number): PostgresSnapshot => {
      const { nodes, ...rest } = marked({ freshAgeMs });
      return { ...rest, nodes: [nodes[0] as PostgresNode, standby('b', 'a', { server: { showsRecords: false } })] };
    };
    expect(then(blind(1_999), switchover)).toMatchObject({ next: 'wait', binding: false });
    expect(then(blind(2_000), switchover)).toMatchObject({
      next: 'stuck',
      reason: expect.stringMatching(/nothing was stopped.*pg_walinspect/),
    });
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

  it('waits for a target that has not asked an active node started a moment ago for its WAL yet', () => {
    const lost = { server: { receiver: null } };
    const started = (upForMs: number): PostgresNode => primary('a', [], { server: { upForMs } });
    const why = expect.stringContaining('does not stream');
    expect(then(given(started(9_999), standby('b', 'a', lost)), switchover)).toEqual({ next: 'wait', why, binding: false });
    expect(then(given(started(10_000), standby('b', 'a', lost)), switchover)).toMatchObject({ next: 'stuck', reason: why });
    expect(then(given(started(100), standby('b', 'z', lost)), switchover)).toMatchObject({ next: 'stuck', reason: why });
    expect(then(given(started(100), down(standby('b', 'a'))), switchover)).toMatchObject({ next: 'stuck', reason: why });
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
    for (const over of [{ returned: true }, { returning: true }]) {
      expect(then(marked(over), switchover)).toMatchObject({ next: 'stuck', reason: expect.stringContaining('started again') });
    }
  });

  it('ends what other switchovers left marked before anything else', () => {
    const left = (change: Partial<Disk>): PostgresSnapshot =>
      given(primary('a', ['b', 'c']), standby('b', 'a'), standby('c', 'a', { disk: { switchover: mark, ...change } }));
    const end = { next: 'act', act: { act: 'end-switchover', host: 'host-c' }, binding: false };
    expect(then(left({}), switchover)).toMatchObject(end);
    expect(then(left({ drained: true }), switchover)).toMatchObject(end);
    expect(then(left({}), goal('switchover', 'c'))).toMatchObject(end);
  });

  it('stops nothing when the time that is left may not do for the promotion or the way back', () => {
    expect(then(marked(), { ...switchover, remainingMs: 8_999 })).toMatchObject({
      next: 'stuck',
      reason: expect.stringMatching(/nothing was stopped: 8999 ms are left.*9000 ms/),
    });
    expect(then(marked(), { ...switchover, remainingMs: 9_000 })).toMatchObject({ act: { act: 'stop-active' } });
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
      act: { act: 'promote', host: 'host-b', node: 'b', systemIdentifier: '7', timeline: 1, replayedLsn: 1_000, receives: false },
      binding: true,
    });
    const control = { ...(cleanStop.control as NonNullable<Disk['control']>), state: 'in-archive-recovery' as const };
    const startedByHand = standby('a', 'b', { disk: { switchover: stopped, control } });
    expect(then(given(startedByHand, replayed), switchover)).toMatchObject({ act: { act: 'promote' } });
  });

  it('stops a standby that would come up as a primary: somebody took its signal away, and it is no ground for a promotion', () => {
    const unsigned = standby('a', 'b', { disk: { switchover: stopped, standbySignal: false } });
    expect(then(given(unsigned, replayed), switchover)).toMatchObject({
      act: { act: 'stop-at-once', host: 'host-a' },
      binding: true,
    });
    const signed = standby('a', 'b', { disk: { switchover: stopped, standbySignal: true } });
    expect(then(given(signed, replayed), switchover)).not.toMatchObject({ act: { act: 'stop-at-once' } });
  });

  it('promotes nobody without proof that the target has everything, marked as the old active node may be', () => {
    const marked = old({ standbySignal: true });
    const late = { next: 'wait', why: expect.stringContaining('has not shown the last checkpoint'), binding: true };
    expect(then(given(marked, standby('b', 'a')), switchover)).toEqual(late);
    for (const state of ['in-production', 'in-crash-recovery', 'shutting-down'] as const) {
      const killed = { systemIdentifier: '7', state, checkpointLsn: 1_200, timeline: 1 };
      expect(then(given(old({ standbySignal: true, control: killed }), replayed), switchover), state).toMatchObject({
        next: 'wait',
      });
    }
    expect(then(given(old({ standbySignal: true, control: null }), replayed), switchover)).toMatchObject({ next: 'wait' });
  });

  it('goes back from a marked node only after the target has certainly not had the last checkpoint for too long', () => {
    const late = { stopAgeMs: 9_000 };
    const without = (replayedLsn: number | null): PostgresNode => standby('b', 'a', { server: { receiver: null, replayedLsn } });
    const back = { next: 'act', act: { act: 'return-active', host: 'host-a' }, binding: true };
    expect(then(given(old({ standbySignal: true }, late), without(1_200)), switchover)).toMatchObject(back);
    expect(then(given(old({ standbySignal: true }), without(1_200)), switchover)).toMatchObject({ next: 'wait' });
    for (const unproven of [1_201, null])
      expect(
        then(given(old({ standbySignal: true }, late), without(unproven)), switchover),
        'it may have been promoted',
      ).toMatchObject({
        next: 'wait',
      });
    const runs = standby('a', 'b', {
      disk: { switchover: { ...stopped, ...late }, control: cleanStop.control as Disk['control'] },
    });
    expect(then(given(runs, without(1_000)), switchover)).toMatchObject({ act: { act: 'stop-at-once', host: 'host-a' } });
  });

  it('is not held up by a third node that is out of sight, and promotes nobody while one is seen to take writes', () => {
    const marked = old({ standbySignal: true });
    const lost: PostgresNode = { ...standby('c', 'a'), disk: { seen: false, reason: 'link down' }, server: silent };
    expect(then(given(marked, replayed, lost), switchover)).toMatchObject({ act: { act: 'promote', host: 'host-b' } });
    expect(then(given(marked, down(replayed), lost), switchover)).toMatchObject({ act: { act: 'return-active' } });
    expect(then(given(marked, replayed, node('c')), switchover)).not.toMatchObject({ act: { act: 'promote' } });
  });

  it('starts the old active node again after a start that failed or was cut off, whoever is asked for', () => {
    const again = { next: 'act', act: { act: 'return-active', host: 'host-a' }, binding: true };
    for (const standbySignal of [true, false]) {
      const returning = old({ standbySignal }, { returning: true });
      expect(then(given(returning, replayed), switchover)).toEqual({ ...again, act: { ...again.act, node: 'a' } });
      expect(then(given(returning, replayed), goal('switchover', 'a'))).toMatchObject(again);
      expect(then(given(returning, replayed, standby('c', 'a')), goal('switchover', 'c'))).toMatchObject(again);
    }
    const starting: PostgresNode = {
      ...node('a', { disk: { switchover: { ...stopped, returning: true } } }),
      server: silent,
    };
    expect(then(given(starting, replayed), switchover)).toMatchObject({ next: 'wait', binding: true });
  });

  it('takes the node stopped last for the old active one, not one with a mark from an earlier switchover', () => {
    const back = goal('switchover', 'a', { key: 'another' });
    const stale = standby('a', 'b', {
      disk: { switchover: { ...mark, stopAgeMs: 900_000 } },
      server: { receiver: null, replayedShutdowns: [1_200] },
    });
    const now = down(primary('b', []), { ...cleanStop, switchover: { ...stopped, target: 'a', key: 'another' } });
    const next = { act: { act: 'mark-standby', host: 'host-b', upstream: 'a' } };
    expect(then(given(stale, now), back)).toMatchObject(next);
    expect(then(given(now, stale), back)).toMatchObject(next);
  });

  it('touches nothing when the marked node went away by itself or was started again before', () => {
    for (const other of [{ stopAgeMs: null }, { returned: true }]) {
      expect(then(given(old({}, other), replayed), switchover)).toMatchObject({
        next: 'stuck',
        reason: expect.stringContaining('not because of a switchover'),
      });
    }
    expect(then(given(old({}, { stopAgeMs: null }), { ...replayed, server: silent }), switchover)).toMatchObject({
      next: 'wait',
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

  it('gives up a member that does not start only after everybody else was pointed', () => {
    const slots = { slots: [slot('a', false), slot('c', false)], timeline: 2 };
    const inVain = { startsInVain: new Map([['a', { times: 3, said: 'no library' }]]) };
    const asked = goal('switchover', 'b', inVain);
    const unpointed = given(oldDown, primary('b', [], { server: slots }), standby('c', 'a'));
    expect(then(unpointed, asked)).toMatchObject({ act: { act: 'repoint', host: 'host-c' } });
    const pointed = given(oldDown, primary('b', ['c'], { server: slots }), following('c'));
    expect(then(pointed, asked)).toMatchObject({ next: 'stuck', reason: expect.stringContaining('no library') });
  });

  it('waits until everybody streams, and leaves drained and dead nodes as they are', () => {
    const unfed = following('a', { disk: { switchover: mark }, server: { receiver: null } });
    const slots = { slots: [slot('a')], timeline: 2 };
    expect(then(given(unfed, primary('b', [], { server: slots })), switchover)).toMatchObject({ next: 'wait', binding: false });
    expect(then(given(following('a'), promoted(['a']), down(standby('c', 'a'), { drained: true })), switchover)).toEqual({
      next: 'done',
    });
    expect(then(given(following('a'), promoted(['a']), down(standby('c', 'a'))), switchover)).toEqual({ next: 'done' });
  });

  it('is not done while a host is out of sight: the old active node may be there', () => {
    const unseen = { disk: { seen: false as const, reason: 'x' }, server: silent };
    expect(then(given({ ...following('a'), ...unseen }, promoted(['c']), following('c')), switchover)).toMatchObject({
      next: 'wait',
      why: expect.stringContaining('host-a'),
    });
  });
});
