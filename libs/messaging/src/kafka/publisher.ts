/** The way from a relay to a topic: `acks -1`, one batch on its way at a time, a bounded wait. What was not taken stays in the log. */
import { inNewTrace, type NewTrace } from '@understudy/event-log';
import kafkajs, { type Message, type Producer } from 'kafkajs';
import type { CloudEvent } from '../api.js';
import { MessagingError } from '../errors.js';
import { toRecord } from './binding.js';
import { type Client, openClient } from './client.js';
import { settled, within } from './limits.js';
import type { KafkaOptions } from './options.js';

/** Connecting and sending, together. */
const SEND_LIMIT_MS = 10_000;
const CLOSE_LIMIT_MS = 1_000;
/** Of one request; a broker takes record batches of 1 MiB by default. An event that is larger goes alone. */
const CHUNK_BYTES = 768 * 1024;
const HEADER_BYTES = 500;
const ALL_REPLICAS = -1;

interface Line {
  readonly client: Client;
  readonly producer: Producer;
  readonly connected: Promise<void>;
}

export class Publisher {
  private line: Line | undefined;
  private closed = false;

  constructor(private readonly options: KafkaOptions) {}

  /** Rejects with `MessagingError` BROKER_AWAY or TOPIC_REFUSED; then some of it may have been taken, and all is sent again. */
  async send(topic: string, events: readonly CloudEvent[]): Promise<void> {
    const what = `Sending ${events.length} events to ${topic}`;
    try {
      await within(
        SEND_LIMIT_MS,
        what,
        inNewTrace(traceOf(topic, events), () => this.deliver(topic, events)),
      );
    } catch (error) {
      // A request without an answer may still be on its way: its connection ends before the next one begins.
      await this.drop();
      const { code, message } = explained(error, what);
      throw new MessagingError(code, `${message} They stay in the log and are sent again.`);
    }
  }

  /** What is being sent fails now. */
  async close(): Promise<void> {
    this.closed = true;
    await this.drop();
  }

  private async deliver(topic: string, events: readonly CloudEvent[]): Promise<void> {
    if (this.closed) throw new MessagingError('STOPPING', 'The transport stops; the events go out after the next start.');
    const line = (this.line ??= this.connect());
    await line.connected;
    for (const messages of chunks(events.map(toRecord))) await line.producer.send({ topic, messages, acks: ALL_REPLICAS });
  }

  private connect(): Line {
    const client = openClient(this.options);
    const producer = client.kafka.producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      maxInFlightRequests: 1,
    });
    return { client, producer, connected: producer.connect() };
  }

  private async drop(): Promise<void> {
    const { line } = this;
    this.line = undefined;
    if (line === undefined) return;
    line.client.cut();
    await settled(line.producer.disconnect(), CLOSE_LIMIT_MS);
  }
}

/** A batch is a trace of its own, linked to those that stored its events; each message carries the one that stored it. */
function traceOf(topic: string, events: readonly CloudEvent[]): NewTrace {
  const attributes = {
    'messaging.operation.type': 'send',
    'messaging.system': 'kafka',
    'messaging.destination.name': topic,
    'messaging.batch.message_count': events.length,
  };
  return { name: `send ${topic}`, kind: 'producer', after: events.map(({ traceparent }) => traceparent), attributes };
}

/** Splits by size, in order. */
function* chunks(messages: readonly Message[]): Generator<Message[]> {
  let chunk: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = HEADER_BYTES + Buffer.byteLength(message.value ?? '');
    if (chunk.length > 0 && bytes + size > CHUNK_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(message);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

const REFUSALS = /AUTHORIZATION_FAILED|MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE|UNKNOWN_TOPIC|SASL|INVALID_TOPIC/;

/** The broker's answer in our words: away, or there and refusing. */
export function explained(error: unknown, what: string): MessagingError {
  if (error instanceof MessagingError) return error;
  const { message, type } = innermost(error);
  if (REFUSALS.test(type)) {
    return new MessagingError(
      'TOPIC_REFUSED',
      `${what} was refused by the broker: ${message} (${type}). Compare with \`npm run topics\`.`,
    );
  }
  return new MessagingError('BROKER_AWAY', `${what} failed: ${message}.`);
}

function innermost(error: unknown): { readonly message: string; readonly type: string } {
  let cause = error;
  for (let depth = 0; depth < 5 && cause instanceof Error && cause.cause instanceof Error; depth += 1) cause = cause.cause;
  const known = cause as { readonly message?: string; readonly type?: string; readonly name?: string };
  return { message: known.message ?? String(error), type: known.type ?? known.name ?? '' };
}
