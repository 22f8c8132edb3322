import { describe, expect, it } from 'vitest';
import {
  answering,
  askedFor,
  cleared,
  fencedServer,
  goalOf,
  mastering,
  picture,
  placeOf,
  sentinelsWith,
  SILENT,
  unitSeen,
  viewOf,
} from './fixtures/contract.js';
import { nextAct } from './next-act.js';
import type { RedisNext } from './next.js';
import type { RedisGoal, RedisSnapshot } from './snapshot.js';

/** In one line: what is done, waited for, or why not. */
function told(next: RedisNext): string {
  switch (next.next) {
    case 'act':
      return `${next.act.act} ${next.act.node}${next.binding ? ' (binding)' : ''}`;
    case 'wait':
      return `wait${next.binding ? ' (binding)' : ''}: ${next.why}`;
    case 'stuck':
      return `stuck: ${next.reason}`;
    case 'done':
      return 'done';
  }
}

const DOWN = { activeState: 'inactive', subState: 'dead' } as const;
const NOTED = { purpose: 'drain', priority: 100 } as const;
const LOWERED = { read: true, priority: 0, follows: placeOf('a') } as const;
const lowered = (more: object = {}) => unitSeen({ kept: NOTED, file: LOWERED, ...more });
const next = (snapshot: RedisSnapshot, goal: RedisGoal): string => told(nextAct(snapshot, goal));

describe('drain', () => {
  const drain = (snapshot: RedisSnapshot, more: Partial<RedisGoal> = {}): string => next(snapshot, goalOf('drain', 'b', more));
  const views = (priority: number) => sentinelsWith(() => viewOf('a', { b: priority, c: 100 }));

  it('notes the priority, sets it to 0, waits for every Sentinel, holds the unit', () => {
    expect(drain(picture())).toBe('keep b');
    expect(drain(picture({ nodes: { b: { unit: unitSeen({ kept: NOTED }) } } }))).toBe('lower b');
    const set = { server: answering({ priority: 0 }), unit: lowered() };
    expect(drain(picture({ nodes: { b: set } }))).toBe(
      'wait: the Sentinel of a still reports priority 100 of b: it asks every 10 s',
    );
    expect(drain(picture({ nodes: { b: set }, sentinels: views(0) }))).toBe('hold b');
    const stopping = { ...set, unit: lowered({ held: true, activeState: 'deactivating' }) };
    expect(drain(picture({ nodes: { b: stopping }, sentinels: views(0) }))).toBe('wait: redis-server.service on b is stopping');
    expect(drain(picture({ nodes: { b: { server: SILENT, unit: lowered({ held: true, ...DOWN }) } } }))).toBe('done');
  });

  it('goes on after a crash between two acts, with what was noted first', () => {
    const zero = { server: answering({ priority: 0 }), unit: unitSeen({ kept: NOTED, file: LOWERED }) };
    expect(drain(picture({ nodes: { b: zero }, sentinels: views(0) }))).toBe('hold b');
    const moved = { unit: unitSeen({ kept: { purpose: 'switchover', priority: 70 } }) };
    expect(nextAct(picture({ nodes: { b: moved } }), goalOf('drain', 'b'))).toMatchObject({
      act: { act: 'keep', kept: { purpose: 'drain', priority: 70 } },
    });
  });

  it('never takes the master out, nor a node that the cluster cannot spare', () => {
    expect(next(picture(), goalOf('drain', 'a'))).toContain('stuck: node a is the master');
    const cAway = { server: SILENT, unit: lowered({ held: true, ...DOWN }) };
    const two = sentinelsWith((node) => (node === 'c' ? SILENT : viewOf('a', { b: 100, c: 0 })));
    expect(drain(picture({ nodes: { c: cAway }, sentinels: two }))).toContain('wait: the Sentinel of c does not answer');
    expect(drain(picture({ nodes: { c: cAway }, sentinels: views(100) }))).toContain(
      'b is the only replica that could take over now',
    );
    const needy = { server: mastering(['b', 'c'], { leastReplicas: 2 }) };
    expect(drain(picture({ nodes: { a: needy } }))).toContain(
      'takes writes only while 2 replicas keep up (min-replicas-to-write)',
    );
    const quorum = sentinelsWith(() => viewOf('a', { b: 100, c: 100 }, { quorum: 3 }));
    expect(drain(picture({ sentinels: quorum }))).toContain('there are 3 Sentinels with a quorum of 3');
    const strange = sentinelsWith(() => viewOf('a', { b: 100 }, { peers: [{ address: '10.0.0.9', port: 26_379, flags: [] }] }));
    expect(drain(picture({ sentinels: strange }))).toContain('not registered here: 10.0.0.9:26379');
    const busy = sentinelsWith(() => viewOf('a', { b: 100, c: 100 }, { flags: ['master', 'failover_in_progress'] }));
    expect(drain(picture({ sentinels: busy }))).toContain('wait: a failover is in progress');
  });

  it('says why a node that is down, or whose file is closed, cannot be drained', () => {
    expect(drain(picture({ nodes: { b: { server: SILENT, unit: unitSeen(DOWN) } } }))).toContain('stuck: node b is down');
    const closed = { unit: unitSeen({ file: { read: false, reason: 'the helper refuses' } }) };
    expect(drain(picture({ nodes: { b: closed } }))).toContain(
      'stuck: the configuration file of b cannot be looked at (the helper refuses)',
    );
    expect(drain(picture({ nodes: { b: { server: answering({ hasConfigFile: false }) } } }))).toContain(
      'was started without a configuration file',
    );
    expect(drain(picture(), { asked: askedFor('keep', 'b', { times: 3 }) })).toContain(
      'stuck: node b was asked 3 times to note its priority',
    );
  });
});

describe('join and release', () => {
  const join = (snapshot: RedisSnapshot): string => next(snapshot, goalOf('join', 'b'));
  const held = (more: object = {}) => ({ server: SILENT, unit: lowered({ held: true, ...DOWN, ...more }) });

  it('frees, starts and waits until the stream is received and every Sentinel knows', () => {
    expect(join(picture({ nodes: { b: held() } }))).toBe('free b');
    expect(join(picture({ nodes: { b: { server: SILENT, unit: lowered(DOWN) } } }))).toBe('start b');
    const up = { server: answering({ priority: 0 }), unit: lowered() };
    expect(join(picture({ nodes: { b: up } }))).toBe('done');
    expect(join(picture({ nodes: { b: { ...up, server: answering({ priority: 0, isLoading: true }) } } }))).toBe(
      'wait: node b loads its data',
    );
    const apart = { ...up, server: answering({ priority: 0, link: { master: placeOf('c'), isUp: false, isCopying: false } }) };
    expect(nextAct(picture({ nodes: { b: apart } }), goalOf('join', 'b'))).toMatchObject({ act: { act: 'follow', master: 'a' } });
    const late = sentinelsWith((node) => (node === 'b' ? SILENT : viewOf('a', { b: 0, c: 100 })));
    expect(join(picture({ nodes: { b: up }, sentinels: late }))).toContain('wait: the Sentinel of b does not answer yet');
    expect(join(picture({ nodes: { b: { ...up, server: answering({ priority: 100 }) } } }))).toBe('lower b');
  });

  it('never starts what would be a second master, nor joins one', () => {
    const alone = held({ file: { read: true, priority: 0, follows: null } });
    expect(join(picture({ nodes: { b: alone } }))).toContain(
      'stuck: node b stays held: its configuration file names nobody to follow',
    );
    const second = { server: mastering([]), unit: lowered() };
    expect(join(picture({ nodes: { b: second } }))).toContain('stuck: node b came up as a master beside another one');
  });

  it('gives the priority back, in the file and to every Sentinel, before it forgets what it was', () => {
    const release = (snapshot: RedisSnapshot): string => next(snapshot, goalOf('release', 'b'));
    expect(release(picture({ nodes: { b: { server: answering({ priority: 0 }), unit: lowered() } } }))).toBe('restore b');
    const back = { unit: unitSeen({ kept: NOTED }) };
    const late = sentinelsWith(() => viewOf('a', { b: 0, c: 100 }));
    expect(release(picture({ nodes: { b: back }, sentinels: late }))).toContain(
      'wait: the Sentinel of a still reports priority 0 of b',
    );
    expect(release(picture({ nodes: { b: back } }))).toBe('forget b');
    expect(release(picture())).toBe('done');
    expect(release(picture({ nodes: { b: held() } }))).toContain('stuck: node b is held: join it before it is released');
  });
});

describe('switchover', () => {
  const move = (snapshot: RedisSnapshot, more: Partial<RedisGoal> = {}): string =>
    next(snapshot, goalOf('switchover', 'b', more));
  /** Nobody takes writes: `a` follows itself. */
  const between = (nodes: Parameters<typeof cleared>[0] = {}): RedisSnapshot =>
    cleared({ a: { server: fencedServer('a') }, ...nodes });

  it('takes the others out of the election first, and writes from the master when every Sentinel knows', () => {
    expect(move(picture())).toBe('keep c');
    expect(move(cleared())).toBe('fence a');
    expect(nextAct(cleared(), goalOf('switchover', 'b'))).toMatchObject({ act: { target: 'b' } });
    const late = { ...cleared(), sentinels: sentinelsWith((node) => viewOf('a', { b: 100, c: node === 'b' ? 100 : 0 })) };
    expect(move(late)).toBe('wait: the Sentinel of b still reports priority 100 of c: it asks every 10 s');
  });

  it('puts the others back where something comes in the way before anything was taken', () => {
    const astray = { link: { master: placeOf('a'), isUp: false, isCopying: false } };
    expect(move(cleared({ b: { server: answering(astray) } }))).toBe('restore c');
    expect(move(picture({ nodes: { b: { server: answering(astray) } } }))).toContain('the workload stays on a');
  });

  it('asks three times at most to take writes from the master', () => {
    const asked = askedFor('fence', 'a', { times: 3, outcome: 'unknown' });
    expect(move(cleared(), { asked }), 'first, what it took goes back').toBe('restore c');
    expect(move(picture(), { asked })).toContain('node a was asked 3 times to take no writes any more');
  });

  it('puts every priority back where one cannot be taken away, and does not try again', () => {
    const asked = askedFor('lower', 'c', { times: 3, outcome: 'refused' });
    const noted = unitSeen({ kept: { purpose: 'switchover', priority: 100 } });
    expect(move(picture({ nodes: { c: { unit: noted } } }), { asked })).toBe('forget c');
    expect(move(picture(), { asked })).toContain('stuck: the workload stays on a: node c was asked 3 times to set its priority');
  });

  it('does not begin what its time is too short for', () => {
    expect(move(cleared(), { leftMs: 14_000 })).toBe('restore c');
    expect(move(picture(), { leftMs: 14_000 })).toContain('stuck: the workload stays on a: 14 s are left');
    expect(move(cleared(), { leftMs: 16_000 })).toBe('fence a');
  });

  it('goes on, however little time is left, when nobody takes writes', () => {
    expect(move(between(), { leftMs: 500 })).toBe('failover b (binding)');
  });

  describe('behind an earlier move that was cut off', () => {
    const leads = (node: string) => ({ [node]: { server: mastering([], { history: 'history-2' }) } });
    const naming = (master: string) => sentinelsWith(() => viewOf(master, { a: 100, b: 0, c: 0 }));
    const silent = (...nodes: string[]) =>
      sentinelsWith((node) => (nodes.includes(node) ? SILENT : viewOf('a', { b: 100, c: 0 })));

    it('has the fenced one follow whom the Sentinels promoted, and never lets both take writes', () => {
      const promoted = { ...between(leads('c')), sentinels: naming('c') };
      expect(nextAct(promoted, goalOf('switchover', 'b'))).toMatchObject({ act: { act: 'follow', node: 'a', master: 'c' } });
      expect(move(promoted, { gaveUp: 'it took too long' })).toBe('follow a');
      expect(next(promoted, goalOf('switchover', 'a'))).toBe('follow a');
      expect(move(between(leads('c')))).toContain('wait: the Sentinel of a names a as the master');
      expect(move({ ...promoted, sentinels: sentinelsWith(() => SILENT) })).toContain('wait: no Sentinel answers');
    });

    it('lets the fenced one lead again when the workload shall be there', () => {
      const back = (snapshot: RedisSnapshot): string => next(snapshot, goalOf('switchover', 'a'));
      expect(back(between())).toBe('give-back a (binding)');
      expect(back({ ...between(), sentinels: naming('b') })).toContain('wait (binding): the Sentinel of a names b');
    });

    it('does not give back where the Sentinels name another, or one that may have been asked is silent', () => {
      const gone = between({ b: { server: SILENT } });
      const late = { asked: new Map([...askedFor('failover', 'b', { agoMs: 9_000, outcome: 'unknown' })]) };
      expect(move({ ...gone, sentinels: naming('b') }, late)).toBe(
        'wait (binding): the Sentinel of a names b as the master already',
      );
      for (const known of [{}, late, { gaveUp: 'it took too long' }])
        expect(move({ ...gone, sentinels: silent('c') }, known)).toContain('wait (binding): the Sentinel of c does not answer');
      expect(move({ ...between(), sentinels: silent('c') }, { gaveUp: 'it took too long' })).toContain('wait (binding)');
    });

    it('gives back where the target is away with the host of its Sentinel, or this call asked nobody yet', () => {
      const gone = between({ b: { server: SILENT } });
      expect(move({ ...gone, sentinels: silent('b') })).toBe('give-back a (binding)');
      const fresh = { asked: askedFor('fence', 'a', { agoMs: 5_000 }) };
      expect(move({ ...gone, sentinels: silent('b', 'c') }, fresh)).toBe('give-back a (binding)');
    });

    it('does not give back to a master that was restarted since: it may lack writes that the target has', () => {
      const restarted = { server: fencedServer('a', { offset: 1, history: 'history-9' }) };
      expect(move(cleared({ a: restarted }))).toContain('wait (binding): a was restarted since it takes no writes');
      expect(move(cleared({ a: restarted, b: { server: SILENT } }))).toContain('wait (binding): a was restarted');
      expect(next(cleared({ a: restarted }), goalOf('switchover', 'a'))).toContain('wait (binding): a was restarted');
      const shorter = { server: fencedServer('a', { offset: 900 }) };
      expect(next(cleared({ a: shorter }), goalOf('switchover', 'a'))).toContain('wait (binding): a was restarted');
      expect(move(cleared({ a: shorter })), 'the target has more').toBe('failover b (binding)');
      expect(move(cleared({ a: restarted }), { asked: askedFor('fence', 'a') }), 'this call saw that it has all').toBe(
        'failover b (binding)',
      );
    });

    it('does not ask the Sentinel beside the target, nor where a stranger could be chosen', () => {
      expect(nextAct(between(), goalOf('switchover', 'b'))).toMatchObject({ act: { sentinel: { address: '10.0.0.3' } } });
      expect(nextAct({ ...between(), sentinels: silent('c') }, goalOf('switchover', 'b'))).toMatchObject({
        act: { sentinel: { address: '10.0.0.1' } },
      });
      expect(move({ ...between(), sentinels: silent('a', 'c') })).toContain('wait (binding): no Sentinel answers');
      const stranger = sentinelsWith(() => viewOf('a', { b: 100, c: 0, '10.0.0.8': 100 }));
      expect(move({ ...between(), sentinels: stranger })).toBe('give-back a (binding)');
    });
  });

  it('asks a Sentinel when the old master is fenced and its last byte is on the target, once', () => {
    expect(move(between())).toBe('failover b (binding)');
    expect(nextAct(between(), goalOf('switchover', 'b', { asked: askedFor('failover', 'b') }))).toMatchObject({
      next: 'wait',
      binding: true,
      asked: true,
    });
    expect(move(between(), { asked: askedFor('failover', 'b', { outcome: 'refused' }) })).toBe('failover b (binding)');
  });

  it('gives writes back where the target would lose some, or a Sentinel does not promote it', () => {
    expect(move(between({ b: { server: answering({ offset: 999 }) } }))).toBe('give-back a (binding)');
    expect(move(between({ b: { server: answering({ history: 'another' }) } }))).toBe('give-back a (binding)');
    expect(move(between({ c: { server: answering({ priority: 100 }) } }))).toBe('give-back a (binding)');
    expect(move(between(), { asked: askedFor('failover', 'b', { times: 3, outcome: 'refused' }) })).toBe('give-back a (binding)');
    const quiet = between({ b: { server: SILENT } });
    expect(move(quiet, { asked: askedFor('fence', 'a') })).toBe('wait (binding): b does not answer');
    expect(move(quiet, { asked: askedFor('fence', 'a', { agoMs: 5_000 }) })).toBe('give-back a (binding)');
  });

  it('does not give writes back while a Sentinel is in the middle of a failover', () => {
    const busy = {
      ...between({ b: { server: answering({ offset: 1 }) } }),
      sentinels: sentinelsWith(() => viewOf('a', { b: 100, c: 0 }, { flags: ['master', 'failover_in_progress'] })),
    };
    expect(move(busy)).toContain('wait (binding): a Sentinel was asked to promote b');
    expect(move(busy, { gaveUp: 'it took too long' })).toContain('wait (binding): a Sentinel is in the middle of a failover');
  });

  it('has the old master follow the new one, waits for every Sentinel, and puts priorities back', () => {
    const leads = {
      server: mastering(['a', 'c'], { history: 'history-2' }),
      unit: unitSeen({ file: { read: true, priority: 100, follows: null } }),
    };
    const follower = { link: { master: placeOf('b'), isUp: true, isCopying: false }, history: 'history-2' } as const;
    const after = (nodes: Parameters<typeof cleared>[0], view = viewOf('b', { a: 100, c: 0 })): RedisSnapshot => ({
      ...cleared({ b: leads, ...nodes }),
      sentinels: sentinelsWith(() => view),
    });
    expect(move(after({ a: { server: fencedServer('a') } }))).toBe('follow a');
    const c = {
      server: answering({ ...follower, priority: 0 }),
      unit: unitSeen({ kept: { purpose: 'switchover', priority: 100 }, file: { ...LOWERED, follows: placeOf('b') } }),
    };
    const a = { server: answering(follower) };
    expect(move(after({ a, c }, viewOf('a', { b: 100 })))).toContain('wait: the Sentinel of a names a as the master');
    expect(move(after({ a, c }))).toBe('restore c');
    const restored = { server: answering(follower), unit: unitSeen({ kept: { purpose: 'switchover', priority: 100 } }) };
    expect(move(after({ a, c: restored }, viewOf('b', { a: 100, c: 100 })))).toBe('forget c');
    expect(move(after({ a, c: { server: answering(follower) } }))).toBe('done');
    const quiet = sentinelsWith((node) => (node === 'b' ? SILENT : viewOf('b', { a: 100, c: 100 })));
    expect(move({ ...after({ a, c: { server: answering(follower) } }), sentinels: quiet })).toContain(
      'wait: the Sentinel of b does not answer',
    );
    expect(
      move(
        after({ a, c: { server: answering({ ...follower, link: { master: placeOf('a'), isUp: false, isCopying: false } }) } }),
      ),
    ).toBe('follow c');
  });

  it('gave up: everything as it was, and says why', () => {
    const goal = { gaveUp: 'b had not every byte' };
    expect(move(between(), goal)).toBe('give-back a (binding)');
    expect(move(cleared(), goal)).toBe('restore c');
    expect(move(picture(), goal)).toBe('stuck: given up, and everything is as it was before: b had not every byte');
  });

  it('is refused before anything is taken away', () => {
    expect(move(picture({ nodes: { b: { notPromotable: 'for reports' } } }))).toContain(
      'b must not become the master: for reports',
    );
    expect(move(picture({ nodes: { b: { unit: lowered(), server: answering({ priority: 0 }) } } }))).toContain('b is drained');
    const astray = { link: { master: placeOf('a'), isUp: false, isCopying: false } };
    expect(move(picture({ nodes: { c: { server: answering(astray) } } }))).toContain('c does not receive its stream');
    expect(move(picture({ nodes: { b: { server: answering(astray) } } }))).toContain('b does not receive the stream of a');
    expect(move(picture({ nodes: { a: { server: mastering(['b', 'c'], { version: '6.0.16' }) } } }))).toContain(
      'only 6.2 and later can pause writes',
    );
    expect(move(picture({ nodes: { a: { server: mastering(['b', 'c'], { isReadOnlyReplica: false }) } } }))).toContain(
      'Redis on a would take writes as a replica too, and lose them (replica-read-only no)',
    );
    const short = sentinelsWith(() => viewOf('a', { b: 100, c: 100 }, { downAfterMs: 1_000 }));
    expect(move(picture({ sentinels: short }))).toContain('takes a master for down after 1000 ms');
    const other = sentinelsWith(() => viewOf('a', { b: 100, c: 100, '10.0.0.8': 100 }));
    expect(move(picture({ sentinels: other }))).toContain(
      'the Sentinels could promote 10.0.0.8:6379, which is not registered here',
    );
    const poor = sentinelsWith(() => viewOf('a', { b: 100, c: 100 }, { isQuorumReached: false, quorumSays: 'NOQUORUM' }));
    expect(move(picture({ sentinels: poor }))).toContain('sees no quorum: NOQUORUM');
    expect(move(picture({ nodes: { b: { server: mastering([]) } } }))).toContain('stuck: more than one node takes writes: a, b');
    expect(move(picture({ nodes: { a: { server: SILENT } } }))).toContain('wait: no node is seen to be the master');
  });

  it('sees that a Sentinel promoted another one', () => {
    const elsewhere = picture({ nodes: { a: { server: SILENT, unit: unitSeen(DOWN) }, c: { server: mastering(['b']) } } });
    const taken = { server: mastering(['b']), unit: lowered({ kept: { purpose: 'switchover', priority: 100 } }) };
    const known = { firstMaster: 'a', asked: askedFor('fence', 'a') };
    expect(move(picture({ nodes: { a: { server: SILENT, unit: unitSeen(DOWN) }, c: taken } }), known)).toBe('restore c');
    expect(move(elsewhere, known)).toBe('stuck: the Sentinels promoted c in place of b');
  });
});

describe('stop and start', () => {
  it('stop a replica, and never a master that somebody would be promoted for', () => {
    expect(next(picture(), goalOf('stop', 'b'))).toBe('stop b');
    expect(next(picture(), goalOf('stop', 'a'))).toContain('the Sentinels would promote b or c when it stops');
    expect(next(picture({ nodes: { b: { server: SILENT, unit: unitSeen(DOWN) } } }), goalOf('stop', 'b'))).toBe('done');
    expect(next(picture({ nodes: { b: { server: SILENT, unit: unitSeen(DOWN) } } }), goalOf('start', 'b'))).toBe('start b');
    expect(next(picture(), goalOf('start', 'b'))).toBe('done');
    expect(
      next(picture({ nodes: { b: { server: SILENT, unit: lowered({ held: true, ...DOWN }) } } }), goalOf('start', 'b')),
    ).toContain('is drained: join it');
  });

  it('know no other node', () => {
    expect(next(picture(), goalOf('stop', 'z'))).toBe('stuck: there is no node z in cluster orders');
  });
});
