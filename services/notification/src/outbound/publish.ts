import type { notification } from '@understudy/contracts';
import type { StoredEvent } from '@understudy/event-log';
import type { Publication } from '@understudy/messaging';
import { upcast } from '@understudy/notification-domain';
import type { Change } from '@understudy/notification-domain';

export const NOTIFICATION_TOPIC = 'understudy.notification.v1';

function changeOf(change: Change, approver = ''): notification.ChangeJson {
  return { ticketId: change.ticketId, windowId: change.windowId, system: change.system, number: change.number, approver };
}

/** Stored event -> what others hear of it, or nothing. Pure. Subscriptions are nobody else's business: their URLs stay here. */
export function publish(stored: StoredEvent): Publication | undefined {
  const event = upcast(stored);
  const about = (name: string, key: string, data: unknown): Publication => ({
    type: `understudy.notification.${name}.v1`,
    key,
    subject: stored.stream,
    data,
  });
  switch (event.type) {
    case 'ChangeCreated':
      return about('change-created', event.data.change.windowId, {
        change: changeOf(event.data.change),
      } satisfies notification.ChangeCreatedJson);
    case 'ChangeApproved': {
      const { change, approver, approvedAt, expiresAt } = event.data;
      return about('change-approved', change.windowId, {
        change: changeOf(change, approver),
        approvedAt,
        expiresAt,
      } satisfies notification.ChangeApprovedJson);
    }
    case 'ChangeRejected':
      return about('change-rejected', event.data.change.windowId, {
        change: changeOf(event.data.change),
        reason: event.data.reason,
      } satisfies notification.ChangeRejectedJson);
    case 'ChangeHeld':
      return about('change-held', event.data.change.windowId, {
        change: changeOf(event.data.change),
        reason: event.data.reason,
      } satisfies notification.ChangeHeldJson);
    case 'ChangeClosed':
      return about('change-closed', event.data.change.windowId, {
        change: changeOf(event.data.change),
      } satisfies notification.ChangeClosedJson);
    case 'DeliverySucceeded':
      return about('delivery-succeeded', event.data.subscriptionId, event.data satisfies notification.DeliverySucceededJson);
    case 'DeliveryExhausted':
      return about('delivery-exhausted', event.data.subscriptionId, event.data satisfies notification.DeliveryExhaustedJson);
    case 'SubscriptionCreated':
    case 'SubscriptionChanged':
    case 'SubscriptionDisabled':
    case 'SecretRotated':
    case 'SubscriptionRemoved':
    case 'RedeliveryRequested':
      return undefined;
  }
}
