import { describe, expect, it } from 'vitest';
import { fold } from '@understudy/decider';
import { windowDecider } from './decide.js';
import type { WindowCommand, WindowEvent, WindowScheduled } from './window.js';

const OPERATOR = { subject: 'ada', role: 'operator' } as const;
const APPROVER = { subject: 'bob', role: 'approver' } as const;
const at = '2026-03-01T20:00:00.000Z';
const later = '2026-03-01T21:00:00.000Z';
const wanted: Omit<WindowScheduled, 'waves'> = {
  windowId: 'w-1',
  clusters: ['pair', 'other'],
  patchSetId: 'ps-1',
  playbook: { name: 'default', version: 1 },
  kind: 'patch',
  opensAt: at,
  closesAt: later,
  tickets: [],
  scheduledBy: 'ada',
  at,
  rollouts: [
    { id: 'r-1', cluster: 'pair' },
    { id: 'r-2', cluster: 'other' },
  ],
  soakMs: 0,
  failureBudget: 0,
  dependsOn: [],
};
const window: WindowScheduled = { ...wanted, waves: [{ canary: false, clusters: ['pair', 'other'] }] };
const schedule = (
  more: Partial<typeof wanted> = {},
  rest: Partial<Extract<WindowCommand, { type: 'ScheduleWindow' }>> = {},
): WindowCommand => ({
  type: 'ScheduleWindow',
  window: { ...wanted, ...more },
  waves: [],
  knownClusters: ['pair', 'other'],
  needed: [{ cluster: 'pair', hosts: ['h1'], forwardMs: 60_000, wayBackMs: 30_000 }],
  by: OPERATOR,
  at,
  ...rest,
});
const SCHEDULED: WindowEvent = { type: 'WindowScheduled', data: window };
const OPENED: WindowEvent = { type: 'WindowOpened', data: { at } };
const CLOSED: WindowEvent = { type: 'WindowClosed', data: { results: { succeeded: 2 }, at: later } };
const state = (...events: WindowEvent[]) => fold(windowDecider, events);
const { decide } = windowDecider;
const codes = (command: WindowCommand, ...events: WindowEvent[]): readonly string[] => {
  const decision = decide(command, state(...events));
  return decision.accepted ? decision.events.map((event) => event.type) : decision.refusals.map((refusal) => refusal.code);
};
const bindings = { 'r-1': 'b1', 'r-2': 'b2' };
const approve = (more: Partial<Extract<WindowCommand, { type: 'ApproveWindow' }>> = {}): WindowCommand => ({
  type: 'ApproveWindow',
  by: APPROVER,
  bindings,
  inForce: bindings,
  at,
  ...more,
});

describe('scheduling a window', () => {
  it('is done once', () => {
    expect(decide(schedule(), state())).toEqual({ accepted: true, events: [SCHEDULED] });
    expect(codes(schedule(), SCHEDULED)).toEqual([]);
    expect(codes(schedule({ windowId: 'w-2' }), SCHEDULED)).toEqual(['ALREADY_SCHEDULED']);
  });

  it('is refused in the past, backwards, too short for the way there and back, and for clusters that are not there', () => {
    expect(codes(schedule({ opensAt: '2026-03-01T19:00:00.000Z' }))).toEqual(['WINDOW_IN_THE_PAST']);
    expect(codes(schedule({ closesAt: at }))).toEqual(['CLOSES_BEFORE_IT_OPENS', 'WINDOW_TOO_SHORT']);
    const short = decide(schedule({ closesAt: '2026-03-01T20:01:00.000Z' }), state());
    expect(short).toMatchObject({
      kind: 'invalid',
      refusals: [{ pointer: '/closesAt', detail: expect.stringContaining('2026-03-01T20:01:30.000Z') as string }],
    });
    expect(codes(schedule({ clusters: ['pair', 'ghost', 'pair'] }))).toEqual(['UNKNOWN_CLUSTER', 'DUPLICATE_CLUSTER']);
    expect(codes(schedule({ clusters: [] }))).toEqual(['NO_CLUSTERS']);
  });

  it('says how long the workload may be away, where it is taken away, and nowhere else', () => {
    expect(codes(schedule({ kind: 'downtime' }))).toEqual(['OUTAGE_BUDGET_MISSING']);
    expect(codes(schedule({ kind: 'downtime', outageBudgetMs: 60_000 }))).toEqual(['WindowScheduled']);
    expect(codes(schedule({ outageBudgetMs: 60_000 }))).toEqual(['OUTAGE_BUDGET_UNUSED']);
  });

  it('is refused when its waves do not fit one after the other, although each would alone', () => {
    const needed = ['pair', 'other'].map((cluster) => ({
      cluster,
      hosts: [cluster],
      forwardMs: 20 * 60_000,
      wayBackMs: 10 * 60_000,
    }));
    const waves = [{ count: 1, canary: true }, {}];
    expect(codes(schedule({ soakMs: 10 * 60_000 }, { needed, waves }))).toEqual(['WindowScheduled']);
    const short = decide(schedule({ soakMs: 10 * 60_000 + 1 }, { needed, waves }), state());
    expect(short).toMatchObject({
      refusals: [
        {
          code: 'WINDOW_TOO_SHORT',
          detail: expect.stringContaining('Its 2 waves need 3600001 ms, one after the other, there and back') as string,
        },
      ],
    });
    expect(codes(schedule({}, { needed, waves: [{ count: 1 }] }))).toEqual(['CLUSTER_IN_NO_WAVE']);
  });

  it('takes an operator', () => {
    expect(codes(schedule({}, { by: APPROVER }))).toEqual(['ROLE_MISSING']);
  });
});

describe('approving a window', () => {
  it('binds to exactly what would be done', () => {
    expect(decide(approve(), state(SCHEDULED))).toEqual({
      accepted: true,
      events: [{ type: 'WindowApproved', data: { by: 'bob', bindings, at } }],
    });
    expect(codes(approve(), SCHEDULED, OPENED)).toEqual(['WindowApproved']);
    expect(codes(approve({ inForce: { ...bindings, 'r-2': 'changed' } }), SCHEDULED)).toEqual(['PLAN_CHANGED']);
    expect(codes(approve({ bindings: { 'r-1': 'b1' } }), SCHEDULED)).toEqual(['PLAN_CHANGED']);
  });

  it('is for others than who scheduled it, and for approvers', () => {
    expect(codes(approve({ by: { subject: 'ada', role: 'admin' } }), SCHEDULED)).toEqual(['SELF_APPROVAL']);
    expect(codes(approve({ by: OPERATOR }), SCHEDULED)).toEqual(['ROLE_MISSING']);
    expect(codes(approve(), SCHEDULED, OPENED, CLOSED)).toEqual(['WINDOW_NOT_READY']);
    expect(codes(approve())).toEqual(['WINDOW_UNKNOWN']);
  });

  it('shows in the state', () => {
    const approved: WindowEvent = { type: 'WindowApproved', data: { by: 'bob', bindings, at } };
    expect(state(SCHEDULED, approved, OPENED, CLOSED)).toMatchObject({
      status: 'closed',
      window,
      approval: approved.data,
      stopped: null,
      results: { succeeded: 2 },
    });
  });
});

describe('the life of a window', () => {
  const reject: WindowCommand = { type: 'RejectWindow', by: APPROVER, reason: 'not tonight', at };
  const freeze: WindowCommand = { type: 'FreezeWindow', by: OPERATOR, reason: 'smoke', at };
  const cancel: WindowCommand = { type: 'CancelWindow', by: OPERATOR, reason: 'no need', at };
  const open: WindowCommand = { type: 'OpenWindow', at };
  const close: WindowCommand = { type: 'CloseWindow', results: { succeeded: 2 }, at: later };
  const event = (type: 'WindowRejected' | 'WindowFrozen' | 'WindowCancelled'): WindowEvent => ({
    type,
    data: { by: 'x', reason: 'y', at },
  });

  it('opens at its time, once', () => {
    expect(decide(open, state(SCHEDULED))).toEqual({ accepted: true, events: [OPENED] });
    expect(codes(open, SCHEDULED, OPENED)).toEqual([]);
    expect(codes({ type: 'OpenWindow', at: '2026-03-01T19:59:00.000Z' }, SCHEDULED)).toEqual(['WINDOW_NOT_READY']);
    expect(codes(open, SCHEDULED, event('WindowRejected'))).toEqual(['WINDOW_NOT_READY']);
  });

  it('is rejected or cancelled before it opens, by those who may', () => {
    expect(codes(reject, SCHEDULED)).toEqual(['WindowRejected']);
    expect(codes(reject, SCHEDULED, event('WindowRejected'))).toEqual([]);
    expect(codes(reject, SCHEDULED, OPENED)).toEqual(['WINDOW_NOT_READY']);
    expect(codes({ ...reject, by: OPERATOR }, SCHEDULED)).toEqual(['ROLE_MISSING']);
    expect(codes(cancel, SCHEDULED)).toEqual(['WindowCancelled']);
    expect(codes(cancel, SCHEDULED, event('WindowCancelled'))).toEqual([]);
    expect(codes(cancel, SCHEDULED, OPENED)).toEqual(['WINDOW_NOT_READY']);
    expect(codes({ ...cancel, by: APPROVER }, SCHEDULED)).toEqual(['ROLE_MISSING']);
  });

  it('is frozen by operators while anything of it may move', () => {
    expect(codes(freeze, SCHEDULED)).toEqual(['WindowFrozen']);
    expect(codes(freeze, SCHEDULED, OPENED)).toEqual(['WindowFrozen']);
    expect(codes(freeze, SCHEDULED, event('WindowFrozen'))).toEqual([]);
    expect(codes(freeze, SCHEDULED, event('WindowCancelled'))).toEqual(['WINDOW_NOT_READY']);
    expect(codes({ ...freeze, by: APPROVER }, SCHEDULED)).toEqual(['ROLE_MISSING']);
  });

  it('closes once, with what became of its rollouts', () => {
    expect(decide(close, state(SCHEDULED, OPENED))).toEqual({ accepted: true, events: [CLOSED] });
    expect(codes(close, SCHEDULED, event('WindowFrozen'))).toEqual(['WindowClosed']);
    expect(codes(close, SCHEDULED, OPENED, CLOSED)).toEqual([]);
    expect(codes(close, SCHEDULED)).toEqual(['WINDOW_NOT_READY']);
  });
});
