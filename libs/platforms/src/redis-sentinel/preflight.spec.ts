import { describe, expect, it } from 'vitest';
import {
  fenced,
  given,
  lowered,
  master,
  off,
  replica,
  unseen,
  type NodeChange,
  type ViewChange,
} from './fixtures/samples/contract.js';
import { clusterChecks } from './preflight.js';
import { evidenceOf } from './evidence.js';
import type { RedisNode, RedisSnapshot } from './snapshot.js';
import { stateChecks } from './validate.js';
import { versionPair } from './versions.js';

const three = (
  b: RedisNode = replica('b', 'a'),
  views: Readonly<Record<string, ViewChange | 'silent'>> = {},
  a: NodeChange = {},
): RedisSnapshot => given([master('a', ['b', 'c'], a), b, replica('c', 'a')], views);
/** Names of the checks that did not pass, with their node. */
const failed = (snapshot: RedisSnapshot): readonly string[] =>
  clusterChecks(snapshot, 'moving')
    .filter(({ passed }) => passed !== true)
    .map(({ check, node }) => (node === undefined ? check : `${check} ${node}`));

describe('before a rollout', () => {
  it('everything passes where all is well', () => {
    expect(failed(three())).toEqual([]);
  });

  it.each<[string, RedisSnapshot, string]>([
    ['a failover is in progress', three(undefined, { b: { flags: ['master', 'failover_in_progress'] } }), 'no-failover'],
    ['a Sentinel takes the master for down', three(undefined, { b: { flags: ['master', 's_down'] } }), 'complete'],
    ['a Sentinel is in TILT mode', three(undefined, { c: { isTilted: true } }), 'complete'],
    ['a Sentinel sees no quorum', three(undefined, { c: { isQuorumReached: false } }), 'sentinel-quorum'],
    ['Sentinels were told otherwise', three(undefined, { c: { quorum: 3 } }), 'sentinels-alike'],
    ['a Sentinel is away', three(undefined, { c: 'silent' }), 'sentinels-answer'],
    [
      'a snapshot failed',
      three(undefined, {}, { server: { persistenceFault: 'rdb_last_bgsave_status is err' } }),
      'persistence a',
    ],
    ['writes need every replica', three(undefined, {}, { server: { leastReplicas: 2 } }), 'may-leave b'],
    ['a replica is older than the master', three(replica('b', 'a', { server: { version: '6.2.7' } })), 'version-order b'],
    ['a replica is off', three(off('b')), 'answers b'],
    ['a drain was not ended', three(replica('b', 'a', lowered('drain'))), 'unit b'],
    ['the unit does not start with its host', three(replica('b', 'a', { unit: { enabled: false } })), 'unit b'],
    ['there is no configuration file', three(replica('b', 'a', { server: { hasConfigFile: false } })), 'configuration-file b'],
    [
      'the configuration file is closed',
      three(replica('b', 'a', { unit: { file: { read: false, reason: 'no' } } })),
      'configuration-file b',
    ],
    ['a host cannot be looked at', three(unseen(replica('b', 'a'))), 'unit b'],
    ['Sentinels take a master for down too soon', three(undefined, { a: { downAfterMs: 1_000 } }), 'promotable-standby'],
    ['nobody is the master', three(undefined, {}, { server: { role: 'replica', link: null } }), 'master'],
  ])('it is told that %s', (_, snapshot, check) => {
    expect(failed(snapshot)).toContain(check);
  });

  it('asks for nobody who could take over where nothing moves', () => {
    const alone = three(off('b', { held: true }), {}, {});
    expect(clusterChecks(alone, 'staying').map(({ check }) => check)).not.toContain('promotable-standby');
  });
});

describe('evidence', () => {
  it('is of an application cluster for each replica that could take over', () => {
    expect(evidenceOf(three())).toHaveLength(2);
    expect(evidenceOf(three())[0]).toMatchObject({
      supports: 'application',
      detail: expect.stringContaining('3 of 3 Sentinels'),
    });
  });

  it.each<[string, RedisSnapshot]>([
    ['More than one node accepts writes', three(master('b', []))],
    ['No Redis was seen that is a master', three(undefined, {}, { server: { role: 'replica', link: null } })],
    ['No Sentinel answers', three(undefined, { a: 'silent', b: 'silent', c: 'silent' })],
    ['not every Sentinel agrees', three(undefined, { b: { flags: ['master', 'o_down'] } })],
    ['too few to fail over', three(undefined, { a: 'silent', b: 'silent' })],
    ['no replica that a Sentinel could promote', given([master('a', []), off('b'), off('c')])],
  ])('is none, and says why: %s', (words, snapshot) => {
    expect(evidenceOf(snapshot)).toMatchObject([{ supports: 'none', detail: expect.stringContaining(words) }]);
  });
});

describe('the minimum before a node serves', () => {
  const failing = (snapshot: RedisSnapshot, node: string, asActive: boolean): readonly string[] =>
    stateChecks(snapshot, snapshot.nodes.find((each) => each.node === node) as RedisNode, asActive)
      .filter(({ passed }) => passed !== true)
      .map(({ check }) => check);

  it('passes on a master and on a replica that are well', () => {
    expect(failing(three(), 'a', true)).toEqual([]);
    expect(failing(three(), 'b', false)).toEqual([]);
  });

  it('does not where the old build still runs, the stream is not received, or another is the master', () => {
    expect(failing(three(replica('b', 'a', { server: { build: 'old' } })), 'b', false)).toEqual(['version-redis-server']);
    expect(failing(three(fenced('b')), 'b', false)).toContain('streaming');
    expect(failing(three(), 'b', true)).toContain('sole-active');
    expect(failing(three(off('b')), 'b', false)).toEqual(['answers']);
    const quiet = three(undefined, { a: 'silent', b: 'silent', c: 'silent' });
    expect(failing(quiet, 'a', true), 'nobody agreed').toEqual(['sentinels-agree']);
  });
});

describe('versions', () => {
  it('of one minor version go both ways; a newer replica has no way back; an older one is refused', () => {
    expect(versionPair('redis-server', '5:7.0.15-1~deb12u1', '5:7.0.15-1~deb12u10')).toMatchObject({
      allowed: true,
      wayBack: 'lossless',
    });
    expect(versionPair('redis', '7.0.15', '7.2.4')).toMatchObject({ allowed: true, wayBack: 'none' });
    expect(versionPair('redis', '7.2.4', '7.0.15')).toMatchObject({ allowed: false });
    expect(versionPair('redis', '8.0', '7.9')).toMatchObject({ allowed: false });
    expect(versionPair('redis', 'new', 'newer')).toMatchObject({ allowed: false });
    expect(versionPair('openssl', '1', '3')).toMatchObject({ allowed: true });
  });
});
