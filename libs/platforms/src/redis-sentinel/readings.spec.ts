import { describe, expect, it } from 'vitest';
import { sampled, type SampledState } from './fixtures/samples/contract.js';
import { readInfo, readSentinel, readServer } from './readings.js';
import { ReplyError } from './resp.js';
import { clusterSettings, nodeSettings } from './settings.js';
import { summarise } from './summary.js';
import { failingOver, masterOf, streams, viewsOf } from './topology.js';
import { readUnit } from './unit.js';

const names = (state: SampledState): readonly string[] => viewsOf(sampled(state)).map(({ name }) => name);
const seen = (state: SampledState): ReturnType<typeof summarise> => summarise(sampled(state));
const said = (state: SampledState): string => seen(state).disagreements.join('; ');

describe('what Redis 7.0.15 and its Sentinels really answered', () => {
  it('is one whole picture where all is well', () => {
    for (const state of ['healthy', 'after-failover'] as const) {
      expect(seen(state), state).toMatchObject({ complete: true, disagreements: [] });
      expect(masterOf(sampled(state))?.node).toBe('r3');
    }
    expect(seen('healthy').nodes.map(({ native }) => native)).toEqual([
      'slave, follows r3, link up',
      'slave, follows r3, link up',
      'master',
    ]);
    expect(sampled('healthy').sentinels[0]?.view).toMatchObject({
      quorum: 2,
      downAfterMs: 5_000,
      failoverTimeoutMs: 15_000,
      isQuorumReached: true,
      isTilted: false,
    });
    expect(names('healthy')).toHaveLength(3);
  });

  it('shows a lag in bytes, by the history that both are in', () => {
    const [r1, r2, r3] = seen('healthy').nodes;
    expect([r1?.lag?.bytes, r2?.lag?.bytes, r3?.lag]).toEqual([274, 137, null]);
  });

  it('in the middle of a failover has two masters, and Sentinels that disagree', () => {
    expect(
      seen('during-failover-1s')
        .nodes.filter(({ writable }) => writable === true)
        .map(({ node }) => node),
    ).toEqual(['r2', 'r3']);
    expect(said('during-failover-1s')).toContain('more than one node accepts writes: r2, r3');
    expect(failingOver(sampled('during-failover-1s'))).toEqual(['the Sentinel of r3']);
    expect(masterOf(sampled('during-failover-1s'))).toBeUndefined();
  });

  it('shows a master that nobody has told yet to follow the new one', () => {
    expect(seen('replica-resyncing').nodes.filter(({ writable }) => writable === true)).toHaveLength(2);
  });

  it('shows a replica that is off, and a host that is away', () => {
    const down = sampled('replica-down');
    const r2 = down.nodes.find(({ node }) => node === 'r2');
    expect(r2?.server).toMatchObject({ says: 'nothing' });
    expect(r2 && streams(down, r2)).toBe(false);
    expect(said('replica-down')).toContain('node r2');
    expect(said('replica-node-crashed-8s')).toContain('the Sentinel of r2 does not answer');
    expect(names('replica-node-crashed-8s')).toEqual(['the Sentinel of r1', 'the Sentinel of r3']);
  });

  it('shows that too few Sentinels are left to fail over', () => {
    expect(names('no-sentinel-quorum')).toEqual(['the Sentinel of r3']);
    expect(seen('no-sentinel-quorum').complete).toBe(false);
    expect(said('no-sentinel-quorum')).toContain('of 3 Sentinels are away');
    expect(viewsOf(sampled('no-sentinel-quorum'))[0]?.view).toMatchObject({
      isQuorumReached: false,
      quorumSays: expect.stringMatching(/^\(?(error\) )?NOQUORUM/),
    });
  });
});

describe('one Redis', () => {
  const info = 'redis_version:8.0.1\r\nrun_id:x\r\nrole:slave\r\nmaster_replid:h\r\n';

  it('is read with its settings, and without them says that they are not known', () => {
    expect(readServer(info, new Map([['replica-priority', '7']]))).toMatchObject({
      version: '8.0.1',
      priority: 7,
      leastReplicas: 0,
    });
    expect(readServer(info, null)).toMatchObject({ priority: null });
  });

  it.each([
    ['no Redis', ''],
    ['a Sentinel', `${info}redis_mode:sentinel\r\n`],
    ['Redis Cluster', `${info}cluster_enabled:1\r\n`],
    ['its role', info.replace('role:slave', 'role:sentinel')],
  ])('is refused with a sentence where it is none that a Sentinel could look after: %s', (words, text) => {
    expect(readServer(text, null)).toContain(words);
  });

  it('tells what is wrong with its persistence', () => {
    const text = `${info}rdb_last_bgsave_status:err\r\naof_last_write_status:ok\r\n`;
    expect(readServer(text, null)).toMatchObject({ persistenceFault: 'rdb_last_bgsave_status is err' });
  });

  it('reads lines, and skips headings and what has no name', () => {
    expect([...readInfo('# Server\r\na:b:c\r\n:x\r\nnone\r\n')]).toEqual([['a', 'b:c']]);
  });
});

describe('one Sentinel', () => {
  it('says in its own words that it knows no such master', () => {
    const error = new ReplyError('ERR No such master with that name');
    expect(readSentinel([error, error, error, error, 'redis_version:7'])).toBe('it answered ERR No such master with that name');
  });

  it.each([[['name'] as const], ['text'], [null]])('is nothing where it cannot be read: %s', (reply) => {
    expect(readSentinel([reply as string, [], [], 'OK', 'redis_version:7\nredis_mode:sentinel'])).toBe(
      'what it says of the master could not be read',
    );
  });
});

describe('a host', () => {
  const look = (more = ''): ReturnType<typeof readUnit> =>
    readUnit(
      `boot=b1\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nUnitFileState=enabled\n${more}`,
      'redis-server.service',
    );

  it('shows the last line of a kind in the configuration file, as Redis takes it', () => {
    const file = 'file=read\nline=slave-priority 50\nline=replica-priority 0\nline=replicaof "10.0.0.1" 6379\n';
    expect(look(file)).toMatchObject({ file: { read: true, priority: 0, follows: { address: '10.0.0.1', port: 6379 } } });
    expect(look('file=read\n')).toMatchObject({ file: { read: true, priority: 100, follows: null } });
    expect(look('unread=sudo: a password is required\n')).toMatchObject({
      file: { read: false, reason: 'sudo: a password is required' },
    });
  });

  it('shows what we noted and hold there, and nothing for a note that cannot be read', () => {
    expect(look('kept=drain 30\nheld=yes\n')).toMatchObject({ held: true, kept: { purpose: 'drain', priority: 30 } });
    expect(look('kept=drain lots\n')).toMatchObject({ held: false, kept: null });
  });

  it('is unseen where systemd does not know the unit', () => {
    expect(readUnit('LoadState=not-found\nActiveState=inactive\n', 'x.service')).toMatchObject({ seen: false });
    expect(readUnit('', 'x.service')).toMatchObject({ seen: false });
  });
});

describe('settings', () => {
  const node = (settings: Record<string, string>): ReturnType<typeof nodeSettings> =>
    nodeSettings({ slug: 'a', host: 'h', settings });
  const cluster = (settings: Record<string, string>): ReturnType<typeof clusterSettings> =>
    clusterSettings({ slug: 'c', settings } as unknown as Parameters<typeof clusterSettings>[0]);

  it('have the usual ports and units where nothing is said', () => {
    expect(node({ address: '10.0.0.1' })).toMatchObject({
      port: 6379,
      unit: 'redis-server.service',
      sentinel: { port: 26_379 },
    });
    expect(node({ address: '10.0.0.1', sentinelPort: 'none' }).sentinel).toBeNull();
    expect(cluster({ master: 'orders', sentinels: 's1:26379, s2:26380' }).sentinels).toEqual([
      { address: 's1', port: 26_379 },
      { address: 's2', port: 26_380 },
    ]);
  });

  it('are refused with a sentence where they cannot be used', () => {
    expect(() => node({})).toThrow('needs the setting "address"');
    expect(() => node({ address: 'a b' })).toThrow('needs the setting "address"');
    expect(() => node({ address: 'a', port: '70000' })).toThrow('not between 1 and 65535');
    expect(() => node({ address: 'a', unit: '../x.service' })).toThrow('cannot be the name of a systemd service');
    expect(() => cluster({})).toThrow('needs the setting "master"');
    expect(() => cluster({ master: 'a b' })).toThrow('cannot be the name of a master');
    expect(() => cluster({ master: 'a', sentinels: 'nowhere' })).toThrow('no ADDRESS:PORT');
  });
});
