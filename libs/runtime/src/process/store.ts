/** A service's store as its process sees it: waited for at the start, told about in its health. */
import { setTimeout as delay } from 'node:timers/promises';
import { isTransient, openStore } from '@understudy/event-log';
import type { Checkpoints, OpenStoreOptions, Store } from '@understudy/event-log';
import type { PartHealth } from '../health.js';
import type { Listen } from '../listen.js';
import type { Log } from '../logging.js';
import { redactText } from '../redaction.js';
import { openWaitingRoom } from './waiting-room.js';
import type { WaitingRoom } from './waiting-room.js';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
const ANSWER_LIMIT_MS = 1_500;

export interface StoreWait {
  readonly open: OpenStoreOptions;
  /** Where to say that the store is away. */
  readonly listen: Listen;
  readonly limitMs: number;
  readonly log: Log;
  /** The process is to end: no more waiting. */
  readonly signal: AbortSignal;
}

/**
 * Opens the store, waiting for a server that is away; meanwhile the service's address answers that it is not ready, and why.
 * Throws `SchemaMismatch` at once, and what the last try said past the limit or when `signal` aborts.
 */
export async function openStoreWhenThere({ open, listen, limitMs, log, signal }: StoreWait): Promise<Store> {
  const until = performance.now() + limitMs;
  let room: WaitingRoom | undefined;
  let reason = '';
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await openStore(open);
      } catch (error) {
        if (!isTransient(error) || isRefusal(error) || signal.aborted) throw error;
        reason = `the store does not answer: ${redactText(messageOf(error))}`;
        if (performance.now() + pauseMs > until)
          throw new Error(`${reason}. Waited ${limitMs} ms (STORE_WAIT_MS).`, { cause: error });
        if (room === undefined) {
          room = await openWaitingRoom(listen, () => reason);
          log.warn({ reason, limitMs, rest: room.url }, 'waiting for the store');
        }
        await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  } finally {
    await room?.close();
  }
}

/** The migrations do not fit: no waiting mends that. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'SchemaMismatch';
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** Whether the log's heads are signed, as far as they should be. */
export function checkpointHealth(checkpoints: Checkpoints): PartHealth {
  const { state, problem } = checkpoints.status();
  return problem === undefined ? { status: 'ok' } : { status: 'degraded', reason: `${state}: ${redactText(problem)}` };
}

/** Whether the store answers and this process may still own what it owns. */
export async function storeHealth(store: Store): Promise<PartHealth> {
  const over = new AbortController();
  const late = delay(ANSWER_LIMIT_MS, null, { signal: over.signal }).catch(() => null);
  try {
    const leases = await Promise.race([store.leases(), late]);
    if (leases === null) return { status: 'down', reason: `the store did not answer within ${ANSWER_LIMIT_MS} ms` };
    const successor = leases.some(({ alive, instance, incarnation }) => {
      return alive && instance === store.instance && incarnation > store.incarnation;
    });
    if (!successor) return { status: 'ok' };
    return {
      status: 'down',
      reason: `another process was started with the same INSTANCE_ID ${store.instance}; it has taken over`,
    };
  } catch (error) {
    return { status: 'down', reason: `the store does not answer: ${redactText(messageOf(error))}` };
  } finally {
    over.abort();
  }
}
