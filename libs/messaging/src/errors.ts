import { isStoreAway } from '@understudy/event-log';

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

/** True if a message is not to blame for what happened to it: it is no poison, and comes again. */
export function isNobodysFault(error: unknown): boolean {
  return isStoreAway(error) || (error instanceof MessagingError && error.code === 'LOG_RESTORED');
}
