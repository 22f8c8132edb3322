import { describe, expect, it } from 'vitest';
import { at, codesOf, eventsOf, plannedOf, stateOf } from './fixtures/contract.js';
import type { Person, RolloutCommand, RolloutEvent, RolloutState } from './rollout.js';

const ADA: Person = { subject: 'ada', role: 'operator' };
const PLANNED: RolloutEvent = { type: 'RolloutPlanned', data: plannedOf() };
const ADOPTED: RolloutEvent = { type: 'RolloutAdopted', data: { instance: 'one', incarnation: 'i-1', at: at(0) } };
const ADMITTED: RolloutEvent = {
  type: 'RolloutAdmitted',
  data: { hosts: ['host-a', 'host-b'], at: at(0), acceptedRisks: ['a pair'] },
};
const RUNNING = stateOf([PLANNED, ADOPTED, ADMITTED]);
const CLOSED: RolloutEvent = {
  type: 'RolloutClosed',
  data: {
    result: 'aborted',
    reason: '',
    at: at(1),
    remains: [],
    interruption: { measured: false, reason: '' },
    versions: {},
    notRequired: [],
    hosts: [],
  },
};
const HELD: RolloutEvent = { type: 'RolloutHeld', data: { reason: 'r', whoCanChangeIt: 'w', afterStep: null, at: at(1) } };
const types = (command: RolloutCommand, state: RolloutState): readonly string[] =>
  eventsOf(command, state).map((event) => event.type);
const request = (stepId: string): RolloutCommand => ({
  type: 'RequestStep',
  stepId,
  snapshot: null,
  incarnation: 'i-1',
  at: at(5),
});
const outcome = (stepId: string, more: Partial<Extract<RolloutCommand, { type: 'RecordOutcome' }>> = {}): RolloutCommand => ({
  type: 'RecordOutcome',
  stepId,
  attempt: 1,
  outcome: 'succeeded',
  adopted: false,
  reason: '',
  evidence: {},
  incarnation: 'i-1',
  at: at(5),
  ...more,
});

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
      expect(types({ type: 'Hold', by: { subject: 'x', role }, reason: '', at: at(1) }, RUNNING)).toEqual(['HoldRequested']);
  });

  it('hold at once before admission, at the next safe point after it, once', () => {
    expect(types(hold, stateOf([PLANNED]))).toEqual(['HoldRequested', 'RolloutHeld']);
    const asked = stateOf(eventsOf(hold, RUNNING), RUNNING);
    expect(types(hold, asked)).toEqual([]);
    expect(types(hold, stateOf([HELD], RUNNING))).toEqual([]);
    expect(types(hold, stateOf(eventsOf(freeze, RUNNING), RUNNING))).toEqual([]);
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
    expect(types(abort, stateOf([{ type: 'RolloutPlanned', data: plannedOf({ plan: null }) }]))).toEqual([
      'AbortRequested',
      'RolloutClosed',
    ]);
    const frozen = stateOf(eventsOf(freeze, RUNNING), RUNNING);
    expect(codesOf(abort, frozen)).toEqual(['FROZEN']);
    const asked = stateOf(eventsOf(abort, RUNNING), RUNNING);
    expect(types(abort, asked)).toEqual([]);
  });

  it('freeze: at once, whatever happens, and facts are still recorded', () => {
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    const frozen = stateOf(eventsOf(freeze, begun), begun);
    expect(frozen.frozen).toMatchObject({ by: 'ada' });
    expect(types(freeze, frozen)).toEqual([]);
    const after = stateOf(eventsOf(outcome('01-start-probe', { outcome: 'unknown', reason: 'x' }), frozen), frozen);
    expect(after.status).toBe('frozen');
    expect(stateOf([CLOSED, HELD], frozen).status).toBe('closed');
  });
});
