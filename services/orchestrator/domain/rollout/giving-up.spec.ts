import { describe, expect, it } from 'vitest';
import { ADA, at, drive, eventsOf, HELD, MINE, of, outcome, request, RUNNING, stateOf, type Owner } from './fixtures/contract.js';
import type { RolloutCommand, RolloutState } from './rollout.js';
import { isoOf } from './time.js';

const abort: RolloutCommand = { type: 'Abort', by: ADA, reason: 'enough', at: at(6) };
const after = (state: RolloutState, ...commands: readonly RolloutCommand[]): RolloutState =>
  commands.reduce((so, command) => stateOf(eventsOf(command, so), so), state);

describe('giving up', () => {
  const atOnce = (command: RolloutCommand): Owner => {
    let given = false;
    const before = (_move: unknown, owner: Owner): undefined => {
      if (given || owner.state.status !== 'running') return;
      given = true;
      owner.give({ ...command, at: isoOf(owner.world.nowMs) } as RolloutCommand);
    };
    return drive({ before });
  };

  it('before anything began: there is nothing to take back, and it ends without a step', () => {
    const owner = atOnce(abort);
    expect(owner.state.closed).toMatchObject({ result: 'aborted', reason: 'Aborted by ada: enough', remains: [] });
    expect(owner.state.steps).toEqual([]);
    expect(owner.world.journal).toEqual([]);
  });

  it('a hold before anything began stands after no step', () => {
    const owner = atOnce({ type: 'Hold', by: ADA, reason: 'wait', at: '' });
    expect(of(owner, 'RolloutHeld')).toMatchObject([{ reason: 'wait', afterStep: null }]);
    expect(owner.world.journal).toEqual([]);
  });

  it('does not try again what was to be tried again: the way back is what comes', () => {
    const failed = outcome('01-start-probe', { outcome: 'failed', reason: 'no answer', mayRepeat: true });
    const again = after(RUNNING, request('01-start-probe'), failed);
    expect(again.steps[0]).toMatchObject({ status: 'planned', attempt: 1 });
    const turned = after(again, abort, { type: 'Conclude', snapshot: null, interruption: null, ...MINE });
    expect(turned.status).toBe('recovering');
    expect(turned.steps[0]).toMatchObject({ status: 'failed', attempt: 1, reason: 'no answer' });
  });

  it('asked for again while it stands on its way back, ends where it stands and says so', () => {
    const stuck = stateOf([HELD], after(RUNNING, abort));
    const [, closed] = eventsOf({ ...abort, at: at(9) }, stuck);
    expect(closed).toMatchObject({ type: 'RolloutClosed', data: { reason: 'Aborted by ada where it stood (r): enough' } });
  });
});
