import { describe, expect, it } from 'vitest';
import { NOTHING_TO_DO } from '../rollout/versions.js';
import { ADA, at, BOB, ended, FROZEN, MINUTE_MS, OPENED, rollout, scheduled, Story } from './fixtures/contract.js';
import type { RolloutSeen } from './rollouts.js';
import { nextTurnMs, resultsOf } from './waves.js';

describe('a window without waves of its own', () => {
  const one = { waves: [{ canary: false, clusters: ['a', 'b'] }], clusters: ['a', 'b'] };

  it('begins everything when it opens, and is not held by a failure: nothing is left to be held', () => {
    const window = new Story(scheduled(one));
    expect(window.look(-1, rollout('a'), rollout('b'))).toEqual([]);
    expect(window.waits('a', rollout('a'))).toBe(`The window opens at ${at(0)}.`);
    window.give({ type: 'OpenWindow', at: at(0) });
    expect(window.look(0, rollout('a'), rollout('b'))).toEqual(['WaveBegun 1', 'begun r-a r-b']);
    expect(window.look(1, rollout('a'), rollout('b'))).toEqual([]);
    expect(window.waits('a', rollout('a'), rollout('b'))).toBeNull();
    expect(window.look(9, ended('a', 'failed'), rollout('b'))).toEqual([]);
    expect(window.look(10, ended('a', 'failed'), ended('b', 'succeeded'))).toEqual(['WaveEnded 1']);
    expect(window.look(11, ended('a', 'failed'), ended('b', 'succeeded'))).toEqual([]);
    expect(window.state.waves).toEqual([
      { begunAt: at(0), ended: { at: at(10), soakUntil: at(10), results: { failed: 1, succeeded: 1 } }, passedOver: false },
    ]);
  });

  it('waits for a cluster that could not be looked at, and begins it when it was', () => {
    const window = new Story(scheduled(one), OPENED);
    const unseen = rollout('b', { planned: false, hosts: [], forwardMs: 0, wayBackMs: 0 });
    expect(window.look(0, rollout('a'), unseen)).toEqual(['WaveBegun 1', 'begun r-a']);
    expect(window.waits('b', rollout('a'), unseen)).toBe('It has not been planned yet: its cluster could not be looked at.');
    expect(window.look(3, rollout('a'), rollout('b'))).toEqual(['begun r-b']);
  });

  it('leaves alone what a version without waves had begun, however late it is', () => {
    const window = new Story(scheduled(one), OPENED);
    expect(window.look(115, rollout('a', { begun: true }), rollout('b', { begun: true }))).toEqual(['WaveBegun 1']);
  });
});

describe('waves', () => {
  it('follow one another, each after the soak of the one before', () => {
    const window = new Story(scheduled({ soakMs: 10 * MINUTE_MS }), OPENED);
    expect(window.look(0, rollout('a'), rollout('b'), rollout('c'))).toEqual(['WaveBegun 1', 'begun r-a']);
    expect(window.waits('b', rollout('a'), rollout('b'))).toBe('Wave 1 has not ended.');
    const done = ended('a', 'succeeded');
    expect(window.look(10, done, rollout('b'), rollout('c'))).toEqual(['WaveEnded 1']);
    expect(window.waits('b', done, rollout('b'), rollout('c'))).toBe(`Wave 1 soaks until ${at(20)}.`);
    expect(window.waits('c', done, rollout('b'), rollout('c'))).toBe('Wave 2 has not begun.');
    expect(nextTurnMs(window.state, [done, rollout('b'), rollout('c')], Date.parse(at(10)))).toBe(Date.parse(at(20)));
    expect(window.look(19, done, rollout('b'), rollout('c'))).toEqual([]);
    expect(window.look(20, done, rollout('b'), rollout('c'))).toEqual(['WaveBegun 2', 'begun r-b']);
  });

  it('of which nothing ran end at once and need no soak', () => {
    const window = new Story(scheduled({ soakMs: 10 * MINUTE_MS }), OPENED);
    const done = rollout('a', { ended: { result: 'refused', reason: `topology: ${NOTHING_TO_DO}`, at: at(-5) } });
    expect(window.look(0, done, rollout('b'), rollout('c'))).toEqual(['WaveBegun 1', 'WaveEnded 1', 'WaveBegun 2', 'begun r-b']);
  });

  it('are given up as a whole where they could not end in time, and so is every wave behind', () => {
    const window = new Story(scheduled({ closesAt: at(40) }), OPENED);
    window.look(0, rollout('a'), rollout('b'), rollout('c'));
    expect(nextTurnMs(window.state, [rollout('a'), rollout('b'), rollout('c')], Date.parse(at(0)))).toBe(Date.parse(at(25)) + 1);
    expect(window.look(25, rollout('a'), rollout('b'), rollout('c'))).toEqual([]);
    const reason = `Wave 2 takes 900000 ms there and back and had to begin by ${at(25)}. Wave 1 has not ended.`;
    expect(window.look(26, rollout('a'), rollout('b'), rollout('c'))).toEqual([
      `given up r-b: ${reason} | given up r-c: ${reason}`,
    ]);
    expect(window.look(27, rollout('a'), rollout('b'), rollout('c'))).toEqual([]);
    expect(nextTurnMs(window.state, [rollout('a'), rollout('b'), rollout('c')], Date.parse(at(27)))).toBeNull();
    expect(window.look(30, ended('a', 'succeeded'), rollout('b'), rollout('c'))).toEqual(['WaveEnded 1']);
    expect(window.waits('b', ended('a', 'succeeded'), rollout('b'))).toBeNull();
  });

  it('are given up at once where the soak alone takes too long, or the window opened too late', () => {
    const soaks = new Story(scheduled({ soakMs: 100 * MINUTE_MS }), OPENED);
    soaks.look(0, rollout('a'), rollout('b'), rollout('c'));
    const reason = `Wave 2 takes 900000 ms there and back and had to begin by ${at(105)}. Wave 1 soaks until ${at(110)}.`;
    expect(soaks.look(10, ended('a', 'succeeded'), rollout('b'), rollout('c'))).toEqual([
      'WaveEnded 1',
      `given up r-b: ${reason} | given up r-c: ${reason}`,
    ]);
    const late = new Story(scheduled({ clusters: ['a'] }), OPENED);
    expect(late.look(106, rollout('a'))).toEqual([
      `given up r-a: Wave 1 takes 900000 ms there and back and had to begin by ${at(105)}. No wave has begun yet.`,
    ]);
  });
});

describe('the failure budget', () => {
  const two = {
    clusters: ['a', 'b', 'c', 'd'],
    waves: [
      { canary: true, clusters: ['a'] },
      { canary: false, clusters: ['b', 'c'] },
      { canary: false, clusters: ['d'] },
    ],
    failureBudget: 1,
  };

  it('of a canary wave is nothing: its first failure holds the window, and says why', () => {
    const window = new Story(scheduled(two), OPENED);
    const [b, c, d] = [rollout('b'), rollout('c'), rollout('d')];
    expect(window.look(0, rollout('a'), b, c, d)).toEqual(['WaveBegun 1', 'begun r-a']);
    const failed = ended('a', 'rolled-back', 'the standby did not start');
    expect(window.look(9, failed, b, c, d)).toEqual([
      'WaveEnded 1',
      'held: The canary wave had a rolled-back (the standby did not start).',
    ]);
    expect(window.state).toMatchObject({ status: 'held', held: { by: 'system', whoCanChangeIt: /operator/ } });
    expect(window.look(30, failed, b, c, d)).toEqual([]);
    expect(window.waits('b', failed, b, c, d)).toBe(
      'The window is held: The canary wave had a rolled-back (the standby did not start).',
    );
  });

  it('lets a person go on with what they have seen, and counts from there', () => {
    const window = new Story(scheduled(two), OPENED);
    const [b, c, d] = [rollout('b'), rollout('c'), rollout('d')];
    window.look(0, rollout('a'), b, c, d);
    const failed = ended('a', 'failed');
    window.look(9, failed, b, c, d);
    const resume = { type: 'ResumeWindow', by: ADA, rollouts: [failed, b, c, d], at: at(12) } as const;
    expect(window.give({ ...resume, by: BOB })).toEqual(['ROLE_MISSING']);
    expect(window.give(resume)).toEqual(['WindowResumed']);
    expect(window.give(resume)).toEqual(['WINDOW_NOT_HELD']);
    expect(window.state).toMatchObject({ status: 'open', held: null, passedOver: ['r-a'] });
    expect(window.look(12, failed, b, c, d)).toEqual(['WaveBegun 2', 'begun r-b r-c']);
    expect(window.look(20, failed, ended('b', 'failed'), rollout('c'), d)).toEqual([]);
    expect(window.look(22, failed, ended('b', 'failed'), ended('c', 'aborted'), d)).toEqual([
      'WaveEnded 2',
      'held: 2 without success, the failure budget is 1: b failed (as the log says); c aborted (as the log says).',
    ]);
  });

  it('gives up while held what nobody let go on in time', () => {
    const window = new Story(scheduled(two), OPENED);
    const [b, c, d] = [rollout('b'), rollout('c'), rollout('d')];
    window.look(0, rollout('a'), b, c, d);
    window.look(9, ended('a', 'failed'), b, c, d);
    expect(window.look(106, ended('a', 'failed'), b, c, d)[0]).toContain('The window is held: The canary wave');
    expect(Object.keys(window.state.givenUp)).toEqual(['r-b', 'r-c', 'r-d']);
  });

  it('is not touched by waves that have not begun, nor by a cluster that had nothing to do', () => {
    const waves = two.waves.map((wave) => ({ ...wave, canary: false }));
    const window = new Story(scheduled({ ...two, waves, failureBudget: 0 }), OPENED);
    const done = rollout('a', { ended: { result: 'refused', reason: NOTHING_TO_DO, at: at(-1) } });
    const cannot = rollout('d', { ended: { result: 'refused', reason: 'It cannot roll.', at: at(-1) } });
    expect(window.look(0, done, rollout('b'), rollout('c'), cannot)).toEqual([
      'WaveBegun 1',
      'WaveEnded 1',
      'WaveBegun 2',
      'begun r-b r-c',
    ]);
  });
});

describe('inside a wave', () => {
  const all = { clusters: ['a', 'b', 'c'], waves: [{ canary: false, clusters: ['a', 'b', 'c'] }], failureBudget: 3 };

  it('clusters that share a host run one after the other', () => {
    const window = new Story(scheduled(all), OPENED);
    const [a, b, c] = [rollout('a', { hosts: ['h1', 'h2'] }), rollout('b', { hosts: ['h2', 'h3'] }), rollout('c')];
    expect(window.look(0, c, b, a)).toEqual(['WaveBegun 1', 'begun r-a r-c']);
    expect(window.waits('b', a, b, c)).toBe('The rollout of a is on h2, too.');
    expect(window.look(9, { ...a, ended: ended('a', 'failed').ended }, b, c)).toEqual(['begun r-b']);
  });

  it('a cluster begins after those that it depends on', () => {
    const window = new Story(scheduled({ ...all, dependsOn: [{ cluster: 'a', on: ['b', 'c'] }] }), OPENED);
    const [a, b, c] = [rollout('a'), rollout('b'), rollout('c')];
    expect(window.look(0, a, b, c)).toEqual(['WaveBegun 1', 'begun r-b r-c']);
    expect(window.look(9, a, ended('b', 'succeeded'), c)).toEqual([]);
    expect(window.waits('a', a, ended('b', 'succeeded'), c)).toBe('c, on which it depends, has not ended.');
    expect(window.look(10, a, ended('b', 'succeeded'), ended('c', 'refused', NOTHING_TO_DO))).toEqual(['begun r-a']);
  });

  it('and is given up when one of them did not succeed, and so is what depends on it', () => {
    const on = [
      { cluster: 'a', on: ['b'] },
      { cluster: 'b', on: ['c'] },
    ];
    const window = new Story(scheduled({ ...all, dependsOn: on }), OPENED);
    expect(window.look(0, rollout('a'), rollout('b'), rollout('c'))).toEqual(['WaveBegun 1', 'begun r-c']);
    expect(window.look(9, rollout('a'), rollout('b'), ended('c', 'failed'))).toEqual([
      'given up r-b: c, on which b depends, ended failed.',
      'given up r-a: b, on which a depends, was given up.',
      'WaveEnded 1',
    ]);
  });

  it('what waits is given up when it could not get back in time', () => {
    const window = new Story(scheduled({ ...all, closesAt: at(50) }), OPENED);
    const [a, b, c] = ['a', 'b', 'c'].map((cluster) => rollout(cluster, { hosts: ['h'] })) as [
      RolloutSeen,
      RolloutSeen,
      RolloutSeen,
    ];
    expect(window.look(0, a, b, c)).toEqual(['WaveBegun 1', 'begun r-a']);
    expect(nextTurnMs(window.state, [a, b, c], Date.parse(at(1)))).toBe(Date.parse(at(35)) + 1);
    const reason = `It had to begin by ${at(35)} to leave time for the way back. The rollout of a is on h, too.`;
    expect(window.look(36, a, b, c)).toEqual([`given up r-b: ${reason} | given up r-c: ${reason}`]);
    expect(resultsOf([ended('a', 'succeeded'), b, c])).toEqual({ succeeded: 1 });
  });

  it('one that waits for a failure that its dependency and the clock both tell is given up once', () => {
    const window = new Story(scheduled({ ...all, dependsOn: [{ cluster: 'b', on: ['a'] }], closesAt: at(50) }), OPENED);
    window.look(0, rollout('a'), rollout('b'), ended('c', 'succeeded'));
    expect(window.look(40, ended('a', 'failed'), rollout('b'), ended('c', 'succeeded'))).toEqual([
      'given up r-b: a, on which b depends, ended failed.',
      'WaveEnded 1',
    ]);
  });
});

describe('a person', () => {
  const hold = { type: 'HoldWindow', by: ADA, reason: 'the storage is slow', at: at(3) } as const;
  const freeze = { type: 'FreezeWindow', by: ADA, reason: 'smoke', at: at(5) } as const;
  const abort = { type: 'AbortWindow', by: ADA, reason: 'enough', at: at(6) } as const;
  const resume = { type: 'ResumeWindow', by: ADA, rollouts: [], at: at(8) } as const;
  const all = [rollout('a'), rollout('b'), rollout('c')];

  it('holds an open window: nothing further begins, what runs ends', () => {
    const window = new Story(scheduled());
    expect(window.give(hold)).toEqual(['WINDOW_NOT_READY']);
    window.give({ type: 'OpenWindow', at: at(0) });
    window.look(0, ...all);
    expect(window.give({ ...hold, by: BOB })).toEqual(['ROLE_MISSING']);
    expect(window.give(hold)).toEqual(['held: the storage is slow']);
    expect(window.give(hold)).toEqual([]);
    expect(window.give({ type: 'OpenWindow', at: at(4) })).toEqual([]);
    expect(window.look(10, ended('a', 'succeeded'), rollout('b'), rollout('c'))).toEqual(['WaveEnded 1']);
    expect(window.give(resume)).toEqual(['WindowResumed']);
    expect(window.look(11, ended('a', 'succeeded'), rollout('b'), rollout('c'))).toEqual(['WaveBegun 2', 'begun r-b']);
  });

  it('freezes it at any wave; it goes on as what it was', () => {
    for (const before of ['scheduled', 'open', 'held', 'aborting'] as const) {
      const window = new Story(scheduled());
      if (before !== 'scheduled') window.give({ type: 'OpenWindow', at: at(0) });
      if (before === 'held') window.give(hold);
      if (before === 'aborting') window.give(abort);
      const { stopped } = window.state;
      expect(window.give({ ...freeze, fleet: true })).toEqual(['WindowFrozen']);
      expect(window.look(6, ...all)).toEqual([]);
      expect(nextTurnMs(window.state, all, Date.parse(at(6)))).toBeNull();
      expect(window.waits('a', ...all)).toBe('The window is frozen: a person drives.');
      expect(window.state).toMatchObject({ stopped: { by: 'ada', reason: 'smoke' }, frozenFrom: { fleet: true } });
      expect(window.give(resume)).toEqual(['WindowResumed']);
      expect(window.state).toMatchObject({
        status: before,
        stopped,
        frozenFrom: null,
        thaw: { by: 'ada', at: at(8), frozenAt: [at(5)] },
      });
    }
  });

  it('aborts it: nothing further begins or waits', () => {
    const window = new Story(scheduled());
    expect(window.give(abort)).toEqual(['WINDOW_NOT_READY']);
    window.give({ type: 'OpenWindow', at: at(0) });
    expect(window.give({ ...abort, by: BOB })).toEqual(['ROLE_MISSING']);
    expect(window.give(abort)).toEqual(['WindowAborted']);
    expect(window.give(abort)).toEqual([]);
    expect(window.look(7, ...all)).toEqual([]);
    expect(window.waits('a', ...all)).toBeNull();
    expect(window.state).toMatchObject({ status: 'aborting', stopped: { reason: 'enough' } });
    expect(window.give({ type: 'CloseWindow', results: { aborted: 3 }, at: at(9) })).toEqual(['WindowClosed']);
    expect(new Story(scheduled(), OPENED, FROZEN).give(abort)).toEqual(['WINDOW_NOT_READY']);
  });
});
