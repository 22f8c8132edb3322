import { createHash, randomFillSync, randomUUID } from 'node:crypto';
import { activeTraceparent } from '@understudy/event-log';
import { v7 } from 'uuid';

/** The system is asked for bytes once for so many ids: asking it for each id would take most of the time of making one. */
const IDS_PER_FILL = 256;
const BYTES_PER_ID = 16;
const pool = Buffer.alloc(IDS_PER_FILL * BYTES_PER_ID);
let used = pool.length;
let lastMs = 0;
let sequence = 0;

/** A fresh id, ordered by time, and within a millisecond by when this process made it: UUIDv7 (RFC 9562, section 6.2, method 1). */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + BYTES_PER_ID);
  used += BYTES_PER_ID;
  const nowMs = Date.now();
  // It begins anywhere in its lower half, so that it can be counted up.
  sequence = nowMs > lastMs ? random.readUInt32BE() >>> 1 : sequence + 1;
  lastMs = Math.max(nowMs, lastMs);
  return v7({ random, msecs: lastMs, seq: sequence });
}

/**
 * The same id for the same parts, always: UUIDv8 (RFC 9562, section 5.8) from the SHA-256 of the parts, each with its length
 * before it so that ('a', 'bc') and ('ab', 'c') differ.
 */
export function derivedId(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** SHA-256 in hex over a JSON value with its keys sorted: equal for documents that mean the same. */
export function fingerprintOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Where this code runs if somebody traces it, else a valid W3C `traceparent` of the caller, else a new one. */
export function traceparentOf(header: string | undefined): string {
  const active = activeTraceparent();
  if (active !== undefined) return active;
  const [, version, trace, parent, , more] = TRACEPARENT.exec(header ?? '') ?? [];
  const valid =
    version !== undefined &&
    version !== 'ff' &&
    !/^0+$/.test(trace ?? '0') &&
    !/^0+$/.test(parent ?? '0') &&
    (version !== '00' || more === undefined);
  if (valid && header !== undefined) return header;
  return newTraceparent();
}

/** Of random UUIDs, for which Node keeps a pool: asking the system for bytes at each request is ten times as slow. */
function newTraceparent(): string {
  const trace = randomUUID().replaceAll('-', '');
  return `00-${trace}-${randomUUID().replaceAll('-', '').slice(16)}-01`;
}

/** The 32 hex digits of the trace. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}
