/** What is heard of the other services: each message becomes deliveries, and windows are kept in mind for their tickets. Nothing is sent here. */
import type { CloudEvent, HandlerTable, MessageHandler } from '@understudy/messaging';
import { KNOWN_TYPES, matches } from '@understudy/notification-domain';
import type { SubscriptionList } from '../../projections/subscriptions/subscriptions.js';
import type { KnownWindows } from '../../projections/tickets/tickets.js';
import type { DeliveryQueue } from '../../queues/deliveries.js';

/** Our own topic is not among them: telling of a delivery would make the next one. */
export const CONSUMED_TOPICS = ['understudy.inventory.v1', 'understudy.drift.v1', 'understudy.orchestrator.v1'] as const;

export interface HearingTools {
  readonly subscriptions: SubscriptionList;
  /** Resolves when the list shows every subscription that was accepted before now. */
  readonly caughtUp: () => Promise<void>;
  readonly queue: DeliveryQueue;
  readonly windows: KnownWindows;
  readonly wakeSender: () => void;
}

/** Table of one topic. */
export function handlersFor(topic: (typeof CONSUMED_TOPICS)[number], tools: HearingTools): HandlerTable {
  const prefix = topic.replace(/v1$/, '');
  const types = KNOWN_TYPES.filter((type) => type.startsWith(prefix));
  return Object.fromEntries(types.map((type): [string, MessageHandler] => [type, (event) => hear(event, tools)]));
}

async function hear(event: CloudEvent, tools: HearingTools): Promise<void> {
  if (event.type === 'understudy.orchestrator.window-scheduled.v1') await tools.windows.scheduled(event);
  if (event.type === 'understudy.orchestrator.window-closed.v1') await tools.windows.closed(event);
  await tools.caughtUp();
  const listening = await tools.subscriptions.listening();
  const fitting = listening.filter(({ document }) => matches(document.filter, event));
  await tools.queue.enqueue(
    event,
    fitting.map(({ id }) => id),
  );
  if (fitting.length > 0) tools.wakeSender();
}
