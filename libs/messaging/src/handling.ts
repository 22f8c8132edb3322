/**
 * What happens to one message at its consumer, the same for every transport: bounded retries in place, then a dead letter. A store
 * that is away is nobody's poison: it rejects, and the transport brings the message again.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { inNewTrace } from '@understudy/event-log';
import type { CloudEvent, Consumer, MessageHandler, Subscription } from './api.js';
import { bury } from './dead-letters.js';
import { MessagingError, isNobodysFault } from './errors.js';

/** 4 attempts of at most 10 s and these pauses: a poison message blocks its key for at most 45 s. */
const PAUSES_MS: readonly number[] = [200, 1_000, 3_000];
const HANDLER_LIMIT_MS = 10_000;
const KEYS_AT_ONCE = 32;

/** Delivers a batch: each key in order, up to 32 keys at once. Rejects if the store is away or `signal` aborts; then all comes again. */
export async function handleBatch(consumer: Consumer, batch: readonly CloudEvent[], signal: AbortSignal): Promise<void> {
  const byKey = new Map<string, CloudEvent[]>();
  for (const event of batch) {
    const queue = byKey.get(event.partitionkey);
    if (queue === undefined) byKey.set(event.partitionkey, [event]);
    else queue.push(event);
  }
  const queues = [...byKey.values()];
  const failures: unknown[] = [];
  // Each key at work listens for the end.
  setMaxListeners(0, signal);
  const work = async (): Promise<void> => {
    for (let queue = queues.shift(); queue !== undefined && failures.length === 0; queue = queues.shift()) {
      try {
        for (const event of queue) await handleOne(consumer, event, signal);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(KEYS_AT_ONCE, queues.length) }, work));
  if (failures.length > 0) throw failures[0];
}

/** One message: taken, or buried after the last attempt. */
export async function handleOne(consumer: Consumer, event: CloudEvent, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    if (signal.aborted) throw stopping();
    try {
      await callHandler(consumer, event, signal);
      return;
    } catch (error) {
      if (isNobodysFault(error) || signal.aborted) throw error;
      const pauseMs = PAUSES_MS[attempt - 1];
      if (pauseMs === undefined) {
        await bury(consumer.store, {
          group: consumer.subscription.group,
          message: event,
          reason: reasonOf(error),
          attempts: attempt,
        });
        return;
      }
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** The handler with its time limit. Types without a handler are passed over. */
export async function callHandler({ subscription }: Consumer, event: CloudEvent, signal?: AbortSignal): Promise<void> {
  const handler = Object.hasOwn(subscription.handlers, event.type) ? subscription.handlers[event.type] : undefined;
  if (handler === undefined) return;
  // By hand: it runs for every message, and a race of abortable timers costs more than most handlers.
  const waiting = signal === undefined ? undefined : waitingFor(signal);
  await new Promise<void>((resolve, reject) => {
    const over = (): void => {
      clearTimeout(timer);
      waiting?.delete(leave);
    };
    const leave = (): void => {
      over();
      reject(stopping());
    };
    const timer = setTimeout(() => {
      over();
      reject(tooSlow(event));
    }, HANDLER_LIMIT_MS);
    waiting?.add(leave);
    // A handler that throws at once, without a promise, is a rejection too.
    new Promise<void>((done) => done(traced(subscription, event, handler))).finally(over).then(resolve, reject);
  });
}

const waitingByEnd = new WeakMap<AbortSignal, Set<() => void>>();

/** Who waits for this end: one listener for all of them, because one for each message costs more than many a handler. */
function waitingFor(signal: AbortSignal): Set<() => void> {
  const known = waitingByEnd.get(signal);
  if (known !== undefined) return known;
  const waiting = new Set<() => void>();
  waitingByEnd.set(signal, waiting);
  signal.addEventListener('abort', () => [...waiting].forEach((leave) => leave()), { once: true });
  return waiting;
}

/** Each message is a trace of its own, linked to the one that stored the event. Names: OpenTelemetry's messaging conventions. */
function traced({ topic, group }: Subscription, event: CloudEvent, handler: MessageHandler): Promise<void> {
  const attributes = {
    'messaging.operation.type': 'process',
    'messaging.destination.name': topic,
    'messaging.consumer.group.name': group,
    'messaging.message.id': event.id,
    'cloudevents.event_type': event.type,
    'cloudevents.event_source': event.source,
  };
  return inNewTrace({ name: `process ${topic}`, kind: 'consumer', after: [event.traceparent], attributes }, () => handler(event));
}

function tooSlow({ type }: CloudEvent): MessagingError {
  return new MessagingError(
    'HANDLER_TOO_SLOW',
    `The handler of ${type} did not return within ${HANDLER_LIMIT_MS} ms. It may only write and return.`,
  );
}

function stopping(): MessagingError {
  return new MessagingError('STOPPING', 'The transport stops; the message comes again at the next start.');
}

export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.slice(0, 1_000);
}
