import { describe, expect, it } from 'vitest';
import {
  ADA,
  ADMITTED,
  ADOPTED,
  at,
  codesOf,
  definitionOf,
  eventsOf,
  HELD,
  inputsOf,
  PAIR,
  planOf,
  plannedOf,
  stateOf,
  typesOf,
} from './fixtures/contract.js';
import { evaluateGate } from './gates.js';
import { lapsedGates } from './gate-table.js';
import { overrideInForce } from './override.js';
import type { GateName } from './plan.js';
import { reportOf } from './report.js';
import { nextMove } from './runner.js';
import type { Person, RolloutCommand, RolloutEvent, RolloutState } from './rollout.js';
import type { Known } from './state.js';

const PLANNED: RolloutEvent = {
  type: 'RolloutPlanned',
  data: plannedOf({ cluster: definitionOf(2, 'production'), plannedBy: 'ada' }),
};
const START = stateOf([PLANNED, ADOPTED]) as Known;
const BOB: Person = { subject: 'bob', role: 'approver' };
const EVE: Person = { subject: 'eve', role: 'operator' };
const ROOT: Person = { subject: 'root', role: 'admin' };

const ask = (more: Partial<Extract<RolloutCommand, { type: 'RequestOverride' }>> = {}): RolloutCommand => ({
  type: 'RequestOverride',
  gate: 'change-ticket',
  by: EVE,
  reason: 'ServiceNow is down.',
  until: at(600),
  at: at(1),
  ...more,
});
const confirm = (more: Partial<Extract<RolloutCommand, { type: 'ConfirmOverride' }>> = {}): RolloutCommand => ({
  type: 'ConfirmOverride',
  gate: 'change-ticket',
  by: BOB,
  at: at(2),
  ...more,
});
const withdraw = (more: Partial<Extract<RolloutCommand, { type: 'WithdrawOverride' }>> = {}): RolloutCommand => ({
  type: 'WithdrawOverride',
  gate: 'change-ticket',
  by: BOB,
  reason: 'ServiceNow is back.',
  at: at(3),
  ...more,
});
const after = (state: RolloutState, ...commands: readonly RolloutCommand[]): Known =>
  commands.reduce((so, command) => stateOf(eventsOf(command, so), so), state) as Known;

describe('an override of one gate', () => {
  it('is asked for by one and confirmed by another; the gate says who, why, until when, and what it would say without', () => {
    const asked = after(START, ask());
    expect(evaluateGate('change-ticket', asked, inputsOf(PAIR), at(5)).status).toBe('closed');
    const given = after(asked, confirm());
    expect(evaluateGate('change-ticket', given, inputsOf(PAIR), at(5))).toMatchObject({
      status: 'open',
      until: at(600),
      final: false,
      reason: `Open by override until ${at(600)}: eve asked (ServiceNow is down.), bob confirmed. Without it: No change ticket has been recorded.`,
      evidence: { override: { by: 'eve', confirmedBy: 'bob' } },
    });
    expect(evaluateGate('change-ticket', given, inputsOf(PAIR), at(600)).status).toBe('closed');
    expect(evaluateGate('approval', given, inputsOf(PAIR), at(5)).status).toBe('closed');
  });

  it('changes nothing about a gate that is open anyway', () => {
    const given = after(START, ask({ gate: 'drift' }), confirm({ gate: 'drift' }));
    const assessed = { requestId: 'q-1', assessedAt: at(3), blocking: [], warnings: 0, waived: 0, incomplete: [] };
    const open = stateOf([{ type: 'DriftAssessmentReceived', data: assessed }], given) as Known;
    expect(evaluateGate('drift', open, inputsOf(PAIR), at(5)).reason).toContain('No blocking drift');
  });

  it('opens no gate that an invariant stands on, nor one that stops nothing', () => {
    const never: readonly GateName[] = ['ha-layer', 'topology', 'switchover-test', 'probe', 'window'];
    for (const gate of never) expect(codesOf(ask({ gate }), START)).toEqual(['NOT_OVERRIDABLE']);
    for (const gate of ['rehearsal', 'way-back'] as const) expect(codesOf(ask({ gate }), START)).toEqual(['GATE_NOT_REQUIRED']);
    expect(codesOf(ask(), stateOf([{ type: 'RolloutPlanned', data: plannedOf() }]))).toEqual(['GATE_NOT_REQUIRED']);
  });

  it('is for operators to ask and for approvers to confirm, and never for one person alone or for the planner', () => {
    for (const by of [BOB, { subject: 'viv', role: 'viewer' } as const])
      expect(codesOf(ask({ by }), START)).toEqual(['ROLE_MISSING']);
    const asked = after(START, ask({ by: ROOT }));
    expect(codesOf(confirm({ by: ROOT }), asked)).toEqual(['SAME_PERSON']);
    expect(codesOf(confirm({ by: { subject: 'ada', role: 'approver' } }), asked)).toEqual(['SAME_PERSON']);
    expect(codesOf(confirm({ by: EVE }), asked)).toEqual(['ROLE_MISSING']);
    expect(typesOf(confirm({ by: { subject: 'zoe', role: 'admin' } }), asked)).toEqual(['OverrideConfirmed']);
  });

  it('ends after now, and with the window at the latest', () => {
    for (const until of [at(1), at(3_601)]) expect(codesOf(ask({ until }), START)).toEqual(['OVERRIDE_EXPIRY']);
    expect(typesOf(ask({ until: at(3_600) }), START)).toEqual(['OverrideRequested']);
  });

  it('stands once: the same again changes nothing, another has to wait until it was withdrawn or has ended', () => {
    const asked = after(START, ask());
    expect(typesOf(ask(), asked)).toEqual([]);
    for (const other of [{ by: ROOT }, { until: at(700) }, { reason: 'Something else.' }])
      expect(codesOf(ask(other), asked)).toEqual(['OVERRIDE_STANDS']);
    expect(typesOf(ask({ by: ROOT, at: at(601), until: at(700) }), asked)).toEqual(['OverrideRequested']);
    expect(typesOf(ask({ by: ROOT }), after(asked, withdraw()))).toEqual(['OverrideRequested']);
  });

  it('is confirmed once, while what was asked for still stands', () => {
    expect(codesOf(confirm(), START)).toEqual(['OVERRIDE_UNKNOWN']);
    const asked = after(START, ask());
    expect(codesOf(confirm({ at: at(600) }), asked)).toEqual(['OVERRIDE_LAPSED']);
    expect(codesOf(confirm(), after(asked, withdraw()))).toEqual(['OVERRIDE_UNKNOWN']);
    const given = after(asked, confirm());
    expect(typesOf(confirm(), given)).toEqual([]);
    expect(codesOf(confirm({ by: ROOT }), given)).toEqual(['OVERRIDE_CONFIRMED']);
    const both = after(given, ask({ gate: 'drift' }), confirm({ gate: 'drift' }));
    expect(both.overrides.map(({ gate, confirmed }) => [gate, confirmed?.by])).toEqual([
      ['change-ticket', 'bob'],
      ['drift', 'bob'],
    ]);
  });

  it('is withdrawn by any one of them, and the gate stands on nothing from then on', () => {
    expect(codesOf(withdraw(), START)).toEqual(['OVERRIDE_UNKNOWN']);
    const given = after(START, ask(), confirm());
    expect(codesOf(withdraw({ by: { subject: 'viv', role: 'viewer' } }), given)).toEqual(['ROLE_MISSING']);
    const gate = evaluateGate('change-ticket', given, inputsOf(PAIR), at(2));
    const running = stateOf([{ type: 'GateEvaluated', data: gate }, ADMITTED], given) as Known;
    expect(lapsedGates(running, Date.parse(at(4)))).not.toContain('change-ticket');
    const back = after(running, withdraw());
    expect(lapsedGates(back, Date.parse(at(4)))).toContain('change-ticket');
    expect(overrideInForce(back, 'change-ticket', Date.parse(at(4)))).toBeUndefined();
    expect(typesOf(withdraw(), back)).toEqual([]);
    const elsewhere = stateOf([{ type: 'GateEvaluated', data: { ...gate, evidence: {} } }], given);
    expect(after(elsewhere, withdraw()).gates['change-ticket']?.until).toBe(at(600));
  });

  it('binds to the plan that was in force and lapses with it, as an approval does', () => {
    const given = after(START, ask(), confirm());
    const gates = (['change-ticket', 'approval'] as const).map((gate): RolloutEvent => ({
      type: 'GateEvaluated',
      data: {
        ...evaluateGate('change-ticket', given, inputsOf(PAIR), at(2)),
        gate,
        ...(gate === 'approval' ? { evidence: {} } : {}),
      },
    }));
    const held = stateOf([...gates, ADMITTED, HELD], given);
    const revise = {
      type: 'RevisePlan',
      plan: planOf(),
      reason: 'another order',
      binding: 'bind-2',
      topologyFingerprint: 'fp-1',
      incarnation: 'i-1',
      at: at(4),
    } as const;
    expect(lapsedGates(after(held, revise), Date.parse(at(5)))).toEqual(expect.arrayContaining(['change-ticket', 'approval']));
    expect(codesOf(confirm({ at: at(5) }), after(START, ask(), revise))).toEqual(['OVERRIDE_LAPSED']);
  });

  it('stops asking for the answer that it stands for', () => {
    const memory = {
      incarnation: 'i-1',
      performed: null,
      observation: null,
      gatesEvaluatedAtMs: null,
      nextRequestId: 'q-1',
    };
    const moveOf = (state: RolloutState): string => nextMove(state, memory, Date.parse(at(5))).move;
    expect(moveOf(START)).toBe('command');
    expect(moveOf(after(START, ask({ gate: 'drift' }), confirm({ gate: 'drift' })))).toBe('evaluate-gates');
  });

  it('is listed in the report, with every word of it', () => {
    const events = [PLANNED, ...eventsOf(ask(), START), ...eventsOf(confirm(), after(START, ask()))];
    expect(reportOf(events)).toMatchObject({
      overrides: [{ gate: 'change-ticket', by: 'eve', until: at(600), confirmed: { by: 'bob' }, withdrawn: null }],
    });
  });

  it('is no use after the end', () => {
    const aborted = after(START, { type: 'Abort', by: ADA, reason: 'r', at: at(1) });
    expect(codesOf(ask(), aborted)).toEqual(['ROLLOUT_CLOSED']);
  });
});
