import { createHash } from 'node:crypto';
import type { EventMetadata, StoredEvent } from './api.js';

/** An event as `pg` reads it: `json` parsed, `bytea` as bytes, `bigint` as text. */
export interface EventRow {
  readonly position: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schema_version: number;
  readonly time: string;
  readonly metadata: EventMetadata;
  readonly body: unknown;
  readonly hash: Buffer;
}

export const EVENT_COLUMNS = 'position, stream, version, type, schema_version, "time", metadata, body, hash';

export function storedEvent(row: EventRow): StoredEvent {
  return {
    position: Number(row.position),
    stream: row.stream,
    version: row.version,
    type: row.type,
    schemaVersion: row.schema_version,
    time: row.time,
    metadata: row.metadata,
    body: row.body,
    hash: row.hash.toString('hex'),
  };
}

/** An event with the texts that are stored, before anybody parsed them: what the hash is made of. */
export interface RawEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly time: string;
  readonly metadata: string;
  readonly body: string;
  /** Hex. */
  readonly hash: string;
}

/** Hex of the 32 zero bytes that stand before a stream's first event. */
export const CHAIN_START = '0'.repeat(64);

/** The hash that the append function gives this event after `previous` (hex). The bytes are described in `0001_log.sql`. */
export function chainHash(previous: string, event: Omit<RawEvent, 'hash'>): string {
  const numbers = Buffer.alloc(8);
  numbers.writeBigInt64BE(BigInt(event.position));
  const hash = createHash('sha256').update(numbers);
  const integer = (value: number): void => {
    numbers.writeInt32BE(value);
    hash.update(numbers.subarray(0, 4));
  };
  const text = (value: string): void => {
    integer(Buffer.byteLength(value));
    hash.update(value);
  };
  text(event.stream);
  integer(event.version);
  text(event.type);
  integer(event.schemaVersion);
  text(event.time);
  text(event.metadata);
  text(event.body);
  return createHash('sha256').update(previous, 'hex').update(hash.digest()).digest('hex');
}
