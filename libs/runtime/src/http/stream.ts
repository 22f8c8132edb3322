/**
 * Long answers: NDJSON and server-sent events from one source of positioned items. A slow reader is waited for (nothing piles up
 * here: one item is asked for at a time); a reader that takes nothing for too long is let go and comes back with `Last-Event-ID`.
 */
import { Readable } from 'node:stream';
import { Problem } from '../problems.js';
import type { Call } from './operation.js';

export const NDJSON = 'application/x-ndjson';
export const EVENT_STREAM = 'text/event-stream';

export interface StreamItem {
  /** Position in the source; the client's way back. */
  readonly id: number;
  /** Name of the server-sent event. */
  readonly event?: string;
  readonly data: unknown;
}

const HEARTBEAT_MS = 15_000;
const STALLED_LIMIT_MS = 60_000;
const WATCH_MS = 5_000;
const RETRY_MS = 2_000;

/** The position to go on after: `Last-Event-ID`, else the query's `after`, else 0. Throws 400 LAST_EVENT_ID_INVALID. */
export function resumePosition(call: Pick<Call, 'header' | 'query'>): number {
  const text = call.header('last-event-id');
  if (text === undefined || text === '') return typeof call.query['after'] === 'number' ? call.query['after'] : 0;
  if (!/^\d{1,15}$/.test(text)) {
    const detail = 'Last-Event-ID must be the id of an event of this stream, a whole number.';
    throw new Problem('malformed', 'LAST_EVENT_ID_INVALID', detail, {
      errors: [{ pointer: '/Last-Event-ID', code: 'LAST_EVENT_ID_INVALID', detail, in: 'header' }],
    });
  }
  return Number(text);
}

export interface StreamLimits {
  readonly heartbeatMs?: number;
  /** After this long without taking anything the reader is let go. */
  readonly stalledLimitMs?: number;
}

/** One line of JSON per item. Ends when the source ends. */
export function ndjson(source: AsyncIterable<StreamItem>, signal: AbortSignal, limits: StreamLimits = {}): Readable {
  return readable(source, signal, limits, { write: ({ data }) => `${JSON.stringify(data)}\n` });
}

/** Server-sent events with `id:` = position and a comment every 15 s, so that proxies keep the line open. */
export function serverSentEvents(source: AsyncIterable<StreamItem>, signal: AbortSignal, limits: StreamLimits = {}): Readable {
  return readable(source, signal, limits, {
    first: `retry: ${RETRY_MS}\n\n`,
    idle: ': heartbeat\n\n',
    write: ({ id, event, data }) =>
      `${event === undefined ? '' : `event: ${event}\n`}id: ${id}\ndata: ${JSON.stringify(data)}\n\n`,
  });
}

interface Format {
  readonly first?: string;
  readonly idle?: string;
  readonly write: (item: StreamItem) => string;
}

function readable(source: AsyncIterable<StreamItem>, signal: AbortSignal, limits: StreamLimits, format: Format): Readable {
  let handedOverAt: number | undefined;
  const limitMs = limits.stalledLimitMs ?? STALLED_LIMIT_MS;
  async function* texts(): AsyncGenerator<string> {
    for await (const text of written(source, signal, limits.heartbeatMs ?? HEARTBEAT_MS, format)) {
      handedOverAt = performance.now();
      yield text;
      handedOverAt = undefined;
    }
  }
  const stream = Readable.from(texts(), { highWaterMark: 1 });
  const watch = setInterval(
    () => {
      if (handedOverAt !== undefined && performance.now() - handedOverAt > limitMs) stream.destroy();
    },
    Math.min(WATCH_MS, limitMs),
  );
  stream.once('close', () => clearInterval(watch));
  signal.addEventListener('abort', () => stream.destroy(), { once: true });
  return stream;
}

/** The source's items as text, with the idle text between them when nothing comes. */
async function* written(
  source: AsyncIterable<StreamItem>,
  signal: AbortSignal,
  idleMs: number,
  format: Format,
): AsyncGenerator<string> {
  const items = source[Symbol.asyncIterator]();
  let next = items.next();
  if (format.first !== undefined) yield format.first;
  try {
    while (!signal.aborted) {
      const item = await orIdle(next, idleMs, signal);
      if (item === undefined) {
        if (format.idle !== undefined && !signal.aborted) yield format.idle;
        continue;
      }
      if (item.done === true) return;
      yield format.write(item.value);
      next = items.next();
    }
  } finally {
    next.catch(() => undefined);
    // Not awaited: a source that waits for its next item hears of the end by the signal.
    void items.return?.(undefined).catch(() => undefined);
  }
}

async function orIdle<T>(next: Promise<T>, idleMs: number, signal: AbortSignal): Promise<T | undefined> {
  const stop = new AbortController();
  try {
    const idle = new Promise<undefined>((resolve) => {
      const timer = setTimeout(resolve, idleMs, undefined);
      const end = (): void => resolve(undefined);
      signal.addEventListener('abort', end, { once: true, signal: stop.signal });
      stop.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    });
    return await Promise.race([next, idle]);
  } finally {
    stop.abort();
  }
}
