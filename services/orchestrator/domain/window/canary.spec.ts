import { describe, expect, it } from 'vitest';
import { NOTHING_TO_DO } from '../rollout/versions.js';
import { ADA, at, ended, MINUTE_MS, OPENED, rollout, scheduled, Story } from './fixtures/contract.js';

describe('the failure budget of a window', () => {
  const canary = {
    clusters: ['a', 'x', 'b'],
    waves: [
      { canary: true, clusters: ['a', 'x'] },
      { canary: false, clusters: ['b'] },
    ],
    failureBudget: 9,
  };

  it('does not speak for a canary wave of which nothing has succeeded: the window is held until a person lets it go on', () => {
    const window = new Story(scheduled(canary), OPENED);
    const idle = rollout('a', { ended: { result: 'refused', reason: NOTHING_TO_DO, at: at(-1) } });
    const unseen = rollout('x', { planned: false, hosts: [], forwardMs: 0, wayBackMs: 20 * MINUTE_MS });
    const b = rollout('b', { forwardMs: MINUTE_MS, wayBackMs: 0 });
    expect(window.look(0, idle, unseen, b)).toEqual(['WaveBegun 1']);
    const late =
      'It had to begin by 2026-03-01T21:40:00.000Z to leave time for the way back. It has not been planned yet: its cluster could not be looked at.';
    expect(window.look(101, idle, unseen, b)).toEqual([
      `given up r-x: ${late}`,
      'WaveEnded 1',
      `held: The canary wave has ended, and nothing of it succeeded: a refused (${NOTHING_TO_DO}); x was given up (${late}).`,
    ]);
    expect(window.look(102, idle, unseen, b)).toEqual([]);
    const resume = { type: 'ResumeWindow', by: ADA, rollouts: [idle, unseen, b], at: at(103) } as const;
    expect(window.give(resume)).toEqual(['WindowResumed']);
    expect(window.state.passedOver).toEqual(['r-a', 'r-x']);
    expect(window.look(103, idle, unseen, b)).toEqual(['WaveBegun 2', 'begun r-b']);
  });

  it('is not used up by a person who resumed after the first failure, when the last of the canary wave fails at that moment', () => {
    const window = new Story(scheduled({ ...canary, failureBudget: 9 }), OPENED);
    const [a, x, b] = [ended('a', 'failed'), rollout('x'), rollout('b')];
    window.look(0, rollout('a'), x, b);
    expect(window.look(9, a, x, b)).toEqual(['held: The canary wave had a failed (as the log says).']);
    const rollouts = [a, ended('x', 'failed'), b];
    const resume = { type: 'ResumeWindow', by: ADA, rollouts } as const;
    expect(window.give({ ...resume, at: at(10) })).toEqual(['WindowResumed']);
    expect(window.look(10, ...rollouts)).toEqual([
      'WaveEnded 1',
      'held: The canary wave has ended, and nothing of it succeeded: a failed (as the log says); x failed (as the log says).',
    ]);
    expect(window.give({ ...resume, at: at(11) })).toEqual(['WindowResumed']);
    expect(window.look(11, ...rollouts)).toEqual(['WaveBegun 2', 'begun r-b']);
  });

  it('of a canary wave is kept by one success, whatever became of the others without a failure', () => {
    const window = new Story(scheduled({ ...canary, failureBudget: 0 }), OPENED);
    const idle = rollout('x', { ended: { result: 'refused', reason: NOTHING_TO_DO, at: at(-1) } });
    window.look(0, rollout('a'), idle, rollout('b'));
    expect(window.look(9, ended('a', 'succeeded'), idle, rollout('b'))).toEqual(['WaveEnded 1', 'WaveBegun 2', 'begun r-b']);
  });
});
