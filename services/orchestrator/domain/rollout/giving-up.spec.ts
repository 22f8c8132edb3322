import { describe, expect, it } from 'vitest';
import { ADA, at, eventsOf, HELD, MINE, outcome, request, RUNNING, stateOf } from './fixtures/contract.js';
import type { RolloutCommand, RolloutState } from './rollout.js';

const abort: RolloutCommand = { type: 'Abort', by: ADA, reason: 'enough', at: at(6) };
const after = (state: RolloutState, ...commands: readonly RolloutCommand[]): RolloutState =>
  commands.reduce((so, command) => stateOf(eventsOf(command, so), so), state);

describe('giving up', () => {
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
