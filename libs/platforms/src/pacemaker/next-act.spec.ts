import { describe, expect, it } from 'vitest';
import { foretold, goal, ledBy, off, snapshot, unit, view, type Change } from './fixtures/samples/contract.js';
import { leftoversOf } from './leftovers.js';
import { nextAct, trialFor } from './next-act.js';
import type { PacemakerGoal, PacemakerSnapshot } from './snapshot.js';

/** `<act> <node>`, or what else is next. */
function next(seen: PacemakerSnapshot, wanted: PacemakerGoal): string {
  const told = nextAct(seen, wanted);
  switch (told.next) {
    case 'act':
      return `${told.act.act} ${told.act.node}${told.binding ? ' binding' : ''}`;
    case 'wait':
      return `wait${told.binding ? ' binding' : ''}${told.asked === true ? ' asked' : ''}: ${told.why}`;
    case 'stuck':
      return `stuck: ${told.reason}`;
    case 'done':
      return 'done';
  }
}

const held = { ...off, held: true };
const standby: Change = { stacks: { c2: { standbyIsOurs: true } } };
const ban = { id: 'understudy-ban-st-clone-c2', member: 'c2', score: '-INFINITY', role: 'Promoted' };
const move = (member: string) => ({ id: 'understudy-move-st-clone', member, score: 'INFINITY', role: 'Promoted' });

describe('drain', () => {
  const drain = (seen: PacemakerSnapshot, more: Partial<PacemakerGoal> = {}): string =>
    next(seen, goal('drain', 'c2', { trial: foretold('c3'), ...more }));

  it('goes on standby, empties, and holds Pacemaker before Corosync', () => {
    expect(drain(snapshot())).toBe('standby c2');
    const isStandby = { members: { c2: { isStandby: true } } };
    expect(drain(snapshot('healthy', { ...standby, ...isStandby }))).toBe('wait: still on c2: st-clone');
    const empty = { ...standby, ...isStandby, resources: ledBy('c3', ['c1', 'c3']) };
    expect(drain(snapshot('healthy', empty))).toBe('hold-pacemaker c2');
    const half = { ...empty, stacks: { c2: { standbyIsOurs: true, pacemaker: held } }, blind: ['c2'] };
    expect(drain(snapshot('healthy', half))).toBe('hold-corosync c2');
    expect(
      drain(snapshot('healthy', { ...half, stacks: { c2: { standbyIsOurs: true, pacemaker: held, corosync: held } } })),
    ).toBe('done');
  });

  it('goes on where it was cut off between its mark and the standby', () => {
    expect(drain(snapshot('healthy', standby))).toBe('standby c2');
  });

  it('asks the scheduler before it begins, and only then', () => {
    expect(trialFor(snapshot(), goal('drain', 'c2'))).toEqual({ change: 'standby', node: 'c2', resource: 'st-clone' });
    expect(trialFor(snapshot('healthy', standby), goal('drain', 'c2'))).toBeUndefined();
    expect(next(snapshot(), goal('drain', 'c2'))).toMatch(/^wait: Pacemaker’s scheduler could not be asked/);
  });

  it('never takes out who serves, nor one whose absence takes the quorum away', () => {
    expect(next(snapshot(), goal('drain', 'c3', { trial: foretold('c1') }))).toMatch(/^stuck: node c3 serves st-clone/);
    const two = snapshot('node-stopped-cleanly', {
      stacks: { c3: { pacemaker: off, corosync: off } },
      ...{ blind: ['c3'], resources: ledBy('c1', ['c1', 'c2']) },
    });
    expect(drain(two, { trial: foretold('c1') })).toMatch(/^stuck: node c2 stays: without c2 1 votes are left, and 2 are needed/);
  });

  it('does not move what it was not told that it may', () => {
    const onC1 = goal('drain', 'c1', { trial: { ...foretold('c3'), after: view('node-standby').crm.resources } });
    expect(next(snapshot(), onC1)).toMatch(/^stuck: node c1 stays: webgrp runs on c1 and would move to c2/);
    expect(next(snapshot('healthy', { mayMove: ['webgrp'] }), onC1)).toBe('standby c1');
    const nowhere = { ...foretold('c3'), after: foretold('c3').after.filter(({ id }) => id !== 'webgrp') };
    expect(next(snapshot('healthy', { mayMove: ['webgrp'] }), { ...onC1, trial: nowhere })).toMatch(
      /would stop: it can run nowhere else/,
    );
  });

  it.each([
    ['in maintenance mode', { crm: { isMaintenance: true } }],
    ['without a quorum', { crm: { hasQuorum: false } }],
    ['with a node that has to be fenced', { members: { c1: { isUnclean: true } } }],
    ['with fencing that failed', { crm: { fencing: ['reboot of c1: failed'] } }],
  ] as const)('begins nothing in a cluster %s', (_what, change) => {
    expect(drain(snapshot('healthy', change as Change))).toMatch(/^stuck: node c2 stays/);
  });

  it('waits while Pacemaker is at work, and while a node is not known', () => {
    const busy = {
      resources: (all: ReturnType<typeof view>['crm']['resources']) =>
        all.map((each) => ({ ...each, instances: each.instances.map((one) => ({ ...one, pending: 'Monitoring' })) })),
    };
    expect(drain(snapshot('healthy', busy))).toMatch(/^wait: Pacemaker is at work/);
    expect(drain(snapshot('healthy', { blind: ['c1'] }))).toMatch(/^wait: node c1/);
  });
});

describe('join', () => {
  const join = (seen: PacemakerSnapshot, more: Partial<PacemakerGoal> = {}): string => next(seen, goal('join', 'c2', more));

  it('frees Corosync, then Pacemaker, starts, bans the workload, ends the standby, waits until it follows', () => {
    const down = { blind: ['c2'], resources: ledBy('c3', ['c1', 'c3']), members: { c2: { isStandby: true, isOnline: false } } };
    const stacks = (pacemaker: typeof held | typeof off, corosync: typeof held | typeof off) => ({
      c2: { standbyIsOurs: true, pacemaker, corosync },
    });
    expect(join(snapshot('healthy', { ...down, stacks: stacks(held, held) }))).toBe('free-corosync c2');
    expect(join(snapshot('healthy', { ...down, stacks: stacks(held, off) }))).toBe('free-pacemaker c2');
    expect(join(snapshot('healthy', { ...down, stacks: stacks(off, off) }))).toBe('start c2');
    const up = { ...standby, members: { c2: { isStandby: true } }, resources: ledBy('c3', ['c1', 'c3']) };
    expect(join(snapshot('healthy', up))).toBe('ban c2');
    const banned = snapshot('healthy', { ...up, constraints: [ban] });
    expect(trialFor(banned, goal('join', 'c2'))).toMatchObject({ change: 'online' });
    expect(join(banned, { trial: foretold('c3') })).toBe('online c2');
    const back = { constraints: [ban], resources: ledBy('c3', ['c1', 'c3']), attributes: { c2: {} } };
    expect(join(snapshot('healthy', back))).toMatch(
      /^wait: the resource agent gives st-clone on c2 \(not there\) no promotion score/,
    );
    expect(join(snapshot('healthy', back), { unchangedMs: 60_000 })).toMatch(
      /^stuck: node c2 is a member again and does not follow/,
    );
    expect(join(snapshot('healthy', { constraints: [ban] }))).toBe('done');
  });

  it('stays on standby where the workload would move', () => {
    const up = { ...standby, members: { c2: { isStandby: true } }, constraints: [ban], resources: ledBy('c3', ['c1', 'c3']) };
    expect(join(snapshot('healthy', up), { trial: foretold('c2') })).toMatch(/^stuck: node c2 stays on standby: .* served by c2/);
  });

  it('does not take back a standby of somebody else', () => {
    expect(join(snapshot('healthy', { members: { c2: { isStandby: true } } }))).toMatch(
      /^stuck: node c2 is on standby, and that was not/,
    );
  });

  it('gives up starting, with systemd’s word for it', () => {
    const stacks = { c2: { pacemaker: { ...off, activeState: 'failed', result: 'dependency' }, corosync: off } };
    const asked = new Map([['start c2', { times: 3, outcome: 'refused', said: 'ended with 1' } as const]]);
    expect(join(snapshot('healthy', { stacks, blind: ['c2'] }), { asked })).toMatch(
      /^stuck: node c2 was asked 3 times to start .* dependency/,
    );
  });
});

describe('release', () => {
  it('takes the bans away when the workload stays where it is', () => {
    const seen = snapshot('healthy', { constraints: [ban] });
    expect(trialFor(seen, goal('release', 'c2'))).toMatchObject({ change: 'unban' });
    expect(next(seen, goal('release', 'c2', { trial: foretold('c3') }))).toBe('unban c2');
    expect(next(seen, goal('release', 'c2', { trial: foretold('c2') }))).toMatch(/^stuck: node c2 stays banned/);
    expect(next(snapshot(), goal('release', 'c2'))).toBe('done');
  });

  it.each([
    ['held', { stacks: { c2: { pacemaker: held, corosync: held } } }],
    ['on standby', { members: { c2: { isStandby: true } } }],
  ] as const)('is not for a node that is %s', (what, change) => {
    expect(next(snapshot('healthy', change as Change), goal('release', 'c2'))).toBe(
      `stuck: node c2 is ${what}: join it before it is released`,
    );
  });
});

describe('switchover', () => {
  const to = (seen: PacemakerSnapshot, more: Partial<PacemakerGoal> = {}): string =>
    next(seen, goal('switchover', 'c2', { trial: foretold('c2', 'c2'), ...more }));

  it('moves, waits until it is there and everybody follows, clears', () => {
    expect(to(snapshot())).toBe('move c2');
    const asked = { constraints: [move('c2')] };
    expect(to(snapshot('healthy', asked))).toMatch(/^wait binding asked: st-clone is still served by c3/);
    expect(to(snapshot('healthy', { ...asked, resources: ledBy('nobody') }))).toMatch(/^wait binding asked: .* nobody serves it/);
    expect(to(snapshot('healthy', { ...asked, resources: ledBy('c2', ['c1', 'c2']) }))).toMatch(
      /^wait: not yet following c2: c3/,
    );
    const before = { ...asked, resources: ledBy('c2') };
    expect(to(snapshot('healthy', before)), 'the scores are from before').toMatch(/^wait: not yet following c2: c3/);
    const attributes = { c2: { 'master-st': '10' }, c3: { 'master-st': '5' } };
    expect(to(snapshot('healthy', { ...before, attributes }))).toBe('clear c2');
    expect(to(snapshot('healthy', { resources: ledBy('c2'), attributes }))).toBe('done');
  });

  it('takes its constraint away when nothing came of it, and is not asked twice', () => {
    expect(to(snapshot('healthy', { constraints: [move('c2')] }), { unchangedMs: 60_000 })).toBe('clear c2');
    const asked = new Map([['move c2', { times: 1, outcome: 'ended', said: 'done' } as const]]);
    expect(to(snapshot(), { asked })).toMatch(/^stuck: Pacemaker did not move st-clone to c2/);
  });

  it('first takes away what an earlier one to another node left', () => {
    expect(to(snapshot('healthy', { constraints: [move('c1')] }))).toBe('clear c2');
  });

  it('clears from another host when the target’s does not answer', () => {
    expect(to(snapshot('healthy', { constraints: [move('c1')], blind: ['c2'] }))).toBe('clear c1');
  });

  it('does not begin where the workload would not go, or not stay', () => {
    expect(to(snapshot(), { trial: foretold('c3', 'c3') })).toMatch(/^stuck: nothing was moved: .* would then be served by c3/);
    const likes = { constraints: [{ id: 'likes', member: 'c3', score: '100' }] };
    expect(to(snapshot('healthy', likes))).toMatch(/^stuck: nothing was moved: location constraints prefer c3 to c2/);
    expect(to(snapshot('healthy', { constraints: [{ id: 'likes', member: 'c3', score: '99' }] })), 'as sticky as 100').toBe(
      'move c2',
    );
    const everywhere = ['c1', 'c2', 'c3'].map((member) => ({ id: `on-${member}`, member, score: '500' }));
    expect(to(snapshot('healthy', { constraints: everywhere })), 'opted in on each').toBe('move c2');
  });

  it.each([
    ['the target’s agent does not offer it', { attributes: { c2: { 'master-st': '-1' } } }, /promotion score -1/],
    ['another replica lags', { attributes: { c1: { 'master-st': '-1' } } }, /on c1 \(Unpromoted\) the promotion score -1/],
    ['the target is banned', { constraints: [ban] }, /drained, on standby or banned/],
    ['the target is on standby', { members: { c2: { isStandby: true } } }, /drained, on standby or banned/],
    [
      'a constraint keeps it away',
      { constraints: [{ id: 'no-c2', member: 'c2', score: '-INFINITY' }] },
      /no-c2 keeps st-clone from it/,
    ],
    [
      'the target failed there',
      { crm: { failures: [{ resource: 'st', task: 'promote', member: 'c2', what: 'promote of st on c2: error' }] } },
      /remembers a failure there/,
    ],
    [
      'it is unmanaged',
      {
        resources: (all: ReturnType<typeof view>['crm']['resources']) =>
          all.map((each) => ({ ...each, instances: each.instances.map((one) => ({ ...one, isManaged: false })) })),
      },
      /is not managed/,
    ],
  ] as const)('does not begin when %s', (_what, change, reason) => {
    const told = to(snapshot('healthy', change), { unchangedMs: 60_000 });
    expect(told).toMatch(/^stuck: nothing was moved/);
    expect(told).toMatch(reason);
  });

  it('a group moves whole, with a standby that needs no copy', () => {
    const group = { workload: 'webgrp', mayMove: [] };
    const trial = { ...foretold('c3'), after: view('node-standby').crm.resources, back: view('node-standby').crm.resources };
    expect(next(snapshot('healthy', group), { ...goal('switchover', 'c2', { trial }), workload: 'webgrp' })).toBe('move c2');
    const back = { ...trial, back: view('healthy').crm.resources };
    const seen = snapshot('healthy', group);
    expect(next(seen, { ...goal('switchover', 'c2', { trial: back }), workload: 'webgrp' })).toMatch(/would not stay on c2 \(c1/);
  });
});

describe('stop and start', () => {
  it('stops Pacemaker before Corosync, and never who serves while somebody else could', () => {
    expect(next(snapshot(), goal('stop', 'c2'))).toBe('stop-pacemaker c2');
    expect(
      next(snapshot('healthy', { stacks: { c2: { pacemaker: off, corosync: unit } }, blind: ['c2'] }), goal('stop', 'c2')),
    ).toBe('stop-corosync c2');
    expect(next(snapshot(), goal('stop', 'c3'))).toMatch(/^stuck: node c3 was not stopped: it serves st-clone/);
    expect(next(snapshot(), goal('start', 'c2'))).toBe('done');
  });
});

describe('leftovers', () => {
  it('are told with the commands that take them away', () => {
    const seen = snapshot('healthy', {
      constraints: [ban, move('c2')],
      stacks: { c2: { standbyIsOurs: true, pacemaker: held, corosync: held } },
      blind: ['c2'],
    });
    const [drained, moved] = leftoversOf(seen, seen.nodes[1]!);
    expect(drained?.commands).toEqual([
      '/usr/local/sbin/understudy-helper unit-free corosync.service',
      '/usr/local/sbin/understudy-helper unit-free pacemaker.service',
      'systemctl start pacemaker.service',
      '/usr/local/sbin/understudy-helper pacemaker-standby none',
      '/usr/local/sbin/understudy-helper pacemaker-unban st-clone',
    ]);
    expect(moved).toMatchObject({ kind: 'switchover', commands: ['/usr/local/sbin/understudy-helper pacemaker-clear st-clone'] });
    expect(leftoversOf(snapshot(), snapshot().nodes[1]!)).toEqual([]);
  });
});
