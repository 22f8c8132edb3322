import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import { plannedOf } from '../rollout/fixtures/contract.js';
import { NOTHING_TO_DO } from '../rollout/versions.js';
import type { RolloutEvent } from '../rollout/rollout.js';
import { windowDecider } from './decide.js';
import { ordersFor, resumeRefusal } from './orders.js';
import { reportOfWindow, rolloutsTold, wavesTold } from './report.js';
import { endedWell, seeRollout, unseenRollout, type RolloutSeen } from './rollouts.js';
import type { Scheduled, WindowEvent, WindowScheduled } from './window.js';

/** Minutes after the window opened. */
const at = (minutes: number): string => new Date(Date.parse('2026-03-01T20:00:00.000Z') + minutes * 60_000).toISOString();
const WINDOW: WindowScheduled = {
  windowId: 'w-1',
  clusters: ['pair', 'other'],
  patchSetId: 'ps-1',
  playbook: { name: 'default', version: 1 },
  kind: 'patch',
  opensAt: at(0),
  closesAt: at(60),
  tickets: ['CHG1'],
  scheduledBy: 'ada',
  at: at(-60),
  rollouts: [
    { id: 'r-1', cluster: 'pair' },
    { id: 'r-2', cluster: 'other' },
  ],
  waves: [
    { canary: true, clusters: ['pair'] },
    { canary: false, clusters: ['other'] },
  ],
  soakMs: 60_000,
  failureBudget: 0,
  dependsOn: [],
};
const SCHEDULED: WindowEvent = { type: 'WindowScheduled', data: WINDOW };
const OPENED: WindowEvent = { type: 'WindowOpened', data: { at: at(0) } };
const BEGUN: readonly WindowEvent[] = [
  { type: 'WaveBegun', data: { wave: 1, at: at(0) } },
  { type: 'RolloutsBegun', data: { wave: 1, rollouts: ['r-1'], at: at(0) } },
];
const said = (reason: string, minute: number) => ({ by: 'ada', reason, at: at(minute) });
const stateOf = (...events: readonly WindowEvent[]): Scheduled => fold(windowDecider, [SCHEDULED, ...events]) as Scheduled;

const PLANNED: RolloutEvent = { type: 'RolloutPlanned', data: plannedOf({ wave: 1 }) };
const FROZEN: RolloutEvent = { type: 'RolloutFrozen', data: { by: 'ada', reason: 'smoke', at: at(5), inFlight: [] } };
const CLOSED: RolloutEvent = {
  type: 'RolloutClosed',
  data: {
    result: 'failed',
    reason: 'the standby did not start',
    at: at(9),
    remains: [],
    interruption: { measured: false, reason: 'no probe' },
    versions: {},
    notRequired: [],
    hosts: [],
  },
};
const seen = (...events: readonly RolloutEvent[]): RolloutSeen => events.reduce(seeRollout, unseenRollout('r-1', 'pair'));

describe('what a window knows of a rollout', () => {
  it('is folded from what the rollout says of itself', () => {
    expect(seen()).toMatchObject({ planned: false, hosts: [], begun: false, ended: null });
    const { plan } = plannedOf();
    expect(seen(PLANNED)).toMatchObject({
      planned: true,
      hosts: ['host-a', 'host-b'],
      forwardMs: plan?.forwardMs,
      wayBackMs: plan?.wayBackMs,
      begun: false,
    });
    expect(seen({ type: 'RolloutPlanned', data: plannedOf({ plan: null, noPlanBecause: 'alone' }) })).toMatchObject({
      planned: true,
      forwardMs: 0,
      begun: true,
    });
    expect(seen(PLANNED, { type: 'RolloutBegun', data: { wave: 1, at: at(0) } }).begun).toBe(true);
    expect(seen(PLANNED, FROZEN).frozenSince).toBe(at(5));
    expect(seen(PLANNED, FROZEN, { type: 'RolloutResumed', data: { by: 'ada', at: at(6) } }).frozenSince).toBeNull();
    expect(seen(PLANNED, CLOSED).ended).toEqual({ result: 'failed', reason: 'the standby did not start', at: at(9) });
    const approved: RolloutEvent = { type: 'RolloutApproved', data: { by: 'bob', binding: 'b', at: at(1) } };
    expect(seen(PLANNED, approved)).toEqual(seen(PLANNED));
  });

  it('follows a revised plan', () => {
    const { plan, binding, topologyFingerprint } = plannedOf();
    if (plan === null) throw new Error('The fixture has a plan.');
    const data = { plan: { ...plan, forwardMs: 7 }, reason: 'x', binding, topologyFingerprint, recovery: null, at: at(1) };
    expect(seen(PLANNED, { type: 'PlanRevised', data }).forwardMs).toBe(7);
  });

  it('tells an end without success from one where nothing was to do', () => {
    expect(endedWell(seen(PLANNED))).toBe(false);
    expect(endedWell(seen(PLANNED, CLOSED))).toBe(false);
    const refused = { ...CLOSED.data, result: 'refused', reason: `topology: ${NOTHING_TO_DO}` } as const;
    expect(endedWell(seen(PLANNED, { type: 'RolloutClosed', data: refused }))).toBe(true);
    expect(endedWell(seen(PLANNED, { type: 'RolloutClosed', data: { ...CLOSED.data, result: 'succeeded' } }))).toBe(true);
  });
});

describe('what a window tells a rollout', () => {
  const types = (state: Scheduled, rollout: RolloutSeen): readonly string[] =>
    ordersFor(state, rollout).map(({ command }) => command.type);
  const planned = seen(PLANNED);
  const approved: WindowEvent = { type: 'WindowApproved', data: { by: 'bob', bindings: { 'r-1': 'b-1' }, at: at(-5) } };
  const RESUMED = {
    type: 'WindowResumed',
    data: { by: 'eve', at: at(7), passedOver: [], as: 'open' },
  } as const satisfies WindowEvent;
  const windowFrozen: WindowEvent = { type: 'WindowFrozen', data: said('smoke', 5) };

  it('is nothing before it is planned and after it has ended', () => {
    expect(types(stateOf(OPENED, ...BEGUN), unseenRollout('r-1', 'pair'))).toEqual([]);
    expect(types(stateOf(OPENED, ...BEGUN), seen(PLANNED, CLOSED))).toEqual([]);
    expect(types(stateOf(OPENED), planned)).toEqual([]);
  });

  it('is the approval of what was looked at, and its beginning, once', () => {
    expect(ordersFor(stateOf(approved, OPENED, ...BEGUN), planned)).toEqual([
      { key: ['approval', 'r-1', at(-5)], command: { type: 'RecordApproval', by: 'bob', binding: 'b-1', at: at(-5) } },
      { key: ['begin', 'r-1'], command: { type: 'Begin', wave: 1, at: at(0) } },
    ]);
    const other = { ...unseenRollout('r-2', 'other'), planned: true };
    expect(types(stateOf(approved, OPENED, ...BEGUN), other)).toEqual([]);
    const knows = seen(PLANNED, { type: 'RolloutBegun', data: { wave: 1, at: at(0) } });
    expect(types(stateOf(OPENED, ...BEGUN), knows)).toEqual([]);
  });

  it('is a freeze, and its end for what this very freeze had stopped', () => {
    const frozen = stateOf(OPENED, windowFrozen);
    expect(ordersFor(frozen, planned)).toEqual([
      {
        key: ['Freeze', 'r-1', at(5)],
        command: { type: 'Freeze', by: { subject: 'ada', role: 'operator' }, reason: 'smoke', at: at(5) },
      },
    ]);
    const thawed = stateOf(OPENED, windowFrozen, RESUMED);
    expect(ordersFor(thawed, seen(PLANNED, FROZEN))).toEqual([
      {
        key: ['Resume', 'r-1', at(7)],
        command: { type: 'Resume', by: { subject: 'eve', role: 'operator' }, frozenSince: at(5), at: at(7) },
      },
    ]);
    const again: WindowEvent = { type: 'WindowFrozen', data: said('smoke again', 8) };
    const twice = stateOf(OPENED, windowFrozen, RESUMED, again);
    expect(types(twice, seen(PLANNED, FROZEN)), 'frozen again before it was told').toEqual(['Freeze']);
    const on = stateOf(OPENED, windowFrozen, RESUMED, again, { type: 'WindowResumed', data: { ...RESUMED.data, at: at(9) } });
    expect(types(on, seen(PLANNED, FROZEN))).toEqual(['Resume']);
    const alone: RolloutEvent = { type: 'RolloutFrozen', data: { ...FROZEN.data, at: at(2) } };
    expect(types(thawed, seen(PLANNED, alone))).toEqual([]);
  });

  it('is the freeze once more when the rollout was resumed under it, and not when it was resumed before', () => {
    const frozen = stateOf(OPENED, windowFrozen);
    const told = ordersFor(frozen, seen(PLANNED, FROZEN));
    expect(told, 'what was told is the same order').toEqual(ordersFor(frozen, planned));
    const resumed: RolloutEvent = { type: 'RolloutResumed', data: { by: 'eve', at: at(6) } };
    const [again] = ordersFor(frozen, seen(PLANNED, FROZEN, resumed));
    expect(again).toEqual({ ...told[0], key: ['Freeze', 'r-1', at(5), at(6)] });
    expect(ordersFor(frozen, seen(PLANNED, FROZEN, resumed, FROZEN))).toEqual([again]);
  });

  it('is why it cannot be resumed under a freeze, and how that ends', () => {
    const fleet: WindowEvent = { type: 'WindowFrozen', data: { ...said('smoke', 5), fleet: true } };
    expect(resumeRefusal(stateOf(OPENED))).toBeNull();
    expect(resumeRefusal(stateOf(OPENED, windowFrozen, RESUMED))).toBeNull();
    expect(resumeRefusal(stateOf(OPENED, windowFrozen))).toEqual({
      pointer: '',
      code: 'WINDOW_FROZEN',
      detail: `The window of this rollout was frozen by ada at ${at(5)}: smoke. An operator ends that with POST /v1/windows/w-1/resume.`,
    });
    expect(resumeRefusal(stateOf(OPENED, fleet))?.detail).toBe(
      `The whole fleet, with the window of this rollout, was frozen by ada at ${at(5)}: smoke. An operator ends that with POST /v1/fleet/resume, or for this window alone with POST /v1/windows/w-1/resume.`,
    );
  });

  it('is an abort when the window was cancelled, rejected or aborted, as soon as nobody has it frozen', () => {
    for (const type of ['WindowCancelled', 'WindowRejected', 'WindowAborted'] as const) {
      const state = stateOf({ type, data: said('no need', 3) });
      expect(ordersFor(state, planned)).toEqual([
        {
          key: ['Abort', 'r-1', at(3)],
          command: { type: 'Abort', by: { subject: 'ada', role: 'operator' }, reason: 'no need', at: at(3) },
        },
      ]);
      expect(types(state, seen(PLANNED, FROZEN))).toEqual([]);
    }
  });

  it('is an abort with the reason when it was given up', () => {
    const state = stateOf(OPENED, {
      type: 'RolloutsGivenUp',
      data: { rollouts: [{ id: 'r-1', reason: 'too late' }], at: at(50) },
    });
    expect(ordersFor(state, planned)).toMatchObject([
      { key: ['given-up', 'r-1', at(50)], command: { type: 'Abort', by: { role: 'system' }, reason: 'too late' } },
    ]);
    expect(types(state, seen(PLANNED, FROZEN))).toEqual([]);
  });
});

describe('what a window says of itself', () => {
  const ENDED: WindowEvent = { type: 'WaveEnded', data: { wave: 1, results: { failed: 1 }, at: at(9), soakUntil: at(10) } };
  const other = unseenRollout('r-2', 'other');
  const statuses = (state: Scheduled): readonly string[] => wavesTold(state).map((wave) => wave.status);

  it('is where its waves are', () => {
    expect(statuses(stateOf())).toEqual(['waiting', 'waiting']);
    expect(statuses(stateOf(OPENED, ...BEGUN))).toEqual(['running', 'waiting']);
    expect(wavesTold(stateOf(OPENED, ...BEGUN, ENDED))[0]).toEqual({
      number: 1,
      canary: true,
      clusters: ['pair'],
      status: 'ended',
      begunAt: at(0),
      endedAt: at(9),
      soakUntil: at(10),
      results: { failed: 1 },
    });
    expect(statuses(stateOf(OPENED, ...BEGUN, ENDED, { type: 'WindowAborted', data: said('x', 9) }))).toEqual([
      'ended',
      'not-begun',
    ]);
    const late: WindowEvent = { type: 'RolloutsGivenUp', data: { rollouts: [{ id: 'r-2', reason: 'too late' }], at: at(50) } };
    expect(statuses(stateOf(OPENED, ...BEGUN, late))).toEqual(['running', 'not-begun']);
    expect(rolloutsTold(stateOf(OPENED, ...BEGUN, late), [other])).toMatchObject([{ status: 'given-up', reason: 'too late' }]);
  });

  it('is where its rollouts are, and why', () => {
    const state = stateOf(OPENED, ...BEGUN);
    expect(rolloutsTold(state, [seen(PLANNED), other])).toEqual([
      { id: 'r-1', cluster: 'pair', wave: 1, begunAt: at(0), result: null, status: 'begun', reason: null },
      { id: 'r-2', cluster: 'other', wave: 2, begunAt: null, result: null, status: 'waiting', reason: 'Wave 1 has not ended.' },
    ]);
    expect(rolloutsTold(state, [seen(PLANNED, CLOSED), { ...other, begun: true }])).toMatchObject([
      { status: 'ended', result: 'failed', reason: 'the standby did not start' },
      { status: 'begun', begunAt: null },
    ]);
  });

  it('is a report of what happened, and why something did not', () => {
    const events: readonly WindowEvent[] = [
      SCHEDULED,
      { type: 'WindowApproved', data: { by: 'bob', bindings: {}, at: at(-5) } },
      OPENED,
      ...BEGUN,
      ENDED,
      { type: 'WindowHeld', data: { ...said('the canary failed', 9), by: 'system', whoCanChangeIt: 'an operator' } },
      { type: 'WindowResumed', data: { by: 'ada', at: at(12), passedOver: ['r-1'], as: 'open' } },
      { type: 'WindowFrozen', data: { ...said('smoke', 13), fleet: true } },
      { type: 'WindowResumed', data: { by: 'ada', at: at(14), passedOver: [], as: 'open' } },
      { type: 'WindowFrozen', data: said('smoke again', 15) },
      { type: 'RolloutsGivenUp', data: { rollouts: [{ id: 'r-2', reason: 'It is too late.' }], at: at(50) } },
      { type: 'WindowClosed', data: { results: { failed: 1 }, at: at(51) } },
    ];
    const report = reportOfWindow(events, { 'r-1': [PLANNED, CLOSED] });
    expect(report).toMatchObject({
      windowId: 'w-1',
      status: 'closed',
      approvedBy: 'bob',
      results: { failed: 1 },
      waves: [{ status: 'ended' }, { status: 'not-begun' }],
      rollouts: [
        { cluster: 'pair', status: 'ended', result: 'failed', tookMs: null, interruption: { measured: false } },
        { cluster: 'other', status: 'given-up', reason: 'It is too late.', tookMs: null, interruption: null },
      ],
    });
    expect(report?.story.map(({ what }) => what)).toEqual([
      'Scheduled by ada: 2 clusters in 2 waves.',
      'Approved by bob.',
      'Opened.',
      'Wave 1 began.',
      'Began: pair.',
      'Wave 1 ended: 1 failed.',
      'Held by system: the canary failed',
      'Resumed by ada, who has seen how pair ended.',
      'Frozen with the whole fleet by ada: smoke',
      'Resumed by ada.',
      'Frozen by ada: smoke again',
      'other is not begun: It is too late.',
      'Closed: 1 failed.',
    ]);
    const words = (event: WindowEvent): string | undefined => reportOfWindow([SCHEDULED, event], {})?.story.at(-1)?.what;
    expect(words({ type: 'WindowRejected', data: said('no', 1) })).toBe('Rejected by ada: no');
    expect(words({ type: 'WindowCancelled', data: said('no', 1) })).toBe('Cancelled by ada: no');
    expect(words({ type: 'WindowAborted', data: said('no', 1) })).toBe('Aborted by ada: no');
    expect(words({ type: 'WindowClosed', data: { results: {}, at: at(1) } })).toBe('Closed: nothing ran.');
    expect(reportOfWindow([SCHEDULED], {})?.approvedBy).toBeNull();
    expect(reportOfWindow([], {})).toBeUndefined();
  });
});
