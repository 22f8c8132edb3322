import { describe, expect, it } from 'vitest';
import type { NodeSnapshot } from '@understudy/cluster';
import { activeSeen, at, nodeSeen, RUNNING, seen } from './fixtures/contract.js';
import { failoverProposals, lossWords, withWritten, writtenIn, type Written } from './loss.js';
import { INITIAL } from './state.js';

const log = (bytes: number, timeline = 1): Pick<NodeSnapshot, 'logEnd'> => ({ logEnd: { timeline, bytes } });
const WRITTEN: Written = { node: 'a', timeline: 1, bytes: 900, at: at(3) };
const STATE = { ...RUNNING, written: WRITTEN };
const down = { availability: 'down', joined: false, writable: false, roles: {} } as const;

describe('how far the serving node has written', () => {
  it('is told by a look at the only writer, and by nothing else', () => {
    expect(writtenIn(seen([activeSeen('a', log(900)), nodeSeen('b', log(800))], { observedAt: at(3) }))).toEqual({
      written: WRITTEN,
    });
    expect(writtenIn(seen([activeSeen('a'), nodeSeen('b', log(800))]))).toEqual({});
    expect(writtenIn(seen([activeSeen('a', log(900)), activeSeen('b', log(800))]))).toEqual({});
    expect(writtenIn(seen([nodeSeen('a', log(900))]))).toEqual({});
  });

  it('is kept from the evidence of requests and outcomes', () => {
    const data = { stepId: 's', attempt: 1, at: at(4), evidence: { written: WRITTEN } };
    expect(withWritten(RUNNING, { type: 'StepSucceeded', data: { ...data, adopted: false } }).written).toEqual(WRITTEN);
    expect(withWritten(STATE, { type: 'StepUnknown', data: { ...data, evidence: {}, reason: '' } }).written).toEqual(WRITTEN);
    expect(withWritten(RUNNING, { type: 'RolloutResumed', data: { by: 'ada', at: at(4) } }).written).toBeNull();
  });
});

describe('a failover that nobody performs', () => {
  it('is proposed for each node that might serve, the one that loses least first', () => {
    const look = seen([
      nodeSeen('a', { ...down, ...log(700) }),
      nodeSeen('d', log(650)),
      nodeSeen('c', log(900)),
      nodeSeen('b', log(650)),
      nodeSeen('w', { roles: { main: 'witness' } }),
      nodeSeen('x', { promotion: { promotable: false, reason: 'delayed' }, ...log(1) }),
    ]);
    expect(failoverProposals(STATE, look).map(({ node, lostBytes }) => [node, lostBytes])).toEqual([
      ['c', 0],
      ['b', 250],
      ['d', 250],
    ]);
    expect(lossWords(STATE, look)).toContain(
      `c has all of what a was seen to have written by ${at(3)}; anything later is not counted.`,
    );
    expect(lossWords(STATE, look)).toContain(`b would lose 250 bytes of what a was seen to have written by ${at(3)}`);
    expect(failoverProposals({ ...STATE, serving: null }, look).map(({ node }) => node)).not.toContain('a');
  });

  it('counts what lies on the disk of the node that is gone, where that goes further', () => {
    const look = seen([nodeSeen('a', { ...down, ...log(1_000) }), nodeSeen('b', log(650))], { observedAt: at(9) });
    expect(failoverProposals(STATE, look)).toEqual([
      {
        node: 'b',
        lostBytes: 350,
        detail: `b would lose 350 bytes of what a was seen to have written by ${at(9)}; anything later is not counted.`,
      },
    ]);
  });

  it('says where the loss could not be measured, and never none', () => {
    const look = seen([nodeSeen('a', { ...down, ...log(1_000, 2) }), nodeSeen('b', log(650, 2)), nodeSeen('c')]);
    expect(failoverProposals(STATE, look).map(({ lostBytes }) => lostBytes)).toEqual([null, null]);
    expect(lossWords(STATE, look)).toContain(
      'What b would lose could not be measured: its log does not end on the same timeline, or nobody can tell.',
    );
    const why = 'What b would lose could not be measured: no look shows how far the node that served had written.';
    expect(lossWords(RUNNING, look)).toContain(why);
    expect(lossWords({ ...STATE, serving: 'c' }, look)).toContain(why);
    expect(lossWords(STATE, seen([nodeSeen('a', down)]))).toBe('There is no other node that could serve.');
    expect(failoverProposals(INITIAL, look), 'nobody is known to have served').toHaveLength(3);
  });
});
