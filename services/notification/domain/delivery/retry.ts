/** What follows an attempt. Pure: the schedule, the time and the chance come in. */

/** What a channel says about one attempt. */
export type AttemptOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs?: number }
  /** The receiver says that it will never be there again. */
  | { readonly kind: 'gone'; readonly reason: string };

export type NextMove =
  | { readonly move: 'succeed' }
  | { readonly move: 'retry'; readonly afterMs: number; readonly reason: string }
  | { readonly move: 'exhaust'; readonly reason: string; readonly disable: boolean };

/** 5 s to 24 h, three days in all: the example of the Standard Webhooks specification. */
export const DEFAULT_SCHEDULE_MS: readonly number[] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(
  (seconds) => seconds * 1_000,
);

/** A receiver that asks for more than this is asked again sooner. */
export const LONGEST_RETRY_AFTER_MS = 86_400_000;

/**
 * After attempt number `attempts` (from 1). Full jitter: a uniform share of the schedule's pause, so that a receiver that comes back
 * is not met by everything at once; never earlier than the receiver asked. `chance` is in [0, 1).
 */
export function nextMove(outcome: AttemptOutcome, attempts: number, scheduleMs: readonly number[], chance: number): NextMove {
  if (outcome.kind === 'accepted') return { move: 'succeed' };
  if (outcome.kind === 'gone') return { move: 'exhaust', reason: outcome.reason, disable: true };
  const pauseMs = scheduleMs[attempts - 1];
  if (pauseMs === undefined) return { move: 'exhaust', reason: outcome.reason, disable: false };
  const askedMs = Math.min(outcome.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS);
  return { move: 'retry', afterMs: Math.max(Math.ceil(pauseMs * chance), askedMs), reason: outcome.reason };
}
