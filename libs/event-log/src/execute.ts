/** The corridor of a command: load, fold, decide, append at the expected version. Everything that changes state walks it. */
import { type Decider, type Refusal, type RefusalKind, fold } from '@understudy/decider';
import type { EventLog, EventMetadata, NewEvent, StoredEvent, StreamAppend } from './api.js';

/** How often a command is decided again after somebody else appended first. */
export const MAX_DECISIONS = 5;

/** Between a domain's events and the log's. `decode` brings old shapes into today's. */
export interface EventCodec<E> {
  readonly encode: (event: E) => NewEvent;
  readonly decode: (stored: StoredEvent) => E;
}

/** The codec for events of the shape `{type, [field]: body}`. A type's version is 1 unless `schemaVersions` says otherwise. */
export function eventCodec<E extends { readonly type: string }>(options: {
  readonly field: 'body' | 'data';
  readonly schemaVersions?: Readonly<Record<string, number>>;
  /** Old shapes into today's; default: the stored body as it is. */
  readonly upcast?: (stored: StoredEvent) => E;
}): EventCodec<E> {
  return {
    encode: (event) => ({
      type: event.type,
      schemaVersion: options.schemaVersions?.[event.type] ?? 1,
      body: (event as Readonly<Record<string, unknown>>)[options.field],
    }),
    decode: options.upcast ?? ((stored) => ({ type: stored.type, [options.field]: stored.body }) as unknown as E),
  };
}

/** A stream as it was folded. An owner may keep it in memory: a step then costs one append and no read. */
export interface LoadedStream<S> {
  readonly stream: string;
  readonly version: number;
  readonly state: S;
  /**
   * Command ids of the stream's events, with the fingerprint of the request if there was one. Grows with the stream; whoever holds it
   * may take out ids that nobody repeats.
   */
  readonly commands: Map<string, string | undefined>;
}

export interface Execution<S, C, E> {
  readonly stream: string;
  readonly command: C;
  readonly metadata: EventMetadata;
  readonly codec: EventCodec<E>;
  /** What the caller knows already; if it is no longer true, only the rest is read. */
  readonly loaded?: LoadedStream<S>;
  /** How often it is decided at most (default `MAX_DECISIONS`). 1: what it rests on no longer holds once somebody else appended. */
  readonly decisions?: number;
  /** Further streams of the same append, made from what was decided (e.g. claims). Asked again with every new decision. */
  readonly also?: (decided: readonly E[], state: S) => readonly StreamAppend[] | Promise<readonly StreamAppend[]>;
}

export type Executed<S, E> =
  | {
      readonly accepted: true;
      /** What was decided on this stream; empty if it was so already. */
      readonly events: readonly E[];
      /** The same as stored, further streams included (not when repeated). */
      readonly stored: readonly StoredEvent[];
      /** After these events. */
      readonly state: S;
      readonly version: number;
      /** The command had been accepted before: this is what was answered then. */
      readonly repeated: boolean;
      /** For the next `execute` on this stream. */
      readonly loaded: LoadedStream<S>;
    }
  | { readonly accepted: false; readonly kind: RefusalKind; readonly refusals: readonly Refusal[] };

type Foldable<S, E> = Pick<Decider<S, never, E>, 'initial' | 'evolve'>;

/** `events`: those that are stored, decoded. */
function extend<S, E>(
  decider: Foldable<S, E>,
  from: LoadedStream<S>,
  stored: readonly StoredEvent[],
  events: readonly E[],
): LoadedStream<S> {
  const { stream, commands } = from;
  for (const { metadata } of stored) commands.set(metadata.commandId, metadata.fingerprint);
  return { stream, version: stored.at(-1)?.version ?? from.version, state: fold<S, E>(decider, events, from.state), commands };
}

/** Reads and folds a stream, or only what was appended since `from`. */
export async function loadStream<S, E>(
  log: EventLog,
  decider: Foldable<S, E>,
  codec: EventCodec<E>,
  from: string | LoadedStream<S>,
): Promise<LoadedStream<S>> {
  const start = typeof from === 'string' ? { stream: from, version: 0, state: decider.initial, commands: new Map() } : from;
  const stored = await log.readStream(start.stream, start.version + 1);
  return extend(decider, start, stored, stored.map(codec.decode));
}

function refused<S, E>(kind: RefusalKind, code: string, detail: string): Executed<S, E> {
  return { accepted: false, kind, refusals: [{ pointer: '', code, detail }] };
}

/** A repeated command is answered as the first time, from its own events. */
async function repeat<S, C, E>(
  log: EventLog,
  decider: Decider<S, C, E>,
  execution: Execution<S, C, E>,
  loaded: LoadedStream<S>,
): Promise<Executed<S, E>> {
  const { commandId, fingerprint } = execution.metadata;
  if (loaded.commands.get(commandId) !== fingerprint) {
    return refused(
      'invalid',
      'IDEMPOTENCY_KEY_REUSED',
      'This idempotency key was used for another request. Send this one with a key of its own.',
    );
  }
  const all = await log.readStream(execution.stream);
  const last = all.findLastIndex((event) => event.metadata.commandId === commandId);
  const stored = all.filter((event) => event.metadata.commandId === commandId);
  const state = fold<S, E>(decider, all.slice(0, last + 1).map(execution.codec.decode));
  return { accepted: true, events: stored.map(execution.codec.decode), stored, state, version: last + 1, repeated: true, loaded };
}

async function decideOnce<S, C, E>(
  log: EventLog,
  decider: Decider<S, C, E>,
  execution: Execution<S, C, E>,
  loaded: LoadedStream<S>,
): Promise<Executed<S, E> | 'conflict'> {
  const { codec, stream, metadata, command } = execution;
  if (loaded.commands.has(metadata.commandId)) return await repeat(log, decider, execution, loaded);
  const decision = decider.decide(command, loaded.state);
  if (!decision.accepted) return decision;
  const none = {
    accepted: true,
    events: [],
    stored: [],
    state: loaded.state,
    version: loaded.version,
    repeated: false,
    loaded,
  } as const;
  if (decision.events.length === 0) return none;
  const also = (await execution.also?.(decision.events, loaded.state)) ?? [];
  const own = { stream, expectedVersion: loaded.version, events: decision.events.map(codec.encode) };
  const result = await log.append({ streams: [own, ...also], metadata });
  if (!result.appended) return 'conflict';
  const ours = result.events.filter((event) => event.stream === stream);
  const events = ours.map(codec.decode);
  const now = extend(decider, loaded, ours, events);
  return { accepted: true, events, stored: result.events, state: now.state, version: now.version, repeated: false, loaded: now };
}

/**
 * Executes a command against its stream. After a conflict the stream is read on and the command decided again, at most
 * so often as the execution says. Throws only `StoreUnavailable`.
 */
export async function execute<S, C, E>(
  log: EventLog,
  decider: Decider<S, C, E>,
  execution: Execution<S, C, E>,
): Promise<Executed<S, E>> {
  let loaded = execution.loaded ?? (await loadStream(log, decider, execution.codec, execution.stream));
  for (let decision = 1; ; decision += 1) {
    const result = await decideOnce(log, decider, execution, loaded);
    if (result !== 'conflict') return result;
    if (decision >= (execution.decisions ?? MAX_DECISIONS)) {
      return refused(
        'conflict',
        'CONCURRENT_CHANGE',
        `${execution.stream} was changed by others ${decision} times while this was decided. Look at it again, then retry.`,
      );
    }
    loaded = await loadStream(log, decider, execution.codec, loaded);
  }
}
