import pg from 'pg';
import { checkOut } from './checkout.js';
import type { AppendRequest, AppendResult, EventLog, EventMetadata, StoredEvent, Verification } from './api.js';
import type { SignedEvidence } from './checkpoints/claims.js';
import { EVENT_COPY, copyOut, rawEvent } from './copy.js';
import { EVENT_COLUMNS, type EventRow, storedEvent } from './row.js';
import { verifyLog } from './verify.js';
import { StreamReader } from './stream-reader.js';
import { activeTraceparent } from './trace.js';
import { Writer } from './writer.js';

const DEFAULT_PAGE = 500;
const LARGEST_PAGE = 5_000;
/** A replay runs in statements of this many positions, so that none meets the role's statement timeout. */
const REPLAY_SPAN = 100_000;

export interface LogOptions {
  readonly pool: pg.Pool;
  readonly connection: pg.ClientConfig;
  readonly schema: string;
  readonly logId: string;
  readonly appendDeadlineMs?: number;
  /** What `verify` compares with where its caller brings nothing. */
  readonly evidence?: () => SignedEvidence | undefined;
}

/** Events of one append follow one another and have the same metadata: its text is parsed once for them. */
function reader(): (row: Buffer) => StoredEvent {
  let metadataText = '';
  let metadata: EventMetadata | undefined;
  return (row) => {
    const raw = rawEvent(row);
    if (metadata === undefined || raw.metadata !== metadataText) {
      metadataText = raw.metadata;
      metadata = JSON.parse(metadataText) as EventMetadata;
    }
    const { position, stream, version, type, schemaVersion, time, hash } = raw;
    return { position, stream, version, type, schemaVersion, time, metadata, body: JSON.parse(raw.body) as unknown, hash };
  };
}

/** The log of one schema. Reads go through the pool, appends through the process's one writer. */
export class PgEventLog implements EventLog {
  readonly logId: string;
  private readonly writer: Writer;
  private readonly reader: StreamReader;
  private readonly listeners = new Set<(headPosition: number, appended: readonly StoredEvent[]) => void>();

  constructor(private readonly options: LogOptions) {
    this.logId = options.logId;
    this.reader = new StreamReader(options.pool, options.schema);
    this.writer = new Writer({
      connection: options.connection,
      schema: options.schema,
      ...(options.appendDeadlineMs === undefined ? {} : { deadlineMs: options.appendDeadlineMs }),
      readStream: (stream, fromVersion) => this.readStream(stream, fromVersion),
      onAppend: (head, appended) => {
        for (const listener of this.listeners) listener(head, appended);
      },
    });
  }

  /** What runs inside of a trace is stored with it; else with the one that the request names. */
  append(request: AppendRequest): Promise<AppendResult> {
    const traceparent = activeTraceparent();
    if (traceparent === undefined) return this.writer.append(request);
    return this.writer.append({ ...request, metadata: { ...request.metadata, traceparent } });
  }

  readStream(stream: string, fromVersion = 1): Promise<readonly StoredEvent[]> {
    return this.reader.read(stream, fromVersion);
  }

  async readAll(afterPosition: number, limit = DEFAULT_PAGE): Promise<readonly StoredEvent[]> {
    const text = `select ${EVENT_COLUMNS} from ${this.options.schema}.event where position > $1 order by position limit $2`;
    const values = [afterPosition, Math.min(limit, LARGEST_PAGE)];
    const { rows } = await this.options.pool.query<EventRow>({ name: 'read-all', text, values });
    return rows.map(storedEvent);
  }

  async replay(afterPosition: number, onEvent: (event: StoredEvent) => void): Promise<void> {
    const stored = reader();
    await this.withClient(async (client) => {
      for (let after = afterPosition; ;) {
        let last = after;
        const span = `position > ${after} order by position limit ${REPLAY_SPAN}`;
        const rows = await copyOut(client, `select ${EVENT_COPY} from ${this.options.schema}.event where ${span}`, (row) => {
          const event = stored(row);
          last = event.position;
          onEvent(event);
        });
        if (rows < REPLAY_SPAN) return;
        after = last;
      }
    });
  }

  async headPosition(): Promise<number> {
    const { rows } = await this.options.pool.query<{ head: string }>(
      `select coalesce(max(position), 0) as head from ${this.options.schema}.event`,
    );
    return Number(rows[0]?.head ?? 0);
  }

  verify(stream?: string, brought?: SignedEvidence): Promise<Verification> {
    const evidence = brought ?? this.options.evidence?.();
    return this.withClient((client) => verifyLog(client, this.options.schema, { stream, evidence }));
  }

  onAppend(listener: (headPosition: number, appended: readonly StoredEvent[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Ends the writer. Reads end with the pool. */
  close(): Promise<void> {
    return this.writer.close();
  }

  /** A connection of its own for long reads: one that broke off in the middle is not given back for reuse. */
  private async withClient<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    const client = await checkOut(this.options.pool);
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }
}
