import { describe, expect, it } from 'vitest';
import {
  at,
  codesOf,
  eventsOf,
  plannedOf,
  stateOf,
  ADA,
  PLANNED,
  RUNNING,
  HELD,
  CLOSED,
  typesOf,
  request,
  outcome,
} from './fixtures/contract.js';
import type { Person, RolloutCommand, RolloutEvent, RolloutState } from './rollout.js';
import { stepNamed } from './state.js';

describe('people', () => {
  const orders = (by: Person): readonly RolloutCommand[] => [
    { type: 'Hold', by, reason: 'r', at: at(1) },
    { type: 'Resume', by, at: at(1) },
    { type: 'Abort', by, reason: 'r', at: at(1) },
    { type: 'Freeze', by, reason: 'r', at: at(1) },
  ];
  const [hold, resume, abort, freeze] = orders(ADA) as readonly [RolloutCommand, RolloutCommand, RolloutCommand, RolloutCommand];

  it('without the role steer nothing', () => {
    for (const role of ['viewer', 'approver'] as const) {
      for (const order of orders({ subject: 'eve', role })) expect(codesOf(order, RUNNING)).toEqual(['ROLE_MISSING']);
    }
    for (const role of ['admin', 'system'] as const)
      expect(typesOf({ type: 'Hold', by: { subject: 'x', role }, reason: '', at: at(1) }, RUNNING)).toEqual(['HoldRequested']);
  });

  it('hold at once before admission, at the next safe point after it, once', () => {
    expect(typesOf(hold, stateOf([PLANNED]))).toEqual(['HoldRequested', 'RolloutHeld']);
    const asked = stateOf(eventsOf(hold, RUNNING), RUNNING);
    expect(typesOf(hold, asked)).toEqual([]);
    expect(typesOf(hold, stateOf([HELD], RUNNING))).toEqual([]);
    expect(typesOf(hold, stateOf(eventsOf(freeze, RUNNING), RUNNING))).toEqual([]);
  });

  it('resume what stands, back to where it was', () => {
    expect(codesOf(resume, RUNNING)).toEqual(['NOT_HELD']);
    const before = stateOf(eventsOf(hold, stateOf([PLANNED])), stateOf([PLANNED]));
    expect(stateOf(eventsOf(resume, before), before)).toMatchObject({ status: 'planned', held: null });
    const asked = stateOf(eventsOf(hold, RUNNING), RUNNING);
    expect(stateOf(eventsOf(resume, asked), asked)).toMatchObject({ status: 'running', holdRequested: null });
  });

  it('end a freeze, and nothing but the freeze: what stood before it stands again, until it is resumed in its turn', () => {
    const frozenOver = (state: RolloutState): RolloutState => stateOf(eventsOf(freeze, state), state);
    const resumed = (state: RolloutState): RolloutState => stateOf(eventsOf(resume, state), state);
    const failed: RolloutEvent = {
      type: 'StepFailed',
      data: { stepId: '01-start-probe', attempt: 1, at: at(2), evidence: {}, reason: 'no', mayRepeat: false },
    };
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    const held = stateOf([failed, HELD], begun);
    const again = resumed(frozenOver(held));
    expect(again).toMatchObject({ status: 'held', held: held.held, frozen: null, steps: held.steps });
    expect(resumed(again)).toMatchObject({ status: 'running', held: null });
    expect(stepNamed(resumed(again), '01-start-probe')?.status).toBe('planned');
    const asked = stateOf(eventsOf(hold, RUNNING), RUNNING);
    expect(resumed(frozenOver(asked))).toMatchObject({ status: 'running', holdRequested: { by: 'ada', reason: 'r' } });
    const failing = resumed(stateOf([failed], frozenOver(begun)));
    expect(failing).toMatchObject({ status: 'running', frozen: null });
    expect(stepNamed(failing, '01-start-probe')?.status, 'its failure is judged as if nobody had frozen it').toBe('failed');
    const early = stateOf(eventsOf(hold, stateOf([PLANNED])), stateOf([PLANNED]));
    expect(resumed(frozenOver(early))).toMatchObject({ status: 'held', held: early.held });
    expect(eventsOf(resume, frozenOver(held))).toMatchObject([{ type: 'RolloutResumed', data: { as: 'held' } }]);
  });

  it('end the freeze that they name, and no other, nor a hold', () => {
    const frozen = stateOf(eventsOf(freeze, RUNNING), RUNNING);
    const end = (frozenSince: string): RolloutCommand => ({ type: 'Resume', by: ADA, frozenSince, at: at(2) });
    expect(typesOf(end(at(1)), frozen)).toEqual(['RolloutResumed']);
    expect(typesOf(end(at(0)), frozen)).toEqual([]);
    expect(typesOf(end(at(1)), stateOf([HELD], RUNNING))).toEqual([]);
    expect(typesOf(end(at(1)), RUNNING)).toEqual([]);
  });

  it('abort: at once before admission, with a plan or without; after a freeze only once resumed', () => {
    const events = eventsOf(abort, stateOf([PLANNED]));
    expect(events).toMatchObject([{ type: 'AbortRequested' }, { type: 'RolloutClosed', data: { result: 'aborted' } }]);
    expect(typesOf(abort, stateOf([{ type: 'RolloutPlanned', data: plannedOf({ plan: null }) }]))).toEqual([
      'AbortRequested',
      'RolloutClosed',
    ]);
    const frozen = stateOf(eventsOf(freeze, RUNNING), RUNNING);
    expect(codesOf(abort, frozen)).toEqual(['FROZEN']);
    const asked = stateOf(eventsOf(abort, RUNNING), RUNNING);
    expect(typesOf(abort, asked)).toEqual([]);
  });

  it('abort a second time where the way back is held up: it ends where it stands, with what remains', () => {
    const asked = stateOf(eventsOf(abort, RUNNING), RUNNING);
    const out = { ...stateOf([HELD], asked), out: [{ node: 'b', stage: 'drained' as const }] };
    expect(eventsOf(abort, out)).toMatchObject([
      { type: 'AbortRequested' },
      { type: 'RolloutClosed', data: { result: 'needs-attention', remains: [{ what: 'b is out of service (drained).' }] } },
    ]);
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    const busy = stateOf([HELD], stateOf(eventsOf(abort, begun), begun));
    expect(typesOf(abort, busy)).toEqual([]);
  });

  it('freeze: at once, whatever happens, and facts are still recorded', () => {
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    const frozen = stateOf(eventsOf(freeze, begun), begun);
    expect(frozen.frozen).toMatchObject({ by: 'ada' });
    expect(typesOf(freeze, frozen)).toEqual([]);
    const after = stateOf(eventsOf(outcome('01-start-probe', { outcome: 'unknown', reason: 'x' }), frozen), frozen);
    expect(after.status).toBe('frozen');
    expect(stateOf([CLOSED, HELD], frozen).status).toBe('closed');
  });
});
