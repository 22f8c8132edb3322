import type { StoredEvent } from '@understudy/event-log';
import type { CloudEvent, Publication } from './api.js';

const SEQUENCE_DIGITS = 20;

/**
 * The envelope of a published event: CloudEvents 1.0, with `partitionkey`, `sequence` and distributed tracing from the registered
 * extensions. Pure: the same stored event gives the same envelope at every redelivery.
 */
export function toCloudEvent(stored: StoredEvent, publication: Publication, service: string, logId: string): CloudEvent {
  const { traceparent } = stored.metadata;
  return {
    specversion: '1.0',
    id: `${stored.stream}/${stored.version}`,
    source: `/understudy/${service}/${logId}`,
    type: publication.type,
    subject: publication.subject,
    time: stored.time,
    datacontenttype: 'application/json',
    partitionkey: publication.key,
    sequence: String(stored.position).padStart(SEQUENCE_DIGITS, '0'),
    ...(traceparent === undefined ? {} : { traceparent }),
    data: publication.data,
  };
}

/** Position of the event in its source's log: what an upsert is guarded by. */
export function sourcePosition(event: CloudEvent): number {
  return Number(event.sequence);
}
