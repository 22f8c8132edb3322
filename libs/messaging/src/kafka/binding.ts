/**
 * CloudEvents 1.0 in Kafka, binary content mode (CloudEvents "Kafka Protocol Binding", 3.2): the value is the data, `content-type`
 * its type, every other attribute a header `ce_<name>`. `traceparent` goes out twice: as the attribute, which says where the event
 * was made, and as the plain header that tracing tools read (W3C Trace Context).
 */
import type { IHeaders, Message } from 'kafkajs';
import type { CloudEvent } from '../api.js';

export interface KafkaRecord {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: IHeaders;
}

export function toRecord(event: CloudEvent): Message {
  const { traceparent } = event;
  return {
    key: event.partitionkey,
    value: JSON.stringify(event.data),
    headers: {
      'content-type': event.datacontenttype,
      ce_specversion: event.specversion,
      ce_id: event.id,
      ce_source: event.source,
      ce_type: event.type,
      ce_subject: event.subject,
      ce_time: event.time,
      ce_partitionkey: event.partitionkey,
      ce_sequence: event.sequence,
      ...(traceparent === undefined ? {} : { ce_traceparent: traceparent, traceparent }),
    },
  };
}

/** The event's type alone: what a consumer does not handle is not read any further. */
export function typeOf(record: KafkaRecord): string {
  return header(record, 'ce_type') ?? '';
}

/**
 * The same record as texts of its own, and their size: the bytes of a fetched record are a view into the broker's whole answer, and
 * would keep it in memory for as long as this one waits.
 */
export function detached({ key, value, headers = {} }: KafkaRecord): KafkaRecord & { readonly sizeBytes: number } {
  let sizeBytes = (key?.length ?? 0) + (value?.length ?? 0);
  const texts: Record<string, string | undefined> = {};
  for (const [name, content] of Object.entries(headers)) {
    const first = Array.isArray(content) ? content[0] : content;
    sizeBytes += name.length + (first?.length ?? 0);
    texts[name] = first?.toString();
  }
  return { key: textOf(key), value: textOf(value), headers: texts, sizeBytes };
}

/** Throws an `Error` that says what is missing or wrong. */
export function fromRecord(record: KafkaRecord): CloudEvent {
  const need = (name: string): string => {
    const value = header(record, name);
    if (value === undefined || value === '') throw new Error(`the header ${name} is missing`);
    return value;
  };
  const contentType = need('content-type').split(';')[0]?.trim().toLowerCase();
  if (contentType !== 'application/json') throw new Error(`the content type is ${contentType}, not application/json`);
  if (need('ce_specversion') !== '1.0') throw new Error(`the CloudEvents version is ${need('ce_specversion')}, not 1.0`);
  if (!/^\d{20}$/.test(need('ce_sequence'))) throw new Error('ce_sequence is not 20 digits');
  const traceparent = header(record, 'ce_traceparent');
  return {
    specversion: '1.0',
    id: need('ce_id'),
    source: need('ce_source'),
    type: need('ce_type'),
    subject: need('ce_subject'),
    time: need('ce_time'),
    datacontenttype: 'application/json',
    partitionkey: need('ce_partitionkey'),
    sequence: need('ce_sequence'),
    ...(traceparent === undefined ? {} : { traceparent }),
    data: JSON.parse(textOf(record.value) ?? '') as unknown,
  };
}

const UNREADABLE_KEPT_CHARACTERS = 10_000;

/** A record that is no event of ours, in an envelope of its own, so that a person can look at it among the dead letters. */
export function unreadable(
  record: KafkaRecord,
  place: { readonly topic: string; readonly partition: number; readonly offset: string },
): CloudEvent {
  const headers = Object.fromEntries(Object.keys(record.headers ?? {}).map((name) => [name, header(record, name)]));
  return {
    specversion: '1.0',
    id: place.offset,
    source: `/kafka/${place.topic}/${place.partition}`,
    type: 'understudy.messaging.unreadable.v1',
    subject: place.topic,
    time: new Date(0).toISOString(),
    datacontenttype: 'application/json',
    partitionkey: textOf(record.key) ?? '',
    sequence: place.offset.padStart(20, '0'),
    data: { headers, value: textOf(record.value)?.slice(0, UNREADABLE_KEPT_CHARACTERS) ?? null },
  };
}

const textOf = (content: Buffer | string | null): string | null => (content === null ? null : content.toString());

function header({ headers }: KafkaRecord, name: string): string | undefined {
  const value = headers?.[name];
  const first = Array.isArray(value) ? value[0] : value;
  return first === undefined ? undefined : first.toString();
}
