import { StoreUnavailable, isTransient } from '@understudy/event-log';

/** `code` says what; the message is for people. */
export class MessagingError extends Error {
  override readonly name = 'MessagingError';
  constructor(
    readonly code:
      | 'DEAD_LETTER_UNKNOWN'
      | 'TOPIC_TAKEN'
      | 'TOPIC_UNKNOWN'
      | 'GROUP_TAKEN'
      | 'ALREADY_STARTED'
      | 'HANDLER_TOO_SLOW'
      | 'STOPPING'
      | 'BROKER_AWAY'
      | 'TOPIC_REFUSED'
      | 'TOPICS_DIFFER'
      | 'LOG_RESTORED',
    message: string,
  ) {
    super(message);
  }
}

const SOCKET = /^E[A-Z]{4,}$/;
const SQLSTATE = /^[0-9A-Z]{5}$/;
const POOL = /^Connection terminated|timeout exceeded when trying to connect|Cannot use a pool after calling end/;

/** True if a message is not to blame for what happened to it: it is no poison, and comes again. */
export function isNobodysFault(error: unknown): boolean {
  return isStoreAway(error) || (error instanceof MessagingError && error.code === 'LOG_RESTORED');
}

/** True if a store did not answer: not the message's fault, so it is no reason for a dead letter. */
export function isStoreAway(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true;
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return SOCKET.test(code) || (SQLSTATE.test(code) && isTransient(error)) || (code === '' && POOL.test(error.message));
}
