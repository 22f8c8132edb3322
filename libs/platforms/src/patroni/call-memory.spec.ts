import { describe, expect, it } from 'vitest';
import { CallMemory } from './call-memory.js';
import { given, leader, replica, sender, type NodeChange } from './fixtures/contract.js';
import type { PatroniSnapshot } from './snapshot.js';

const withB = (change: NodeChange = {}): PatroniSnapshot => given([leader('a', ['b', 'c']), replica('b', change), replica('c')]);
const healthy = withB();

describe('what one call remembers', () => {
  it('counts its acts, and keeps what the last one said', () => {
    let nowMs = 1_000;
    const memory = new CallMemory('b', () => nowMs);
    memory.seen(healthy);
    expect(memory.known).toEqual({ asked: new Map(), done: new Set(), unchangedMs: 0, firstLeader: 'a' });
    memory.performed({ act: 'tag', host: 'host-b', node: 'b' }, 'unknown', 'link lost');
    memory.performed({ act: 'tag', host: 'host-b', node: 'b' }, 'refused', 'no');
    nowMs = 3_000;
    expect(memory.known.asked.get('tag b')).toEqual({ times: 2, agoMs: 2_000, outcome: 'refused', said: 'no' });
  });

  it('measures for how long a node has been as it is', () => {
    let nowMs = 1_000;
    const memory = new CallMemory('b', () => nowMs);
    memory.seen(healthy);
    nowMs = 5_000;
    memory.seen(healthy);
    expect(memory.known.unchangedMs).toBe(4_000);
    memory.seen(withB({ unit: { tagged: true } }));
    expect(memory.known.unchangedMs).toBe(0);
  });

  it('takes the position that all must confirm from the first look after the record, whoever wrote it', () => {
    let nowMs = 1_000;
    const memory = new CallMemory('b', () => nowMs);
    memory.seen(healthy);
    memory.performed({ act: 'write-position', host: 'host-a', node: 'a' }, 'unknown', '');
    memory.seen(healthy);
    expect(memory.known.fresh).toBeUndefined();
    memory.earlier({ done: ['write-position'], asked: undefined, isWhole: true });
    memory.seen(given([leader('a', ['b'], { server: { currentLsn: 1_500, senders: [sender('b', 1_400)] } }), replica('b')]));
    nowMs = 2_000;
    memory.seen(healthy);
    expect(memory.known.fresh).toEqual({ lsn: 1_500, agoMs: 1_000 });
  });

  it('knows from the journals that Patroni was asked, where, and what was heard; what it does itself counts more', () => {
    const memory = new CallMemory('b', () => 1_000);
    memory.earlier({ done: ['checkpoint'], asked: { node: 'a', outcome: 'unknown' }, isWhole: false });
    memory.seen(given([replica('a'), replica('b'), leader('c', ['a', 'b'])]));
    expect(memory.known).toMatchObject({ firstLeader: 'a', done: new Set(['checkpoint']) });
    expect(memory.known.asked.get('switchover a')).toMatchObject({ times: 1, agoMs: 0, outcome: 'unknown' });
    memory.performed({ act: 'switchover', host: 'host-c', node: 'c', candidate: 'b' }, 'ended', '200 done');
    memory.earlier({ done: [], asked: { node: 'a', outcome: 'refused' }, isWhole: true });
    expect(memory.known.asked.get('switchover a')?.outcome).toBe('unknown');
  });

  it('counts a server as failing from its first failed start until it runs, through every try in between', () => {
    let nowMs = 1_000;
    const memory = new CallMemory('b', () => nowMs);
    const says = (state: string): void => memory.seen(withB({ member: { state } }));
    says('starting');
    expect(memory.known.failingMs, 'a long recovery is no failure').toBeUndefined();
    for (const state of ['start failed', 'starting', 'start failed', 'starting']) {
      says(state);
      nowMs += 6_000;
    }
    expect(memory.known.failingMs).toBe(24_000);
    says('running');
    expect(memory.known.failingMs).toBeUndefined();
  });
});
