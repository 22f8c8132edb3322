/** One append on its way into the log, and the texts in which a batch of them travels to the append function. */
import type { AppendRequest, AppendResult, EventMetadata, NewEvent, StoredEvent, StreamAppend } from './api.js';
import { InvalidAppend } from './errors.js';

const MAX_EVENTS = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_NAME_LENGTH = 500;

interface EncodedEvent {
  readonly type: string;
  readonly schemaVersion: number;
  readonly bodyText: string;
  /** UTF-8. */
  readonly bodyBytes: number;
}

interface EncodedStream {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly events: readonly EncodedEvent[];
}

/** An append whose texts are fixed: what the caller does to its objects afterwards changes nothing. */
export interface EncodedAppend {
  readonly streams: readonly EncodedStream[];
  readonly metadataText: string;
  readonly metadataBytes: number;
  readonly eventCount: number;
  readonly bytes: number;
}

function checkName(what: string, name: string): void {
  // U+0000 cannot be stored by PostgreSQL, half a surrogate pair not be sent; one bad name would fail a whole batch.
  if (name.length === 0 || name.length > MAX_NAME_LENGTH || name.includes('\u0000') || /\p{Surrogate}/u.test(name)) {
    throw new InvalidAppend(`A ${what} must be text of 1 to ${MAX_NAME_LENGTH} characters, not ${JSON.stringify(name)}.`);
  }
}

function jsonText(what: string, value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new InvalidAppend(`The ${what} is nothing that JSON can say.`);
  return text;
}

function encodeEvent(event: NewEvent): EncodedEvent {
  const { type, schemaVersion } = event;
  checkName('event type', type);
  if (!Number.isInteger(schemaVersion) || schemaVersion < 1) {
    throw new InvalidAppend(`The schema version of ${type} must be a whole number from 1, not ${schemaVersion}.`);
  }
  const bodyText = jsonText(`body of ${type}`, event.body);
  return { type, schemaVersion, bodyText, bodyBytes: Buffer.byteLength(bodyText) };
}

function encodeStream(part: StreamAppend): EncodedStream {
  checkName('stream', part.stream);
  if (!Number.isInteger(part.expectedVersion) || part.expectedVersion < 0) {
    throw new InvalidAppend(`The expected version of ${part.stream} must be a whole number from 0, not ${part.expectedVersion}.`);
  }
  return { stream: part.stream, expectedVersion: part.expectedVersion, events: part.events.map(encodeEvent) };
}

/** Fixes an append's texts. Throws `InvalidAppend` for what no log could take. */
export function encodeAppend(request: AppendRequest): EncodedAppend {
  const metadataText = jsonText('metadata', request.metadata);
  const metadataBytes = Buffer.byteLength(metadataText);
  const streams = request.streams.map(encodeStream);
  if (streams.length === 0) throw new InvalidAppend('An append names at least one stream.');
  if (new Set(streams.map((part) => part.stream)).size < streams.length) {
    throw new InvalidAppend('An append names a stream once: put all its events into one entry.');
  }
  const events = streams.flatMap((part) => part.events);
  const bytes = events.reduce((sum, event) => sum + event.bodyBytes, metadataBytes);
  if (events.length > MAX_EVENTS || bytes > MAX_BYTES) {
    throw new InvalidAppend(
      `An append holds at most ${MAX_EVENTS} events and ${MAX_BYTES} bytes; this one has ${events.length} and ${bytes}.`,
    );
  }
  return { streams, metadataText, metadataBytes, eventCount: events.length, bytes };
}

/** Elements of the parameters of the append function, in its order; described in `0001_log.sql`. */
class Batch {
  private readonly streams: string[] = [];
  private readonly expected: number[] = [];
  private readonly appends: number[] = [];
  private readonly entries: number[] = [];
  private readonly types: string[] = [];
  private readonly shapes: number[] = [];
  private readonly metaAt: number[] = [];
  private readonly metaSize: number[] = [];
  private readonly bodyAt: number[] = [];
  private readonly bodySize: number[] = [];
  private readonly texts: string[] = [];
  private next = 1;

  add(append: EncodedAppend, index: number): void {
    const metaAt = this.text(append.metadataText, append.metadataBytes);
    for (const part of append.streams) {
      this.streams.push(part.stream);
      this.expected.push(part.expectedVersion);
      this.appends.push(index);
      for (const event of part.events) {
        this.entries.push(this.streams.length);
        this.types.push(event.type);
        this.shapes.push(event.schemaVersion);
        this.metaAt.push(metaAt);
        this.metaSize.push(append.metadataBytes);
        this.bodyAt.push(this.text(event.bodyText, event.bodyBytes));
        this.bodySize.push(event.bodyBytes);
      }
    }
  }

  parameters(): unknown[] {
    return [
      textArray(this.streams),
      integerArray(this.expected),
      integerArray(this.appends),
      integerArray(this.entries),
      textArray(this.types),
      integerArray(this.shapes),
      integerArray(this.metaAt),
      integerArray(this.metaSize),
      integerArray(this.bodyAt),
      integerArray(this.bodySize),
      Buffer.from(this.texts.join('')),
    ];
  }

  private text(text: string, bytes: number): number {
    const at = this.next;
    this.texts.push(text);
    this.next += bytes;
    return at;
  }
}

// PostgreSQL documentation, "Array Input and Output Syntax".
const integerArray = (values: readonly number[]): string => `{${values.join(',')}}`;
const textArray = (values: readonly string[]): string =>
  `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;

export const APPEND_SQL = (schema: string): string =>
  `select base, at, hashes, lost from ${schema}.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;

export function encodeBatch(appends: readonly EncodedAppend[]): unknown[] {
  const batch = new Batch();
  for (const [index, append] of appends.entries()) batch.add(append, index);
  return batch.parameters();
}

/** What the append function answers. */
export interface BatchAnswer {
  readonly base: string;
  readonly at: string;
  readonly hashes: string | null;
  readonly lost: readonly { readonly a: number; readonly s: string; readonly x: number; readonly version: number }[] | null;
}

const HASH_DIGITS = 64;

/** Answers for each append of the batch, in its order. */
export function decodeAnswer(appends: readonly EncodedAppend[], answer: BatchAnswer): AppendResult[] {
  const conflicts = new Map<number, { stream: string; expectedVersion: number; actualVersion: number }[]>();
  for (const { a, s, x, version } of answer.lost ?? []) {
    const known = conflicts.get(a) ?? [];
    // A stream of a lost append that stood where it was expected is no conflict.
    if (x !== version) known.push({ stream: s, expectedVersion: x, actualVersion: version });
    conflicts.set(a, known);
  }
  const hashes = answer.hashes ?? '';
  const base = Number(answer.base);
  let done = 0;
  return appends.map((append, index) => {
    const lost = conflicts.get(index);
    if (lost) return { appended: false, conflicts: lost };
    const metadata = JSON.parse(append.metadataText) as EventMetadata;
    const events: StoredEvent[] = [];
    for (const part of append.streams) {
      part.events.forEach((event, offset) => {
        const hash = hashes.slice(done * HASH_DIGITS, (done + 1) * HASH_DIGITS);
        done += 1;
        events.push({
          position: base + done,
          stream: part.stream,
          version: part.expectedVersion + offset + 1,
          type: event.type,
          schemaVersion: event.schemaVersion,
          time: answer.at,
          metadata,
          body: JSON.parse(event.bodyText) as unknown,
          hash,
        });
      });
    }
    return { appended: true, events };
  });
}
