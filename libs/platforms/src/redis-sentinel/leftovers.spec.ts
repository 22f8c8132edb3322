import { describe, expect, it } from 'vitest';
import { fenced, given, kept, lowered, master, off, replica, unseen } from './fixtures/samples/contract.js';
import type { RedisNode } from './snapshot.js';
import { summarise } from './summary.js';

const leftOn = (b: RedisNode, a = master('a', ['b', 'c'])): unknown =>
  summarise(given([a, b, replica('c', 'a')])).nodes.find(({ node }) => node === 'b')?.leftovers;

describe('what is left behind is told with commands that mend it', () => {
  it('is nothing on a node as its owner has it, and where the host cannot be looked at', () => {
    expect(leftOn(replica('b', 'a'))).toEqual([]);
    expect(leftOn(unseen(replica('b', 'a', lowered('drain'))))).toEqual([]);
  });

  it('is a drained node, held and with its priority noted', () => {
    expect(leftOn(off('b', { ...kept('drain', 30), held: true }))).toMatchObject([
      {
        kind: 'drained',
        host: 'host-b',
        what: expect.stringContaining('its replica-priority is 0 in place of 30'),
        commands: [
          '/usr/local/sbin/understudy-helper unit-free redis-server.service',
          'systemctl start redis-server.service',
          'redis-cli -h host-b -p 6379 config set replica-priority 30',
          'redis-cli -h host-b -p 6379 config rewrite',
          'rm /srv/understudy/.understudy/redis-sentinel/b',
        ],
      },
    ]);
  });

  it('is a master that takes no writes: it follows whoever leads, or leads again', () => {
    expect(leftOn(fenced('b'))).toMatchObject([
      { kind: 'switchover', commands: [expect.stringContaining('replicaof host-a 6379'), expect.anything()] },
    ]);
    expect(leftOn(fenced('b'), replica('a', 'b'))).toMatchObject([
      {
        what: expect.stringContaining('no Sentinel is in a failover'),
        commands: [expect.stringContaining('replicaof no one'), expect.stringContaining('config rewrite')],
      },
    ]);
  });

  it('is not given back by a command where it was restarted: that would lose what another has', () => {
    const restarted = fenced('b', { server: { offset: 1, history: 'h9' } });
    expect(leftOn(restarted, replica('a', 'b'))).toMatchObject([
      { kind: 'switchover', what: expect.stringContaining('may lack some'), commands: [] },
    ]);
  });

  it('is a unit that does not run', () => {
    expect(leftOn(off('b'))).toMatchObject([{ kind: 'stopped', commands: ['systemctl start redis-server.service'] }]);
  });
});
