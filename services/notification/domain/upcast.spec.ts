import { fold } from '@understudy/decider';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { deliveryDecider, type DeliveryEvent } from './delivery/delivery.js';
import { subscriptionDecider, type SubscriptionEvent } from './subscription/subscription.js';
import { ticketDecider, type TicketEvent } from './ticket/ticket.js';
import { schemaVersions, upcast } from './upcast.js';

const folder = new URL('./samples/', import.meta.url);
const folded = new Set<string>();

/** A stored body, read as a store gives it back. */
function sample<E>(type: keyof typeof schemaVersions, schemaVersion = 1): E {
  const file = `${type}.v${schemaVersion}.json`;
  folded.add(file);
  const body: unknown = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  return upcast({ type, schemaVersion, body }) as E;
}

describe('events of every stored version', () => {
  it('fold into a subscription', () => {
    const types = ['SubscriptionCreated', 'SubscriptionChanged', 'SecretRotated', 'SubscriptionDisabled'] as const;
    const state = fold(
      subscriptionDecider,
      types.map((type) => sample<SubscriptionEvent>(type)),
    );
    expect(state).toMatchObject({
      status: 'active',
      version: 4,
      secretGeneration: 2,
      disabledReason: expect.stringContaining('410'),
    });
    expect(state).toMatchObject({ document: { description: 'On-call', filter: { clusters: ['orders'] } } });
    expect(fold(subscriptionDecider, [sample<SubscriptionEvent>('SubscriptionRemoved')], state)).toEqual({ status: 'removed' });
  });

  it('fold into a delivery', () => {
    const after = (...types: readonly DeliveryEvent['type'][]) =>
      fold(
        deliveryDecider,
        types.map((type) => sample<DeliveryEvent>(type)),
      );
    expect(after('DeliverySucceeded')).toEqual({ outcome: 'succeeded', round: 1 });
    expect(after('DeliveryExhausted')).toEqual({ outcome: 'exhausted', round: 1 });
    expect(after('DeliveryExhausted', 'RedeliveryRequested')).toEqual({ outcome: 'pending', round: 2 });
  });

  it('fold into a change ticket', () => {
    const ended = (last: TicketEvent['type']) =>
      fold(ticketDecider, [
        sample<TicketEvent>('ChangeCreated'),
        sample<TicketEvent>('ChangeApproved'),
        sample<TicketEvent>(last),
      ]);
    expect(fold(ticketDecider, [sample<TicketEvent>('ChangeCreated')])).toMatchObject({ status: 'created', version: 1 });
    expect(ended('ChangeApproved')).toMatchObject({ status: 'approved', approver: 'anna', change: { number: 'CHG0030001' } });
    expect(ended('ChangeRejected')).toMatchObject({ status: 'rejected', reason: 'Freeze until Monday.' });
    expect(ended('ChangeHeld')).toMatchObject({ status: 'held', reason: expect.any(String) });
    expect(ended('ChangeClosed')).toMatchObject({ status: 'closed', version: 3 });
  });

  it('of a type or version that this build does not know are not guessed', () => {
    expect(() => upcast({ type: 'ChangeHeld', schemaVersion: 2, body: {} })).toThrow(
      /version 2 is not known to this build \(it knows up to 1\)/,
    );
    expect(() => upcast({ type: 'ChangeHeld', schemaVersion: 0, body: {} })).toThrow();
    expect(() => upcast({ type: 'toString', schemaVersion: 1, body: {} })).toThrow();
  });

  it('are all folded here: whatever lies among the samples was read above', () => {
    expect([...folded].sort()).toEqual(readdirSync(folder).sort());
  });
});
