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
  unit,
  unseen,
  untagged,
} from './fixtures/contract.js';
import { nextAct } from './next-act.js';
import type { DynamicConfig, PatroniGoal, PatroniNode, PatroniSnapshot } from './snapshot.js';

const then = (snapshot: PatroniSnapshot, wanted: PatroniGoal): unknown => nextAct(snapshot, wanted);
const healthy = given([leader('a', ['b', 'c']), replica('b'), replica('c')]);
/** Three nodes, `b` as told, `c` too. */
const three = (
  b: PatroniNode,
  change: Partial<PatroniSnapshot> = {},
  c: PatroniNode = replica('c'),
  roles: Record<string, string> = {},
): PatroniSnapshot => given([leader('a', ['b', 'c']), b, c], change, roles);
const act = (name: string, node = 'b'): unknown => ({
  next: 'act',
  act: { act: name, host: `host-${node}`, node },
  binding: false,
});
const stuck = (words: string): unknown => ({ next: 'stuck', reason: expect.stringContaining(words) });
const wait = (words: string): unknown => ({ next: 'wait', why: expect.stringContaining(words), binding: false });
const synchronous = (change: Partial<DynamicConfig> = {}): DynamicConfig => ({ ...config, synchronousMode: 'on', ...change });

it('knows only the nodes of its cluster', () => {
  expect(then(healthy, goal('drain', 'z'))).toEqual(stuck('there is no node z'));
});

describe('drain', () => {
  it('tags, then holds, then is done when nothing of the node answers', () => {
    expect(then(healthy, goal('drain', 'b'))).toEqual(act('tag'));
    expect(then(three(replica('b', { unit: { tagged: true } })), goal('drain', 'b'))).toEqual(act('hold'));
    expect(then(three(replica('b', { unit: { ...held, activeState: 'deactivating' } })), goal('drain', 'b'))).toEqual(
      wait('is stopping'),
    );
    expect(then(three(off('b', held)), goal('drain', 'b'))).toEqual({ next: 'done' });
  });

  it('goes on where it was cut off: held and running, held and not tagged, held while a server lingers', () => {
    expect(then(three(replica('b', { unit: held })), goal('drain', 'b'))).toEqual(act('hold'));
    expect(then(three(off('b', { held: true })), goal('drain', 'b'))).toEqual(act('tag'));
    const lingering = { ...replica('b'), unit: off('b', held).unit, api: off('b').api };
    expect(then(three(lingering), goal('drain', 'b'))).toEqual(wait('something of it still answers'));
    expect(then(three(lingering), goal('drain', 'b', { unchangedMs: 31_000 }))).toEqual(
      stuck('has been off for 31 s, and PostgreSQL still runs there'),
    );
  });

  it('does not take a server for gone that lets us in no session, or that only listens', () => {
    const full: PatroniNode = { ...off('b', held), server: { says: 'refuses', reason: 'too many clients (53300)' } };
    expect(then(three(full), goal('drain', 'b'))).toEqual(wait('something of it still answers'));
    expect(then(three(off('b', { ...held, listens: true })), goal('drain', 'b'))).toEqual(wait('something of it still answers'));
    const old: PatroniNode = { ...off('a', { listens: true }), server: full.server };
    expect(then(given([old, leader('b', ['c']), replica('c')]), goal('drain', 'c'))).toEqual(wait('node a'));
  });

  it('refuses where names that were set by hand would leave commits waiting, and where only those who stay are not enough', () => {
    const named = (synchronousNames: string, ...feeds: string[]): PatroniSnapshot =>
      given([leader('a', feeds, { server: { synchronousNames } }), replica('b'), ...(feeds.includes('c') ? [replica('c')] : [])]);
    for (const names of ['FIRST 1 (b)', 'ANY 1 ("B")', '2 (b, c)', 'FIRST 2 (*)'])
      expect(then(named(names, 'b', 'c'), goal('drain', 'b')), names).toEqual(stuck(`is set by hand to "${names}"`));
    expect(then(named('*', 'b'), goal('drain', 'b'))).toEqual(stuck('every commit would wait'));
    for (const names of ['FIRST 1 (b, c)', '*', 'FIRST 1 (c)'])
      expect(then(named(names, 'b', 'c'), goal('drain', 'b')), names).toEqual(act('tag'));
    const silent: PatroniNode = { ...leader('a', ['b', 'c']), server: { says: 'refuses', reason: 'too many clients' } };
    expect(then(given([silent, replica('b'), replica('c')]), goal('drain', 'b'))).toEqual(wait('for whom its commits wait'));
  });

  it('in strict mode counts no standby that another standby feeds', () => {
    const strict = { config: synchronous({ isSynchronousStrict: true }) };
    const roles = { b: 'sync_standby' };
    expect(then(three(replica('b'), strict, replica('c'), roles), goal('drain', 'b'))).toEqual(act('tag'));
    const above = replica('b', { member: { senders: [{ member: 'c', state: 'streaming', syncState: 'async' }] } });
    const cascaded = given([leader('a', ['b']), above, replica('c')], strict, roles);
    expect(then(cascaded, goal('drain', 'b'))).toEqual(stuck('blocks every write without one'));
  });

  it('refuses while the other standby is lost to the store, whatever it says of itself', () => {
    expect(then(three(replica('b'), {}, replica('c', { member: { storeUnseenMs: 7_000 } })), goal('drain', 'b'))).toEqual(
      stuck('b is the only standby that could take over now'),
    );
  });

  it('is not done before it is seen that nobody waits for it', () => {
    const config = synchronous();
    const names = { synchronousNames: '"b"' };
    const late = { ...leader('a', ['c'], { server: names }), api: off('a').api };
    expect(then(given([late, off('b', held), replica('c')], { config }), goal('drain', 'b'))).toEqual(
      wait('a still has b as a synchronous standby'),
    );
    expect(then(given([unseen(off('a')), off('b', held), replica('c')], { config }), goal('drain', 'b'))).toEqual(
      wait('not known whether commits wait for b'),
    );
    expect(then(given([leader('a', ['c']), off('b', held), replica('c')], { config: null }), goal('drain', 'b'))).toEqual(
      wait('not known whether commits on a wait for b'),
    );
    expect(then(given([off('a'), off('b', held), replica('c')], { config }), goal('drain', 'b')), 'nobody takes writes').toEqual({
      next: 'done',
    });
  });

  it('takes a node that was down out for good', () => {
    expect(then(three(off('b')), goal('drain', 'b'))).toEqual(act('tag'));
    expect(then(three(off('b', { tagged: true })), goal('drain', 'b'))).toEqual(act('hold'));
  });

  it('refuses the leader, and waits while nobody leads or the store still names the node', () => {
    expect(then(healthy, goal('drain', 'a'))).toEqual(stuck('a drain never moves the workload'));
    expect(then(sampled('no-quorum-25s'), goal('drain', 'n2'))).toEqual(wait('no node is seen to lead'));
    expect(then(three(replica('b'), {}, replica('c'), { a: 'replica', b: 'leader' }), goal('drain', 'b'))).toEqual(
      wait('still names b as the leader'),
    );
    expect(then(given([off('a'), off('b', held)]), goal('drain', 'b')), 'drained already').toEqual({ next: 'done' });
  });

  it('waits for a host that cannot be looked at, for an unknown node, and for the configuration', () => {
    expect(then(three(unseen(replica('b'))), goal('drain', 'b'))).toEqual(wait('host host-b cannot be looked at'));
    expect(then(three(replica('b'), {}, unseen(off('c'))), goal('drain', 'b'))).toEqual(wait('node c'));
    expect(then(three(replica('b'), { config: null }), goal('drain', 'b'))).toEqual(wait('nobody tells Patroni’s configuration'));
  });

  it('refuses in a paused cluster and in a standby cluster', () => {
    expect(then(sampled('paused'), goal('drain', 'n1'))).toEqual(stuck('the cluster is paused'));
    expect(then(three(replica('b'), { config: { ...config, isStandbyCluster: true } }), goal('drain', 'b'))).toEqual(
      stuck('standby cluster'),
    );
  });

  it.each([
    ['of three members loses one', etcd(['e1', 'a', true], ['e2', 'b', true], ['e3', null, true]), act('tag')],
    [
      'loses the second one with the node',
      etcd(['e1', 'a', true], ['e2', 'b', true], ['e3', null, false]),
      stuck('without e2 and e3 there is no majority'),
    ],
    ['of two members loses one', etcd(['e1', 'a', true], ['e2', 'b', true]), stuck('etcd has 2 voting members')],
    ['is not on the node', etcd(['e1', null, true], ['e2', null, true], ['e3', null, false]), act('tag')],
    ['has no majority now', etcd(['e1', null, true], ['e2', null, false], ['e3', null, false]), stuck('there is no majority')],
    ['cannot be asked', { voters: [], unanswered: ['etcd at x: timeout'] }, stuck('etcd could not be asked')],
  ])('when etcd %s', (_name, members, expected) => {
    expect(then(three(replica('b'), { etcd: members }), goal('drain', 'b'))).toEqual(expected);
  });

  it('refuses while a member is in failsafe mode', () => {
    expect(then(three(replica('b', { member: { isFailsafeActive: true } })), goal('drain', 'c'))).toEqual(
      stuck('failsafe mode is active (b says so)'),
    );
  });

  it('keeps one standby that could take over, where there are several', () => {
    const lagging = replica('c', { member: { received: 100, replayed: 100 } });
    expect(then(three(replica('b'), {}, lagging), goal('drain', 'b'))).toEqual(
      stuck('b is the only standby that could take over now: c could not'),
    );
    expect(then(three(replica('b'), {}, off('c')), goal('drain', 'b'))).toEqual(stuck('is the only standby'));
    expect(then(three(replica('b'), {}, off('c', held)), goal('drain', 'b'))).toEqual(stuck('is the only standby'));
    const never = { tags: { ...untagged, nofailover: true } };
    expect(
      then(three(replica('b'), {}, replica('c', { member: never })), goal('drain', 'b')),
      'the only one there ever is',
    ).toEqual(act('tag'));
    expect(then(three(replica('b', { member: never }), {}, lagging), goal('drain', 'b')), 'never promoted').toEqual(act('tag'));
    expect(then(given([leader('a', ['b']), replica('b')]), goal('drain', 'b')), 'a pair').toEqual(act('tag'));
  });

  it('keeps a synchronous standby in strict mode, and waits until no commit waits for the node', () => {
    const strict = { config: synchronous({ isSynchronousStrict: true }) };
    const pair = given([leader('a', ['b']), replica('b')], strict, { b: 'sync_standby' });
    expect(then(pair, goal('drain', 'b'))).toEqual(
      stuck('b is the only synchronous standby, and synchronous_mode_strict blocks every write'),
    );
    const async = given([leader('a', ['b']), replica('b')], strict);
    expect(then(async, goal('drain', 'b'))).toEqual(stuck('is the only standby left that could be synchronous'));
    expect(
      then(three(replica('b'), strict, replica('c'), { b: 'sync_standby' }), goal('drain', 'b')),
      'c takes its place',
    ).toEqual(act('tag'));
    const never = replica('c', { member: { tags: { ...untagged, nosync: true } } });
    expect(then(three(replica('b'), strict, never, { b: 'sync_standby' }), goal('drain', 'b'))).toEqual(
      stuck('is the only synchronous standby'),
    );
    const counted = given([leader('a', ['c'], { server: { synchronousNames: '"B"' } }), off('b', held), replica('c')], {
      config: synchronous(),
    });
    expect(then(counted, goal('drain', 'b'))).toEqual(wait('a still has b as a synchronous standby'));
    const dropped = given([leader('a', ['c'], { server: { synchronousNames: '"c"' } }), off('b', held), replica('c')], {
      config: synchronous(),
    });
    expect(then(dropped, goal('drain', 'b'))).toEqual({ next: 'done' });
  });

  it('gives an act up that its host refuses, and says what the host said', () => {
    const refused = { asked: asked('tag', 'b', { times: 3, outcome: 'refused', said: 'ended with 64: unknown verb' }) };
    expect(then(healthy, goal('drain', 'b', refused))).toEqual(
      stuck('was asked 3 times to give its member the tag nofailover and it is not so. It said: ended with 64: unknown verb'),
    );
  });
});

describe('join', () => {
  it('frees, then starts, and is done when the node streams within the ceiling; the tag stays', () => {
    expect(then(three(off('b', held)), goal('join', 'b'))).toEqual(act('free'));
    expect(then(three(off('b', { tagged: true })), goal('join', 'b'))).toEqual(act('start'));
    expect(then(three(replica('b', { unit: { tagged: true } })), goal('join', 'b'))).toEqual({ next: 'done' });
    expect(then(three(replica('b', { unit: held })), goal('join', 'b')), 'runs although held').toEqual(act('free'));
  });

  it('starts nothing that would be elected', () => {
    expect(then(three(off('b')), goal('join', 'b'))).toEqual(act('tag'));
    expect(then(three(off('b', { held: true })), goal('join', 'b'))).toEqual(act('tag'));
  });

  it('waits for the start, for the stream and for the lag', () => {
    const tagged = { tagged: true };
    const starting = { ...off('b'), unit: { ...unit, ...tagged, activeState: 'activating' } };
    expect(then(three(starting), goal('join', 'b'))).toEqual(wait('its REST API does not answer yet'));
    const orphaned = { ...replica('b'), unit: off('b', { ...tagged, listens: true }).unit, api: off('b').api };
    expect(then(three(orphaned), goal('join', 'b')), 'Patroni takes over what outlived the last one').toEqual(act('start'));
    const mute = { ...orphaned, server: off('b').server };
    expect(then(three(mute), goal('join', 'b'))).toEqual(wait('something of it still answers'));
    const behind = replica('b', { unit: tagged, member: { timeline: 6 } });
    expect(then(three(behind), goal('join', 'b'))).toEqual(
      wait('does not stream from a on its timeline yet (Patroni says: running)'),
    );
    const unfed = given([leader('a', ['c']), replica('b', { unit: tagged }), replica('c')]);
    expect(then(unfed, goal('join', 'b')), '3.0 says running without a stream').toEqual(wait('does not stream'));
    const lagging = replica('b', { unit: tagged, member: { received: 400, replayed: 400 } });
    expect(then(three(lagging), goal('join', 'b'))).toEqual(wait('600 bytes behind; the ceiling is 500'));
    const not = replica('b', { unit: tagged, member: { replicationState: 'in archive recovery' } });
    expect(then(three(not), goal('join', 'b'))).toEqual(wait('does not stream'));
  });

  it('refuses the leader, and waits while nobody leads or its host is out of sight', () => {
    expect(then(healthy, goal('join', 'a'))).toEqual(stuck('it is the one to join'));
    expect(then(given([off('a'), off('b', held)]), goal('join', 'b'))).toEqual(wait('there is nothing to join'));
    expect(then(three(unseen(off('b'))), goal('join', 'b'))).toEqual(wait('cannot be looked at'));
  });

  it('gives up a unit that ends after each start, and a server that Patroni cannot start', () => {
    const ended = off('b', { tagged: true, activeState: 'failed', subState: 'failed', result: 'exit-code' });
    expect(then(three(ended), goal('join', 'b', { asked: asked('start', 'b', { times: 2 }) }))).toEqual(act('start'));
    expect(then(three(ended), goal('join', 'b', { asked: asked('start', 'b', { times: 3 }) }))).toEqual(
      stuck('patroni.service is failed (failed), and ended with exit-code'),
    );
    const failed = three(replica('b', { unit: { tagged: true }, member: { state: 'start failed' } }));
    expect(then(failed, goal('join', 'b', { failingMs: 5_000 }))).toEqual(wait('Patroni says: start failed'));
    expect(then(failed, goal('join', 'b', { failingMs: 21_000 }))).toEqual(
      stuck('Patroni has tried for 21 s and says "start failed"'),
    );
  });
});

describe('release', () => {
  const tagged = replica('b', { unit: { tagged: true }, member: { tags: { ...untagged, nofailover: true } } });

  it('takes the tag away, and is done when neither the member nor the cluster shows it', () => {
    expect(then(three(tagged), goal('release', 'b'))).toEqual(act('untag'));
    const stale = replica('b', { member: { tags: { ...untagged, nofailover: true } } });
    expect(then(three(stale), goal('release', 'b'))).toEqual(wait('node b still shows its tag nofailover'));
    const members = [{ name: 'b', role: 'replica', state: 'running', timeline: 7, tags: { ...untagged, nofailover: true } }];
    const view = { members, isPaused: false, scheduledSwitchover: null };
    const viewed = given([leader('a', ['b', 'c'], { api: { view } }), replica('b'), replica('c')]);
    expect(then(viewed, goal('release', 'b'))).toEqual(wait('the cluster still shows its tag'));
    expect(then(healthy, goal('release', 'b'))).toEqual({ next: 'done' });
  });

  it('has a member told again that still shows the tag when a reload has had its time, and never calls it released', () => {
    const still = three(replica('b', { member: { tags: { ...untagged, nofailover: true } } }));
    expect(then(still, goal('release', 'b', { unchangedMs: 6_900 }))).toEqual(wait('still shows'));
    expect(then(still, goal('release', 'b', { unchangedMs: 7_100 }))).toEqual(act('untag'));
    const told = (times: number, agoMs: number): PatroniGoal =>
      goal('release', 'b', { unchangedMs: 30_000, asked: asked('untag', 'b', { times, agoMs }) });
    expect(then(still, told(1, 6_900))).toEqual(wait('still shows'));
    expect(then(still, told(2, 7_100))).toEqual(act('untag'));
    expect(then(still, told(3, 7_100))).toEqual(stuck('3 times to take the tag nofailover away'));
    const owned = replica('b', { member: { tags: { ...untagged, nofailover: true } } });
    expect(then(three({ ...owned, notPromotable: 'reporting' }), goal('release', 'b'))).toEqual({ next: 'done' });
  });

  it('is not done while the node is down, silent or does not stream', () => {
    expect(then(three(off('b')), goal('release', 'b'))).toEqual(stuck('node b is down: join it'));
    const mute = { ...replica('b'), api: off('b').api };
    expect(then(three(mute), goal('release', 'b'))).toEqual(wait('does not answer, so it is not known whether its tag is gone'));
    expect(then(three(replica('b', { server: { receiver: null } })), goal('release', 'b'))).toEqual(wait('does not stream yet'));
  });

  it('refuses a node that is held or does not stream, and waits while nobody leads', () => {
    expect(then(three(off('b', held)), goal('release', 'b'))).toEqual(stuck('join it before it is released'));
    expect(then(given([leader('a', ['c']), tagged, replica('c')]), goal('release', 'b'))).toEqual(
      stuck('does not stream from a'),
    );
    expect(then(given([off('a'), tagged]), goal('release', 'b'))).toEqual(wait('no node is seen to lead'));
    expect(then(three(unseen(tagged)), goal('release', 'b'))).toEqual(wait('cannot be looked at'));
    const leads = given([leader('a', ['b'], { unit: { tagged: true } }), replica('b')]);
    expect(then(leads, goal('release', 'a')), 'one that leads after all').toEqual(act('untag', 'a'));
  });
});

describe('stop and start', () => {
  it('stops a standby where it is', () => {
    expect(then(healthy, goal('stop', 'b'))).toEqual(act('stop'));
    expect(then(three(replica('b', { unit: { activeState: 'deactivating' } })), goal('stop', 'b'))).toEqual(wait('is stopping'));
    expect(then(three({ ...replica('b'), unit: off('b').unit }), goal('stop', 'b'))).toEqual(wait('still answers'));
    expect(then(three(off('b')), goal('stop', 'b'))).toEqual({ next: 'done' });
    expect(then(three(unseen(replica('b'))), goal('stop', 'b'))).toEqual(wait('cannot be looked at'));
  });

  it('stops a leader only where nobody would be promoted in its place', () => {
    expect(then(healthy, goal('stop', 'a'))).toEqual(stuck('Patroni would promote b or c when it stops'));
    expect(then(given([leader('a', []), off('b', held)]), goal('stop', 'a'))).toEqual(act('stop', 'a'));
    const never = replica('b', { member: { tags: { ...untagged, nofailover: true } } });
    expect(then(given([leader('a', ['b']), never]), goal('stop', 'a'))).toEqual(act('stop', 'a'));
    expect(then(given([leader('a', []), unseen(off('b'))]), goal('stop', 'a')), 'an unknown one may').toEqual(
      stuck('would promote b'),
    );
    expect(then(sampled('paused'), goal('stop', 'n1'))).toEqual(stuck('the cluster is paused'));
  });

  it('starts what is off and not drained', () => {
    expect(then(three(off('b')), goal('start', 'b'))).toEqual(act('start'));
    expect(then(three(off('b', held)), goal('start', 'b'))).toEqual(stuck('node b is drained: join it'));
    expect(then(healthy, goal('start', 'b'))).toEqual({ next: 'done' });
    expect(then(three(replica('b', { member: { state: 'starting' } })), goal('start', 'b'))).toEqual(
      wait('Patroni says: starting'),
    );
    expect(then(three(replica('b', { member: { state: 'crashed' } })), goal('start', 'b', { failingMs: 30_000 }))).toEqual(
      stuck('"crashed"'),
    );
    expect(then(three(unseen(off('b'))), goal('start', 'b'))).toEqual(wait('cannot be looked at'));
  });
});
