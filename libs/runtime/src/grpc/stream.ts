/** A server stream: one item is asked for at a time and a slow reader is waited for, so nothing piles up here. */
import type { Message } from '@bufbuild/protobuf';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { Problem } from '../problems.js';
import type { Unread } from './package-definition.js';
import type { RpcStatus } from './status.js';

export type StreamCall = ServerWritableStream<Unread, Message>;

/** What a streaming handler answers: its items, and the signal by which they hear that the reader has gone. */
export interface Items {
  readonly source: AsyncIterable<Message>;
  readonly stop: AbortController;
  readonly fail: (error: unknown) => RpcStatus;
}

/** After this long without taking anything the reader is let go; it comes back with its last position. */
const STALLED_LIMIT_MS = 60_000;

/**
 * Writes the items until they end, the reader has gone or stalled, the call's deadline passes, or `leaving` is aborted. grpc-js keeps
 * at most its 16 messages besides what the connection's flow control lets through.
 */
export async function writeItems(call: StreamCall, { source, stop, fail }: Items, leaving: AbortSignal): Promise<void> {
  const end = (): void => stop.abort();
  call.once('cancelled', end);
  leaving.addEventListener('abort', end, { once: true });
  if (call.cancelled || leaving.aborted) end();
  try {
    for await (const item of source) {
      if (stop.signal.aborted) break;
      if (!call.write(item)) await drained(call, stop.signal);
    }
    if (leaving.aborted && !call.cancelled) throw shuttingDown();
    call.end();
  } catch (error) {
    if (!call.cancelled) call.emit('error', fail(error));
  } finally {
    end();
    leaving.removeEventListener('abort', end);
  }
}

function drained(call: StreamCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer);
      call.off('drain', settle);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    const timer = setTimeout(() => {
      reject(stalled());
      settle();
    }, STALLED_LIMIT_MS);
    call.once('drain', settle);
    signal.addEventListener('abort', settle, { once: true });
    if (signal.aborted) settle();
  });
}

function stalled(): Problem {
  const detail = `Nothing was read for ${STALLED_LIMIT_MS / 1_000} s. Watch again from your last position.`;
  return new Problem('unavailable', 'READER_STALLED', detail);
}

function shuttingDown(): Problem {
  return new Problem('unavailable', 'SHUTTING_DOWN', 'This process is leaving. Watch again from your last position.');
}
