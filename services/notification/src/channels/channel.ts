/** The port of a channel: a way to tell a receiver that something happened. One folder per channel, one line in `index.ts`. */
import type { Refusal } from '@understudy/decider';
import type { AttemptOutcome } from '@understudy/notification-domain';

export interface OutgoingMessage {
  /** The same at every attempt and redelivery: the receiver's key against duplicates. */
  readonly deliveryId: string;
  readonly url: string;
  /** Exactly these bytes are sent and signed. */
  readonly body: string;
  readonly contentType: string;
  /** Newest first; each signs, so that receivers can change keys without a gap. */
  readonly secrets: readonly string[];
  /** Of this attempt; milliseconds since the epoch. */
  readonly at: number;
}

export interface Channel {
  readonly kind: 'webhook';
  /** What is wrong with a receiver's address, by its form and by what it resolves to now. Empty = nothing. */
  check(url: string): Promise<readonly Refusal[]>;
  /** One attempt, within the channel's own time limit; never rejects. The address is checked again at every attempt. */
  send(message: OutgoingMessage, signal: AbortSignal): Promise<AttemptOutcome>;
}
