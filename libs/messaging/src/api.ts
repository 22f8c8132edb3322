import type { StoredEvent } from '@understudy/event-log';

/** CloudEvents 1.0. `id` = `stream/version`, `source` = `/understudy/<service>/<logId>`; a redelivery keeps both. */
export interface CloudEvent<D = unknown> {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  /** `understudy.<service>.<event>.v1`. */
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** Order is promised per key. */
  readonly partitionkey: string;
  /** Position in the source's log, zero-padded to 20 digits. */
  readonly sequence: string;
  readonly traceparent?: string;
  readonly data: D;
}

/** What `publish.ts` of a service answers for a stored event; undefined = not published. */
export interface Publication {
  /** e.g. `understudy.inventory.topology-observed.v1`. */
  readonly type: string;
  readonly key: string;
  readonly subject: string;
  /** JSON form of the proto message. */
  readonly data: unknown;
}

export type Publish = (event: StoredEvent) => Publication | undefined;

/** Writes and returns, within a second; never waits for the outside. Hearing a message twice must change nothing twice. */
export type MessageHandler = (event: CloudEvent) => Promise<void>;

/** `{type -> handler}`; types that are not in the table are passed over. */
export type HandlerTable = Readonly<Record<string, MessageHandler>>;

export interface Subscription {
  /** The consuming service; one cursor per group. */
  readonly group: string;
  readonly topic: string;
  readonly handlers: HandlerTable;
}

/** Between services. One producing service per topic; at least once; ordered per key. */
export interface Transport {
  /** Gives the transport a service's log to publish from. Call before `start`. */
  produce(producer: Producer): void;
  /** Call before `start`. */
  consume(consumer: Consumer): void;
  start(): Promise<void>;
  /** Finishes what is in flight, within 5 s. */
  stop(): Promise<void>;
  /** For readiness and metrics: how far each group is behind, in events, and why it does not move if it does not. */
  lag(): Promise<readonly Lag[]>;
  /** Messages that a group could not take, oldest first, at most 500. */
  deadLetters(group: string): Promise<readonly DeadLetter[]>;
  /**
   * Gives a dead letter to its handler once more, now; it is removed when the handler took it. Throws what the handler throws (the
   * letter stays, with the new reason), or `MessagingError` DEAD_LETTER_UNKNOWN.
   */
  redeliver(group: string, source: string, id: string): Promise<void>;
}

export interface Lag {
  readonly group: string;
  readonly topic: string;
  readonly events: number;
  /** For people; absent = it moves. */
  readonly problem?: string;
}

/** A message that its handler refused for longer than the retries last: a row in the consumer's schema, for both transports. */
export interface DeadLetter {
  readonly group: string;
  readonly message: CloudEvent;
  readonly reason: string;
  readonly attempts: number;
  /** RFC 3339. */
  readonly diedAt: string;
}

export interface Producer {
  readonly service: string;
  readonly topic: string;
  readonly publish: Publish;
  /** The service's own store: its log, and what a cursor needs. Defined by `event-log`. */
  readonly store: import('@understudy/event-log').Store;
}

export interface Consumer {
  readonly subscription: Subscription;
  /** Where this consumer's dead letters go: its own schema. */
  readonly store: import('@understudy/event-log').Store;
}
