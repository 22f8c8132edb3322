import { describe, expect, it } from 'vitest';
import {
  activeSeen,
  at,
  codesOf,
  eventsOf,
  inputsOf,
  nodeSeen,
  Owner,
  PAIR,
  plannedOf,
  planOf,
  seen,
  stateOf,
  T0,
  World,
  ADA,
  PLANNED,
  ADOPTED,
  ADMITTED,
  RUNNING,
  HELD,
  MINE,
  CLOSED,
  typesOf,
  request,
  outcome,
} from './fixtures/contract.js';
import { decide } from './decide.js';
import type { RolloutCommand, RolloutEvent } from './rollout.js';
import { INITIAL } from './state.js';

const conclude = (more: Partial<Extract<RolloutCommand, { type: 'Conclude' }>> = {}): RolloutCommand => ({
  type: 'Conclude', snapshot: null, interruption: null, ...MINE, ...more,
}); // prettier-ignore

describe('planning', () => {
  const command: RolloutCommand = { type: 'PlanRollout', planned: plannedOf(), downtimePlan: null };

  it('is done once; the same again changes nothing, another one is refused', () => {
    expect(eventsOf(command, INITIAL)).toEqual([PLANNED]);
    expect(typesOf(command, stateOf([PLANNED]))).toEqual([]);
    expect(codesOf({ ...command, planned: plannedOf({ rolloutId: 'r-2' }) }, stateOf([PLANNED]))).toEqual(['ALREADY_PLANNED']);
  });

  it('offers the downtime plan with it where there is one', () => {
    const downtimePlan = { reason: 'r', steps: [], estimatedDowntimeMs: 0, whyNotLess: 'w' };
    const events = eventsOf({ ...command, planned: plannedOf({ plan: null, noPlanBecause: 'alone' }), downtimePlan }, INITIAL);
    expect(events.map((event) => event.type)).toEqual(['RolloutPlanned', 'DowntimePlanOffered']);
    expect(stateOf(events)).toMatchObject({ downtimePlan, serving: null, steps: [] });
  });

  it('comes before everything else, and nothing comes after the end', () => {
    expect(codesOf({ type: 'Hold', by: ADA, reason: '', at: at(0) }, INITIAL)).toEqual(['ROLLOUT_UNKNOWN']);
    const ended = stateOf([PLANNED, CLOSED]);
    expect(codesOf({ type: 'Hold', by: ADA, reason: '', at: at(0) }, ended)).toEqual(['ROLLOUT_CLOSED']);
    const ticket = { ticketId: 't', number: 'CHG1', approver: 'bob', approved: true, expiresAt: null, reason: null };
    expect(typesOf({ type: 'RecordTicket', ticket, at: at(0) }, ended)).toEqual([]);
    const assessment = { requestId: 'q', assessedAt: at(0), blocking: [], warnings: 0, waived: 0, incomplete: [] };
    expect(typesOf({ type: 'RecordDriftAssessment', assessment, at: at(0) }, ended)).toEqual([]);
  });
});

describe('revising a plan', () => {
  const adopted = stateOf([PLANNED, ADOPTED]);
  const plan = planOf({ noRollback: ['b: no old release'] });
  const revise = (more = plan): RolloutCommand => ({
    type: 'RevisePlan',
    plan: more,
    reason: 'the topology changed',
    binding: 'bind-2',
    topologyFingerprint: 'fp-2',
    incarnation: 'i-1',
    at: at(1),
  });

  it('lets the approval lapse and keeps what has begun', () => {
    const state = stateOf(eventsOf(revise(), adopted), adopted);
    expect(state).toMatchObject({
      binding: 'bind-2',
      topologyFingerprint: 'fp-2',
      serving: 'a',
      plan: { noRollback: ['b: no old release'] },
    });
    const begun = stateOf(
      [
        { type: 'StepRequested', data: expectRequest('01-start-probe') },
        {
          type: 'StepFailed',
          data: { stepId: '01-start-probe', attempt: 1, at: at(2), evidence: {}, reason: '', mayRepeat: false },
        },
        HELD,
      ],
      RUNNING,
    );
    const after = stateOf(eventsOf(revise(), begun), begun);
    expect(after.steps[0]).toMatchObject({ status: 'failed', attempt: 1 });
    expect(after.status).toBe('held');
  });

  it('is refused while the rollout moves, or where the plan drops what every plan keeps', () => {
    expect(codesOf(revise(), RUNNING)).toEqual(['NOT_STANDING']);
    const bare = { ...plan, steps: plan.steps.filter((step) => step.kind !== 'validate') };
    expect(codesOf(revise(bare), adopted)).toEqual(['INVARIANT_9']);
    const early = { ...plan, steps: plan.steps.filter((step) => step.phase !== 'switchover') };
    expect(codesOf(revise(early), adopted)).toEqual(['INVARIANT_4']);
  });
});

function expectRequest(stepId: string): Extract<RolloutEvent, { type: 'StepRequested' }>['data'] {
  return {
    stepId,
    attempt: 1,
    key: `r-1/${stepId}/1`,
    ask: { ask: 'observe', look: 'snapshot' },
    deadlineAt: at(30),
    incarnation: 'i-1',
    at: at(5),
    evidence: {},
  };
}

describe('approvals, tickets and questions', () => {
  const approve = (by: string, binding = 'bind-1'): RolloutCommand => ({ type: 'RecordApproval', by, binding, at: at(1) });

  it('nobody approves their own rollout, nor something else than what would be done', () => {
    const state = stateOf([PLANNED]);
    expect(codesOf(approve('ada'), state)).toEqual(['SELF_APPROVAL']);
    expect(codesOf(approve('bob', 'bind-0'), state)).toEqual(['PLAN_CHANGED']);
    const events = eventsOf(approve('bob'), state);
    expect(events).toEqual([{ type: 'RolloutApproved', data: { by: 'bob', binding: 'bind-1', at: at(1) } }]);
    expect(typesOf(approve('bob'), stateOf(events, state))).toEqual([]);
    expect(typesOf(approve('eve'), stateOf(events, state))).toEqual(['RolloutApproved']);
  });

  it('a question is asked once, and only its own answer is heard, once', () => {
    const times = { deadlineAt: at(30), at: at(1) };
    const ask: RolloutCommand = { type: 'RequestDriftAssessment', requestId: 'q-1', incarnation: 'i-1', ...times };
    const adopted = stateOf([PLANNED, ADOPTED]);
    const asked = stateOf(eventsOf(ask, adopted), adopted);
    expect(typesOf(ask, asked)).toEqual([]);
    const answer = (requestId: string): RolloutCommand => ({
      type: 'RecordDriftAssessment',
      assessment: { requestId, assessedAt: at(2), blocking: [], warnings: 0, waived: 0, incomplete: [] },
      at: at(2),
    });
    expect(typesOf(answer('q-0'), asked)).toEqual([]);
    const answered = stateOf(eventsOf(answer('q-1'), asked), asked);
    expect(typesOf(answer('q-1'), answered)).toEqual([]);
    const ticket = { ticketId: 't', number: 'CHG1', approver: 'bob', approved: true, expiresAt: null, reason: null };
    expect(stateOf(eventsOf({ type: 'RecordTicket', ticket, at: at(2) }, asked), asked).ticket).toEqual(ticket);
  });
});

describe('gates together', () => {
  const evaluate = (more: Parameters<typeof inputsOf>[1] = {}): RolloutCommand => ({
    type: 'EvaluateGates',
    inputs: inputsOf(PAIR, more),
    incarnation: 'i-1',
    at: at(1),
  });
  const assessment = { requestId: 'q-1', assessedAt: at(0), blocking: [], warnings: 0, waived: 0, incomplete: [] };
  const ready = stateOf([
    PLANNED,
    ADOPTED,
    { type: 'DriftAssessmentRequested', data: { requestId: 'q-1', deadlineAt: at(30), expectedItems: [], at: at(0) } },
    { type: 'DriftAssessmentReceived', data: assessment },
  ]);

  it('all open admits, with every gate in the same append', () => {
    const events = eventsOf(evaluate({ drift: assessment }), ready);
    expect(events.at(-1)).toMatchObject({ type: 'RolloutAdmitted', data: { hosts: ['host-a', 'host-b'] } });
    expect(events.filter((event) => event.type === 'GateEvaluated').map((event) => event.data.gate)).toEqual([
      'ha-layer',
      'topology',
      'drift',
      'switchover-test',
      'probe',
      'window',
      'way-back',
    ]);
  });

  it('one closed: it is recorded once, and again only when it says something else', () => {
    const events = eventsOf(evaluate({ drift: assessment, probe: { available: false, detail: 'no Node' } }), ready);
    expect(events.map((event) => event.type === 'GateEvaluated' && event.data.status)).toContain('closed');
    const state = stateOf(events, ready);
    expect(typesOf(evaluate({ drift: assessment, probe: { available: false, detail: 'no Node' } }), state)).toEqual([]);
    expect(typesOf(evaluate({ drift: assessment, probe: { available: false, detail: 'host down' } }), state)).toEqual([
      'GateEvaluated',
    ]);
    expect(state.gates.probe).toMatchObject({ since: at(1), whoCanChangeIt: 'an admin: the probe host' });
  });

  it('an approval by the planner that got in all the same admits nothing', () => {
    const own = stateOf([{ type: 'RolloutApproved', data: { by: 'ada', binding: 'bind-1', at: at(0) } }], ready);
    expect(codesOf(evaluate({ drift: assessment }), own)).toEqual(['INVARIANT_15']);
  });

  it('are not judged while the rollout stands', () => {
    expect(codesOf(evaluate(), stateOf([HELD], ready))).toEqual(['NOT_RUNNING']);
  });

  it('one that is closed for good refuses; the downtime plan is offered once', () => {
    const haLayer = { haLayer: 'hypervisor', rolling: false, reason: 'Only the hypervisor protects it.' } as const;
    const events = eventsOf(evaluate({ haLayer, snapshot: null }), stateOf([PLANNED, ADOPTED]));
    expect(events.slice(-2)).toMatchObject([
      { type: 'DowntimePlanOffered' },
      { type: 'RolloutClosed', data: { result: 'refused', versions: {}, hosts: [] } },
    ]);
    const offered = stateOf([
      PLANNED,
      ADOPTED,
      { type: 'DowntimePlanOffered', data: { reason: '', steps: [], estimatedDowntimeMs: 0, whyNotLess: '' } },
    ]);
    expect(typesOf(evaluate({ haLayer }), offered)).not.toContain('DowntimePlanOffered');
  });

  it('under way only those whose evidence ages; one that waits lets it wait', () => {
    const state = stateOf(
      [
        ADMITTED,
        { type: 'DriftAssessmentRequested', data: { requestId: 'q-2', deadlineAt: at(60), expectedItems: [], at: at(0) } },
      ],
      stateOf([PLANNED, ADOPTED]),
    );
    expect(
      eventsOf(evaluate(), state).map((event) => event.type === 'GateEvaluated' && `${event.data.gate} ${event.data.status}`),
    ).toEqual(['drift pending', 'switchover-test open']);
  });
});

describe('the owner', () => {
  it('alone admits: who owned the rollout before neither asks, nor plans anew, nor opens a gate', () => {
    const incarnation = 'i-0';
    const inputs = inputsOf(PAIR);
    const revision = { plan: planOf(), reason: '', binding: 'bind-2', topologyFingerprint: 'fp-2' };
    const late: readonly RolloutCommand[] = [
      { type: 'RequestDriftAssessment', requestId: 'q-9', deadlineAt: at(30), incarnation, at: at(1) },
      { type: 'RevisePlan', ...revision, incarnation, at: at(1) },
      { type: 'EvaluateGates', inputs, incarnation, at: at(1) },
    ];
    for (const command of late) expect(codesOf(command, stateOf([PLANNED, ADOPTED]))).toEqual(['NOT_OWNER']);
  });

  it('adopts once; only the one who adopted moves the rollout', () => {
    const adopt = (incarnation: string): RolloutCommand => ({
      type: 'Adopt',
      instance: 'one',
      incarnation,
      replaces: 'i-1',
      at: at(2),
    });
    expect(typesOf(adopt('i-1'), RUNNING)).toEqual([]);
    expect(typesOf(adopt('i-2'), RUNNING)).toEqual(['RolloutAdopted']);
    const late = stateOf(eventsOf(adopt('i-2'), RUNNING), RUNNING);
    expect(codesOf(adopt('i-3'), late)).toEqual(['OWNER_CHANGED']);
    expect(codesOf(adopt('i-3'), stateOf([PLANNED]))).toEqual(['OWNER_CHANGED']);
    expect(codesOf({ ...adopt('i-3'), replaces: null } as RolloutCommand, late)).toEqual(['OWNER_CHANGED']);
    expect(codesOf({ ...request('01-start-probe'), incarnation: 'i-0' } as RolloutCommand, RUNNING)).toEqual(['NOT_OWNER']);
    expect(codesOf(request('01-start-probe'), stateOf([PLANNED]))).toEqual(['NOT_OWNER']);
    expect(
      codesOf(
        request('01-start-probe'),
        stateOf([{ type: 'RolloutPlanned', data: plannedOf({ plan: null, noPlanBecause: 'x' }) }, ADOPTED]),
      ),
    ).toEqual(['NO_PLAN']);
  });

  it('takes step after step, each once, none that is not there', () => {
    expect(codesOf(request('99-nothing'), RUNNING)).toEqual(['UNKNOWN_STEP']);
    expect(codesOf(request('02-preflight'), RUNNING)).toEqual(['OUT_OF_ORDER']);
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    expect(begun.probeRunning).toBe(true);
    expect(codesOf(request('01-start-probe'), begun)).toEqual(['STEP_UNDER_WAY']);
    expect(codesOf(request('01-start-probe'), stateOf([HELD], RUNNING))).toEqual(['NOT_RUNNING']);
    const asked = stateOf([{ type: 'HoldRequested', data: { by: 'ada', reason: 'lunch', at: at(4) } }], RUNNING);
    expect(codesOf(request('01-start-probe'), asked)).toEqual(['STOP_REQUESTED']);
  });

  it('a missed deadline is a fact of its own', () => {
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    expect(typesOf(outcome('01-start-probe', { at: at(4_000) }), begun)).toEqual(['DeadlineMissed', 'StepSucceeded']);
  });

  it('outcomes belong to the attempt that is awaited', () => {
    expect(codesOf(outcome('99-nothing'), RUNNING)).toEqual(['UNKNOWN_STEP']);
    expect(codesOf(outcome('01-start-probe'), RUNNING)).toEqual(['STALE_OUTCOME']);
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    expect(codesOf(outcome('01-start-probe', { attempt: 2 }), begun)).toEqual(['STALE_OUTCOME']);
    const unknown = eventsOf(outcome('01-start-probe', { outcome: 'unknown', reason: 'silence' }), begun);
    expect(unknown.map((event) => event.type)).toEqual(['StepUnknown', 'RolloutHeld']);
    const aborted = stateOf([{ type: 'AbortRequested', data: { by: 'ada', reason: 'x', at: at(5) } }], begun);
    expect(typesOf(outcome('01-start-probe', { outcome: 'unknown', reason: 'silence' }), aborted)).toEqual(['StepUnknown']);
  });

  it('a node that serves while it is out by our hand is recorded, as a breach, with a hold', () => {
    const drained = stateOf([{ type: 'StepRequested', data: expectRequest('07-drain-b') }], RUNNING);
    const events = eventsOf(outcome('07-drain-b', { outcome: 'failed', reason: 'it serves', serving: 'b' }), drained);
    expect(events.map((event) => event.type)).toEqual(['StepFailed', 'InvariantBreached', 'RolloutHeld']);
    expect(stateOf(events, drained).breaches).toEqual([1]);
  });

  it('a deviation holds; the same one while held is heard once', () => {
    const deviation: RolloutCommand = { type: 'RecordDeviation', what: 'b serves', evidence: {}, ...MINE };
    const events = eventsOf(deviation, RUNNING);
    expect(events.map((event) => event.type)).toEqual(['DeviationRecorded', 'RolloutHeld']);
    expect(stateOf(events, RUNNING).serving).toBe('a');
    expect(typesOf(deviation, stateOf(events, RUNNING))).toEqual([]);
  });

  it('what cannot be told is neither concluded nor passed over', () => {
    const unknown: RolloutEvent = {
      type: 'StepUnknown',
      data: { stepId: '01-start-probe', attempt: 1, at: at(5), evidence: {}, reason: 'silence' },
    };
    const state = stateOf([{ type: 'StepRequested', data: expectRequest('01-start-probe') }, unknown], RUNNING);
    expect(codesOf(conclude(), state)).toEqual(['NOTHING_DUE']);
    expect(codesOf(request('02-preflight'), state)).toEqual(['STEP_UNDER_WAY']);
  });

  it('concludes only what is due', () => {
    expect(codesOf(conclude(), RUNNING)).toEqual(['NOTHING_DUE']);
    expect(codesOf(conclude(), stateOf([HELD], RUNNING))).toEqual(['NOT_RUNNING']);
    const begun = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    expect(codesOf(conclude(), begun)).toEqual(['NOTHING_DUE']);
  });
});

describe('closing', () => {
  const finished = (): Owner => {
    const owner = new Owner({ world: new World(2), planned: plannedOf() });
    owner.run();
    return owner;
  };

  it('succeeds only with the target versions seen to run', () => {
    const owner = finished();
    const open = stateOf(owner.log.slice(0, -1));
    const stale: RolloutCommand = conclude({
      incarnation: 'i-1',
      snapshot: seen([activeSeen('b'), nodeSeen('a')], { observedAt: at(900) }),
      at: at(900),
    });
    const events = eventsOf(stale, open);
    expect(events).toMatchObject([
      {
        type: 'RolloutHeld',
        data: {
          reason: 'The rollout may not close as succeeded: Not every node was seen to run the target versions.',
          afterStep: '25-stop-probe',
        },
      },
    ]);
    expect(codesOf(conclude({ at: open.lookAfter ?? '' }), open)).toEqual(['INVARIANT_9']);
    expect(typesOf(conclude({ at: at(900) }), open)).toEqual(['RolloutHeld']);
    expect(typesOf(conclude({ snapshot: owner.world.snapshot(), at: at(900) }), open)).toEqual(['RolloutClosed']);
  });
});

describe('deciding', () => {
  it('is pure: the same command on the same state decides the same, and changes neither', () => {
    const command: RolloutCommand = { type: 'EvaluateGates', inputs: inputsOf(PAIR), incarnation: 'i-1', at: at(1) };
    const frozen = JSON.stringify([RUNNING, command]);
    expect(decide(command, RUNNING)).toEqual(decide(command, RUNNING));
    expect(JSON.stringify([RUNNING, command])).toBe(frozen);
    expect(T0).toBe(Date.parse(at(0)));
  });
});
