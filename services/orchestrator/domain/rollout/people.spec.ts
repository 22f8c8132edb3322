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
import type { Person, RolloutCommand } from './rollout.js';

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
