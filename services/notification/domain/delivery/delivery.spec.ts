import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SCHEDULE_MS, LONGEST_RETRY_AFTER_MS, deliveryDecider, nextMove } from '../index.js';
import type { DeliveryCommand, DeliveryEvent } from '../index.js';

const succeed: DeliveryCommand = { type: 'succeed', deliveryId: 'd', subscriptionId: 's', attempts: 2, round: 1 };
const exhaust: DeliveryCommand = {
  type: 'exhaust',
  deliveryId: 'd',
  subscriptionId: 's',
  attempts: 3,
  reason: 'answered 500',
  round: 1,
};
const again: DeliveryCommand = { type: 'request-redelivery', known: true };
const run = (...commands: DeliveryCommand[]): readonly DeliveryEvent[] => {
  const events: DeliveryEvent[] = [];
  for (const command of commands) {
    const decision = deliveryDecider.decide(command, fold(deliveryDecider, events));
    if (decision.accepted) events.push(...decision.events);
  }
  return events;
};

describe('a delivery', () => {
  it('tells the outcome of a round once', () => {
    expect(run(succeed, succeed, exhaust)).toEqual([
      { type: 'DeliverySucceeded', data: { deliveryId: 'd', subscriptionId: 's', attempts: 2 } },
    ]);
    expect(run(exhaust, exhaust)).toEqual([
      { type: 'DeliveryExhausted', data: { deliveryId: 'd', subscriptionId: 's', attempts: 3, reason: 'answered 500' } },
    ]);
  });
  it('begins another round on request, and a sender of the round before has nothing to tell', () => {
    expect(run(exhaust, again, succeed).map(({ type }) => type)).toEqual(['DeliveryExhausted', 'RedeliveryRequested']);
    expect(run(exhaust, again, { ...succeed, round: 2 }, again).map(({ type }) => type)).toEqual([
      'DeliveryExhausted',
      'RedeliveryRequested',
      'DeliverySucceeded',
      'RedeliveryRequested',
    ]);
  });
  it('cannot be delivered again while it is under way, or if nobody knows it', () => {
    expect(deliveryDecider.decide(again, deliveryDecider.initial)).toMatchObject({ kind: 'conflict' });
    expect(deliveryDecider.decide({ ...again, known: false }, deliveryDecider.initial)).toMatchObject({ kind: 'not-found' });
  });
});

describe('what follows an attempt', () => {
  const failed = { kind: 'failed', reason: 'answered 500' } as const;
  it('success ends it; a receiver that is gone ends it and is switched off', () => {
    expect(nextMove({ kind: 'accepted' }, 1, [1_000], 0.5)).toEqual({ move: 'succeed' });
    expect(nextMove({ kind: 'gone', reason: '410' }, 1, [1_000], 0.5)).toEqual({ move: 'exhaust', reason: '410', disable: true });
  });
  it('a failure is tried again after a share of the pause, as many times as the schedule says', () => {
    expect(nextMove(failed, 1, [1_000, 4_000], 0)).toEqual({ move: 'retry', afterMs: 0, reason: 'answered 500' });
    expect(nextMove(failed, 2, [1_000, 4_000], 0.5)).toEqual({ move: 'retry', afterMs: 2_000, reason: 'answered 500' });
    expect(nextMove(failed, 3, [1_000, 4_000], 0.5)).toEqual({ move: 'exhaust', reason: 'answered 500', disable: false });
  });
  it('never earlier than the receiver asked, within a day', () => {
    expect(nextMove({ ...failed, retryAfterMs: 9_000 }, 1, [1_000], 0.9)).toMatchObject({ afterMs: 9_000 });
    expect(nextMove({ ...failed, retryAfterMs: 10 * LONGEST_RETRY_AFTER_MS }, 1, [1_000], 0.9)).toMatchObject({
      afterMs: LONGEST_RETRY_AFTER_MS,
    });
  });
  it('the default schedule spans about three days', () => {
    expect(DEFAULT_SCHEDULE_MS.reduce((sum, ms) => sum + ms, 0) / 3_600_000).toBeCloseTo(75.6, 1);
  });
});
