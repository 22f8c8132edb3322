import type { DeliveryEvent } from './delivery/delivery.js';
import type { SubscriptionEvent } from './subscription/subscription.js';
import type { TicketEvent } from './ticket/ticket.js';

export type NotificationEvent = SubscriptionEvent | DeliveryEvent | TicketEvent;

/** Today's version of each event's body. A changed shape raises the number and adds a step to `upcast`. */
export const schemaVersions: Readonly<Record<NotificationEvent['type'], number>> = {
  SubscriptionCreated: 1,
  SubscriptionChanged: 1,
  SubscriptionDisabled: 1,
  SecretRotated: 1,
  SubscriptionRemoved: 1,
  DeliverySucceeded: 1,
  DeliveryExhausted: 1,
  RedeliveryRequested: 1,
  ChangeCreated: 1,
  ChangeApproved: 1,
  ChangeRejected: 1,
  ChangeHeld: 1,
  ChangeClosed: 1,
};

/** A stored event in today's shape. Throws for a type or version that this build does not know: it must not guess. */
export function upcast(stored: {
  readonly type: string;
  readonly schemaVersion: number;
  readonly body: unknown;
}): NotificationEvent {
  const known = Object.hasOwn(schemaVersions, stored.type) ? schemaVersions[stored.type as NotificationEvent['type']] : 0;
  if (stored.schemaVersion < 1 || stored.schemaVersion > known) {
    throw new Error(
      `Event ${stored.type} in version ${stored.schemaVersion} is not known to this build (it knows up to ${known}). Start a newer build.`,
    );
  }
  return { type: stored.type, data: stored.body } as NotificationEvent;
}
