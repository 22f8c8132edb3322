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
  /** JSON of one element of `events`, without its opening and its index. */
  readonly fragment: string;
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

/**
 * The body as a nested value keeps its bytes only if it is an object or array without \u escapes: PostgreSQL decodes strings of
 * the outer document, and refuses U+0000 and half surrogates in them. Everything else travels as text.
 */
function bodyField(text: string): string {
  const nests = (text.startsWith('{') || text.startsWith('[')) && !text.includes('\\u');
  return nests ? `"b":${text}` : `"c":${JSON.stringify(text)}`;
}

function encodeEvent(event: NewEvent, metadataText: string): EncodedEvent {
  checkName('event type', event.type);
  if (!Number.isInteger(event.schemaVersion) || event.schemaVersion < 1) {
    throw new InvalidAppend(`The schema version of ${event.type} must be a whole number from 1, not ${event.schemaVersion}.`);
  }
  const bodyText = jsonText(`body of ${event.type}`, event.body);
  const fragment = `,"t":${JSON.stringify(event.type)},"v":${event.schemaVersion},"m":${metadataText},${bodyField(bodyText)}}`;
  return { type: event.type, schemaVersion: event.schemaVersion, bodyText, fragment };
}

function encodeStream(part: StreamAppend, metadataText: string): EncodedStream {
  checkName('stream', part.stream);
  if (!Number.isInteger(part.expectedVersion) || part.expectedVersion < 0) {
    throw new InvalidAppend(`The expected version of ${part.stream} must be a whole number from 0, not ${part.expectedVersion}.`);
  }
  const { stream, expectedVersion } = part;
  return { stream, expectedVersion, events: part.events.map((event) => encodeEvent(event, metadataText)) };
}

/** Fixes an append's texts. Throws `InvalidAppend` for what no log could take. */
export function encodeAppend(request: AppendRequest): EncodedAppend {
  const metadataText = jsonText('metadata', request.metadata);
  if (metadataText.includes('\\u') || !metadataText.startsWith('{')) {
    throw new InvalidAppend('The metadata holds control characters or half a surrogate pair. Send plain text.');
  }
  const streams = request.streams.map((part) => encodeStream(part, metadataText));
  if (streams.length === 0) throw new InvalidAppend('An append names at least one stream.');
  if (new Set(streams.map((part) => part.stream)).size < streams.length) {
    throw new InvalidAppend('An append names a stream once: put all its events into one entry.');
  }
  const events = streams.flatMap((part) => part.events);
  const bytes = events.reduce((sum, event) => sum + event.fragment.length, 0);
  if (events.length > MAX_EVENTS || bytes > MAX_BYTES) {
    throw new InvalidAppend(
      `An append holds at most ${MAX_EVENTS} events and ${MAX_BYTES} bytes; this one has ${events.length} and ${bytes}.`,
    );
  }
  return { streams, metadataText, eventCount: events.length, bytes };
}

/** The two parameters of the append function. */
export function encodeBatch(appends: readonly EncodedAppend[]): { readonly heads: string; readonly events: string } {
  const heads: string[] = [];
  const events: string[] = [];
  appends.forEach((append, index) => {
    for (const part of append.streams) {
      const entry = heads.length;
      heads.push(`{"a":${index},"i":${entry},"s":${JSON.stringify(part.stream)},"x":${part.expectedVersion}}`);
      for (const event of part.events) events.push(`{"i":${entry}${event.fragment}`);
    }
  });
  return { heads: `[${heads.join(',')}]`, events: `[${events.join(',')}]` };
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
