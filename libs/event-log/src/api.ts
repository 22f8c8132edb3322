/**
 * The event log: append, read, verify. PostgreSQL, one schema per service. It is also every outbox.
 * An append is all or nothing, possibly over several streams; positions are gap-free and in commit order.
 */

import type { SignedEvidence, SignedExtent } from './checkpoints/claims.js';
import type { Checkpoints } from './checkpoints/signer.js';

/** Who gave a command. Kept with every event. */
export interface Actor {
  /** Token subject, or `system:<service>` for our own reactions. */
  readonly subject: string;
  readonly role: string;
  /** How it was authenticated, e.g. `token:01J...`, `internal`. */
  readonly authentication: string;
  /** Remote address or message source. */
  readonly from: string;
  readonly ticket?: string;
}

export interface EventMetadata {
  readonly commandId: string;
  readonly actor: Actor;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  /** SHA-256 of the creating request's body: same Idempotency-Key with another body is refused by it. */
  readonly fingerprint?: string;
}

export interface NewEvent<B = unknown> {
  readonly type: string;
  /** Version of the body's shape, from 1. */
  readonly schemaVersion: number;
  /** JSON-serialisable; the exact text is stored, hashed and given back byte for byte. */
  readonly body: B;
}

export interface StreamAppend {
  readonly stream: string;
  /** The version that the stream must have now; 0 = it must not exist. */
  readonly expectedVersion: number;
  readonly events: readonly NewEvent[];
}

export interface AppendRequest {
  readonly streams: readonly StreamAppend[];
  readonly metadata: EventMetadata;
}

export type AppendResult =
  | { readonly appended: true; readonly events: readonly StoredEvent[] }
  | {
      readonly appended: false;
      readonly conflicts: readonly {
        readonly stream: string;
        readonly expectedVersion: number;
        readonly actualVersion: number;
      }[];
    };

export interface StoredEvent<B = unknown> {
  /** From 1, gap-free, in commit order. */
  readonly position: number;
  readonly stream: string;
  /** From 1 within the stream. */
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  /** RFC 3339 with milliseconds, UTC; the database's clock at the append. */
  readonly time: string;
  readonly metadata: EventMetadata;
  readonly body: B;
  /** Hex SHA-256 of this event chained to the one before in its stream. */
  readonly hash: string;
}

export type Verification =
  | {
      readonly intact: true;
      readonly events: number;
      readonly headPosition: number;
      /** Where checkpoints are signed: how far they vouch for it. */
      readonly signed?: SignedExtent;
    }
  | { readonly intact: false; readonly position: number; readonly stream: string; readonly reason: string };

export interface EventLog {
  /** Identity of this log; renewed after a restore. */
  readonly logId: string;
  /** Through the process's one writer. Throws only when the store is away past the deadline (`StoreUnavailable`). */
  append(request: AppendRequest): Promise<AppendResult>;
  readStream(stream: string, fromVersion?: number): Promise<readonly StoredEvent[]>;
  /** At most `limit` events (default 500, at most 5,000) after a position, in order. */
  readAll(afterPosition: number, limit?: number): Promise<readonly StoredEvent[]>;
  /** Every event after a position, fast and in bounded memory. */
  replay(afterPosition: number, onEvent: (event: StoredEvent) => void): Promise<void>;
  headPosition(): Promise<number>;
  /**
   * Recomputes chain and positions from the first event, and compares with what was signed; `stream` limits it to one.
   * `evidence` stands for this process's own keys and exported file, as an auditor brings them.
   */
  verify(stream?: string, evidence?: SignedEvidence): Promise<Verification>;
  /**
   * Called after each local append with the new head and what was appended, in the order of positions and without a gap among
   * them; returns the way to stop. For waking relays and projections, and for who follows the log in this process.
   */
  onAppend(listener: (headPosition: number, appended: readonly StoredEvent[]) => void): () => void;
}

/** A service's schema in PostgreSQL, opened: the log and the pool beside it. Made by `openStore`. */
export interface Store {
  readonly schema: string;
  readonly log: EventLog;
  /** For reads and small updates of work queues, checkpoints and duties; never for the log's tables. */
  readonly pool: import('pg').Pool;
  /** UUIDv7 of this process's start: who holds duties and rollouts. */
  readonly incarnation: string;
  /** Stable across restarts (pod name or data folder). */
  readonly instance: string;
  /** The database's clock as of the newest lease renewal, gone on from by the monotonic clock; milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds for which this process's lease is certain to last, by the monotonic clock; 0 = it has ended. */
  leaseRemainingMs(): number;
  /** Who is alive, and until when, as the database sees it. */
  leases(): Promise<readonly Lease[]>;
  /** Takes a duty if nobody alive has it; undefined = somebody else does it. Ours already: answered again. */
  takeDuty(name: string): Promise<Duty | undefined>;
  /** Signs the log's heads; undefined where no key was named. */
  readonly checkpoints: Checkpoints | undefined;
  /** Gives the lease back and ends every connection. What is waiting to be appended is refused. */
  close(): Promise<void>;
}

/** A process's sign of life. */
export interface Lease {
  readonly incarnation: string;
  readonly instance: string;
  /** Milliseconds since the epoch, the database's clock. */
  readonly endsAt: number;
  readonly alive: boolean;
}

/** A duty that this process holds. */
export interface Duty {
  readonly name: string;
  /** The last position that is done. */
  readonly checkpoint: number;
}
