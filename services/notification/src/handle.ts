/** The corridor of this service: everything that changes state is decided by the domain and appended by `execute`. */
import type { Refusal, RefusalKind } from '@understudy/decider';
import { eventCodec } from '@understudy/event-log';
import type { EventCodec, EventMetadata } from '@understudy/event-log';
import { schemaVersions, upcast } from '@understudy/notification-domain';
import type { DeliveryEvent, SubscriptionEvent, TicketEvent } from '@understudy/notification-domain';
import { refused } from '@understudy/runtime';

function codecOf<E extends { readonly type: string }>(): EventCodec<E> {
  return eventCodec<E>({ field: 'data', schemaVersions, upcast: (stored) => upcast(stored) as unknown as E });
}

export const subscriptionCodec = codecOf<SubscriptionEvent>();
export const deliveryCodec = codecOf<DeliveryEvent>();
export const ticketCodec = codecOf<TicketEvent>();

export const subscriptionStream = (id: string): string => `subscription/${id}`;
export const deliveryStream = (id: string): string => `delivery/${id}`;
export const ticketStream = (id: string): string => `ticket/${id}`;

type Refused = { readonly accepted: false; readonly kind: RefusalKind; readonly refusals: readonly Refusal[] };

/** What was accepted; throws `Problem` with every reason where it was refused. */
export function accepted<A extends { readonly accepted: true }>(result: A | Refused): A {
  if (!result.accepted) throw refused(result);
  return result;
}

/** Our own acts: `from` says which part of the service, `commandId` what makes it happen once. */
export function ownMetadata(from: string, commandId: string): EventMetadata {
  return { commandId, actor: { subject: 'system:notification', role: 'system', authentication: 'internal', from } };
}
