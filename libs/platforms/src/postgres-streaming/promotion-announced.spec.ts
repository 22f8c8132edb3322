import { describe, expect, it } from 'vitest';
import { postgresSnapshots } from '@understudy/testing';
import { nextAct } from './next-act.js';
import type { Disk, PostgresGoal, PostgresNode, PostgresSnapshot, SwitchoverMark } from './snapshot.js';

const { down, goal, given, mark, primary, silent, standby } = postgresSnapshots;
const then = (snapshot: PostgresSnapshot, wanted: PostgresGoal): unknown => nextAct(snapshot, wanted);
const control: NonNullable<Disk['control']> = { systemIdentifier: '7', state: 'shut-down', checkpointLsn: 1_200, timeline: 1 };
const switchover = goal('switchover', 'b');
const stopped = { ...mark, stopAgeMs: 100 };
const replayed = standby('b', 'a', { server: { receiver: null, replayedShutdowns: [1_200] } });
const lost: PostgresNode = { ...replayed, disk: { seen: false, reason: 'link down' }, server: silent };
const old = (change: Partial<Disk> = {}, switched: Partial<SwitchoverMark> = {}): PostgresNode =>
  down(primary('a', []), { control, switchover: { ...stopped, ...switched }, ...change });

describe('by a mark that says whether a promotion may have begun', () => {
  const unannounced = (change: Partial<SwitchoverMark> = {}): PostgresNode =>
    old({ standbySignal: true }, { promoting: false, ...change });
  const back = {
    next: 'act',
    act: { act: 'return-active', host: 'host-a', node: 'a', unlessPromoting: true },
    binding: true,
  };
  const late = { stopAgeMs: 9_000 };

  it('says so on the old active node first, and promotes only after that', () => {
    const announce = { next: 'act', act: { act: 'announce-promotion', host: 'host-a', node: 'a' }, binding: true };
    expect(then(given(unannounced(), replayed), switchover)).toEqual(announce);
    expect(then(given(unannounced(late), replayed), switchover)).toEqual(announce);
    for (const promoting of [{ promoting: true }, {}])
      expect(then(given(old({ standbySignal: true }, promoting), replayed), switchover)).toMatchObject({
        act: { act: 'promote' },
      });
    expect(then(given(unannounced(), standby('b', 'a')), switchover), 'not replayed').toMatchObject({ next: 'wait' });
  });

  it('goes back without a look at the target when none has begun, after the time for the stop', () => {
    expect(then(given(unannounced(), lost), switchover)).toMatchObject({ next: 'wait', binding: true });
    expect(then(given(unannounced(late), lost), switchover)).toEqual(back);
    expect(then(given(unannounced({ stopMissed: true }), lost), switchover)).toEqual(back);
    const unproven = standby('b', 'a', { server: { receiver: null, replayedLsn: null } });
    expect(then(given(unannounced(late), unproven), switchover)).toEqual(back);
    expect(then(given(unannounced(late), down(replayed, { standbySignal: false })), switchover)).toEqual(back);
    const byHand = standby('a', 'b', { disk: { switchover: { ...stopped, ...late, promoting: false }, control } });
    expect(then(given(byHand, lost), switchover)).toMatchObject({ act: { act: 'stop-at-once', host: 'host-a' } });
  });

  it('goes back at once when the old active node is asked for', () => {
    const asked = goal('switchover', 'a', { key: 'another' });
    expect(then(given(unannounced(), lost), asked)).toEqual(back);
    const byHand = (promoting: boolean): PostgresNode => standby('a', 'b', { disk: { switchover: { ...stopped, promoting } } });
    expect(then(given(byHand(false), lost), asked)).toMatchObject({ act: { act: 'stop-at-once', host: 'host-a' } });
    expect(then(given(byHand(true), lost), asked)).toMatchObject({ next: 'wait' });
  });

  it('waits as ever once one may have begun, and with a mark that does not say it', () => {
    for (const promoting of [{ promoting: true }, {}]) {
      const marked = old({ standbySignal: true }, { ...late, ...promoting });
      expect(then(given(marked, lost), switchover)).toMatchObject({ next: 'wait' });
      expect(then(given(marked, lost), goal('switchover', 'a'))).toMatchObject({ next: 'stuck' });
    }
  });
});

describe('a return that was cut off', () => {
  it("does not start it again from a standby's mark while the target may have been promoted", () => {
    const returning = old({ standbySignal: true }, { returning: true });
    for (const asked of ['a', 'b', 'c'])
      expect(then(given(returning, lost, standby('c', 'a')), goal('switchover', asked)), asked).not.toMatchObject({
        next: 'act',
      });
    expect(then(given(returning, down(replayed, { standbySignal: false })), switchover)).toMatchObject({ next: 'wait' });
    const back = { next: 'act', act: { act: 'return-active', host: 'host-a' } };
    expect(then(given(returning, down(replayed)), switchover)).toMatchObject(back);
    expect(then(given(old({}, { returning: true }), lost), switchover), 'its signal is gone').toMatchObject(back);
    const unannounced = old({ standbySignal: true }, { returning: true, promoting: false });
    expect(then(given(unannounced, lost), switchover)).toMatchObject(back);
  });
});
