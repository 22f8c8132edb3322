import { describe, expect, it } from 'vitest';
import {
  asked,
  config,
  etcd,
  given,
  goal,
  held,
  leader,
  off,
  replica,
  sampled,
  sender,
  server,
  unseen,
  untagged,
} from './fixtures/contract.js';
import { nextAct } from './next-act.js';
import type { Asked, DynamicConfig, PatroniGoal, PatroniNode, PatroniSnapshot } from './snapshot.js';

const toB = (known: Omit<PatroniGoal, 'verb' | 'node'> = {}): PatroniGoal => goal('switchover', 'b', known);
const fresh = { lsn: 1_000, agoMs: 10 };
const done: PatroniGoal['done'] = new Set(['checkpoint', 'write-position'] as const);
const three = (b: PatroniNode, change: Partial<PatroniSnapshot> = {}, roles: Record<string, string> = {}): PatroniSnapshot =>
  given([leader('a', ['b', 'c']), b, replica('c')], change, roles);
const healthy = three(replica('b'));
const then = (snapshot: PatroniSnapshot, wanted = toB({ fresh, done })): unknown => nextAct(snapshot, wanted);
const stuck = (words: string): unknown => ({ next: 'stuck', reason: expect.stringContaining(words) });
const wait = (words: string): unknown => ({ next: 'wait', why: expect.stringContaining(words), binding: false });
const pending = (words: string): unknown => ({ ...(wait(words) as object), binding: true, asked: true });
const asks = { next: 'act', act: { act: 'switchover', host: 'host-a', node: 'a', candidate: 'b' }, binding: false };
const after = (change: Partial<Asked> = {}): PatroniGoal =>
  toB({ fresh, done, firstLeader: 'a', asked: asked('switchover', 'a', change) });

describe('before Patroni is asked', () => {
  it('has a checkpoint made and a record written first, then asks for the named candidate when everybody has confirmed it', () => {
    const onLeader = (act: string): unknown => ({ next: 'act', act: { act, host: 'host-a', node: 'a' }, binding: false });
    expect(then(healthy, toB())).toEqual(onLeader('checkpoint'));
    expect(then(healthy, toB({ done: new Set(['checkpoint']) }))).toEqual(onLeader('write-position'));
    expect(then(healthy)).toEqual(asks);
  });

  it('gives up where three checkpoints did not end in their time, and where too little of it is left to see the outcome', () => {
    const slow = asked('checkpoint', 'a', { times: 3, outcome: 'unknown', said: 'no answer within 8500 ms' });
    expect(then(healthy, toB({ asked: slow }))).toEqual(stuck('3 times to run a checkpoint'));
    expect(then(healthy, toB({ fresh, done, remainingMs: 14_000 }))).toEqual(stuck('nothing was moved: 14000 ms are left'));
    expect(then(healthy, toB({ fresh, done, remainingMs: 16_000 }))).toEqual(asks);
  });

  it('gives a receiver two seconds, then says that the stop would wait for it', () => {
    const hangs = given([
      leader('a', ['b', 'c'], { server: { senders: [sender('b'), sender('c', 900)] } }),
      replica('b'),
      replica('c'),
    ]);
    expect(then(hangs, toB({ fresh, done }))).toEqual(wait('not yet confirmed by c (pid 1)'));
    expect(then(hangs, toB({ fresh: { lsn: 1_000, agoMs: 2_100 }, done }))).toEqual(stuck('the stop of a would wait for it'));
    const never = given([leader('a', ['b', 'c'], { server: { senders: [sender('b', null)] } }), replica('b'), replica('c')]);
    expect(then(never, toB({ fresh, done }))).toEqual(wait('not yet confirmed by b'));
  });

  it('waits for what it cannot see', () => {
    expect(then(given([leader('a', ['b']), replica('b'), unseen(off('c'))]))).toEqual(wait('node c'));
    expect(then(given([leader('a', ['b', 'c']), replica('b'), unseen(replica('c'))]))).toEqual(
      wait('host host-c cannot be looked at'),
    );
    expect(then(three(replica('b'), { config: null }))).toEqual(wait('nobody tells Patroni’s configuration'));
    expect(then(three(replica('b', { api: { viewReason: '/cluster: timeout' } })))).toEqual(
      wait('node b does not tell its view of the cluster (/cluster: timeout)'),
    );
    const silent: PatroniNode = { ...leader('a', ['b', 'c']), server: { says: 'nothing', reason: 'refused' } };
    expect(then(given([silent, replica('b'), replica('c')]))).toEqual(wait('the server of a does not answer'));
    const views = three(replica('b', { api: { view: { members: [], isPaused: false, scheduledSwitchover: null } } }));
    expect(then(views)).toEqual(wait('node b names nobody as the leader, and a says that it leads'));
  });

  it('waits while nobody leads that it has not asked for, and refuses two that take writes', () => {
    expect(then(sampled('no-quorum-25s'), goal('switchover', 'n2'))).toEqual(wait('no member runs as the primary'));
    expect(then(given([unseen(off('a')), replica('b')]))).toEqual(wait('node a'));
    expect(then(three(replica('b', { server: { inRecovery: false } })))).toEqual(stuck('a and b both accept writes'));
  });

  const scheduled = {
    members: [{ name: 'a', role: 'leader', state: 'running', timeline: 7, tags: untagged }],
    isPaused: false,
    scheduledSwitchover: 'from a to c at noon',
  };
  const mode = (change: Partial<DynamicConfig>): Partial<PatroniSnapshot> => ({ config: { ...config, ...change } });
  it.each<readonly [string, PatroniSnapshot, string]>([
    ['is scheduled', three(replica('b', { api: { view: scheduled } })), 'a switchover is scheduled from a to c at noon'],
    ['meets a pause', three(replica('b', { member: { isPaused: true } })), 'the cluster is paused'],
    ['is in a standby cluster', three(replica('b'), mode({ isStandbyCluster: true })), 'standby cluster'],
    [
      'has no quorum of etcd',
      three(replica('b'), { etcd: etcd(['e1', null, true], ['e2', null, false]) }),
      'etcd has no majority: e2 of 2',
    ],
    [
      'cannot ask etcd',
      three(replica('b'), { etcd: { voters: [], unanswered: ['etcd at x: timeout'] } }),
      'etcd could not be asked',
    ],
    [
      'has a target that the store has lost',
      three(replica('b', { member: { storeUnseenMs: 9_000 } })),
      'has not reached Patroni’s store for 9 s',
    ],
    ['meets failsafe mode', three(replica('b', { member: { isFailsafeActive: true } })), 'failsafe mode is active'],
    ['has a drained target', three(off('b', held)), 'node b is drained'],
    ['has a target that is down', three(off('b')), 'node b is down'],
    ['has a target with our tag', three(replica('b', { unit: { tagged: true } })), 'still carries the tag of its drain'],
    [
      'has a target with the tag',
      three(replica('b', { member: { tags: { ...untagged, nofailover: true } } })),
      'has the tag nofailover',
    ],
    [
      'has a target that its owner excludes',
      three(replica('b', { notPromotable: 'reporting' })),
      'must not be promoted: reporting',
    ],
    ['has a target whose replay is paused', three(replica('b', { member: { replayPaused: true } })), 'its replay is paused'],
    ['has a target without its watchdog', three(replica('b', { member: { isWatchdogFailed: true } })), 'its watchdog'],
    [
      'has a target on another timeline',
      three(replica('b', { member: { timeline: 6 } })),
      'does not stream from a on its timeline',
    ],
    ['has a target with other data', three(replica('b', { member: { systemIdentifier: '43' } })), 'does not stream'],
    ['has a target that starts', three(replica('b', { member: { state: 'starting' } })), 'does not stream'],
    [
      'has a lagging target',
      three(replica('b', { member: { received: 400, replayed: 300 } })),
      '600 bytes behind a; maximum_lag_on_failover is 500',
    ],
    [
      'has an asynchronous target',
      three(replica('b'), mode({ synchronousMode: 'on' }), { c: 'sync_standby' }),
      'it is no synchronous standby',
    ],
  ])('refuses when it %s', (_name, snapshot, words) => {
    expect(then(snapshot)).toEqual(stuck(`nothing was moved: `));
    expect(then(snapshot)).toEqual(stuck(words));
  });

  it('takes the synchronous standby in synchronous mode, and any in quorum mode', () => {
    expect(then(three(replica('b'), mode({ synchronousMode: 'on' }), { b: 'sync_standby' }))).toEqual(asks);
    expect(then(three(replica('b'), mode({ synchronousMode: 'quorum' })))).toEqual(asks);
  });
});

describe('after Patroni was asked', () => {
  const moved = given([replica('a'), leader('b', ['a', 'c']), replica('c')]);

  it('is done when the candidate leads, everybody names it, and all who run follow it', () => {
    expect(then(moved, after())).toEqual({ next: 'done' });
    expect(then(moved, toB()), 'repeated').toEqual({ next: 'done' });
    const reopening = given([replica('a', { member: { state: 'starting' } }), leader('b', ['c']), replica('c')]);
    expect(then(reopening, after())).toEqual(wait('not yet streaming from b: a'));
    const stale = given([replica('a'), leader('b', ['a', 'c']), replica('c')], {}, { a: 'leader', b: 'replica' });
    expect(then(stale, after())).toEqual(wait('node a names a as the leader'));
    expect(then(given([unseen(replica('a')), leader('b', ['a'])]), after())).toEqual(wait('no look at host-a'));
    expect(then(given([off('a', held), leader('b', ['c']), replica('c')]), after()), 'one that is drained stays so').toEqual({
      next: 'done',
    });
  });

  it('binds while nobody leads', () => {
    const stopping = given([
      replica('a', { member: { role: 'master', state: 'stopping' }, api: { holdsKey: false }, server: {} }),
      replica('b'),
    ]);
    expect(then(stopping, after())).toEqual(pending('nobody leads while Patroni moves the workload'));
    const closing = leader('a', [], { member: { state: 'stopping' } });
    const closed = given([{ ...closing, server: { says: 'stopping' } }, replica('b')]);
    expect(then(closed, after()), 'it holds the key until it has stopped').toEqual(pending('nobody leads'));
  });

  it('never asks twice: what was not answered may happen yet, however late; what was no is told', () => {
    for (const agoMs of [24_000, 26_000, 600_000])
      expect(then(healthy, after({ outcome: 'unknown', agoMs, said: 'no answer within 8500 ms' }))).toEqual(
        pending(`a still leads ${agoMs} ms after Patroni was asked to move the workload to b, and it may do so yet`),
      );
    expect(then(healthy, after({ agoMs: 24_000, said: '200 done' }))).toEqual(wait('Patroni was asked 24000 ms ago'));
    expect(then(healthy, after({ agoMs: 26_000, said: '200 done' }))).toEqual(
      stuck('a still leads 26 s after Patroni was asked, and is not asked again (it said: 200 done)'),
    );
    expect(then(healthy, after({ outcome: 'refused', said: '503 Switchover failed' }))).toEqual(
      stuck('a still leads: Patroni answered 503 Switchover failed'),
    );
  });

  it('says that somebody else leads instead', () => {
    const other = given([replica('a'), replica('b'), leader('c', ['a', 'b'])]);
    expect(then(other, after({ said: '200 Switched over to "c" instead of "b"' }))).toEqual(
      stuck('Patroni switched over to c instead of b (it said: 200 Switched over to "c" instead of "b")'),
    );
  });

  it('believes what is seen over what was answered', () => {
    expect(then(moved, after({ outcome: 'refused', said: '503 Switchover failed' }))).toEqual({ next: 'done' });
    const both = given([leader('a', []), leader('b', ['c']), { ...replica('c'), server }]);
    expect(then(both, after())).toEqual(stuck('a person must decide'));
  });
});
