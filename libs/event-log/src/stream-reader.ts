/**
 * Reads of streams that are asked for at the same time share a statement: whoever takes up a thousand rollouts, or admits hundreds,
 * asks for a stream each. What is asked while the statements are on their way goes with the next one.
 */
import type pg from 'pg';
import type { StoredEvent } from './api.js';
import { EVENT_COLUMNS, type EventRow, storedEvent } from './row.js';

/** Streams of one statement: some thousand events on the way at once. */
const MOST_STREAMS = 64;
/** The pool's other connections are left to others. */
const MOST_STATEMENTS = 4;

interface Asked {
  readonly stream: string;
  readonly fromVersion: number;
  readonly resolve: (events: readonly StoredEvent[]) => void;
  readonly reject: (error: unknown) => void;
}

/** `n`: which of the asked, from 1. */
interface AskedRow extends EventRow {
  readonly n: string;
}

export class StreamReader {
  private waiting: Asked[] = [];
  private statements = 0;
  private due = false;

  constructor(
    private readonly pool: pg.Pool,
    private readonly schema: string,
  ) {}

  /** A stream's events from that version on, in order. Throws what `pg` throws. */
  read(stream: string, fromVersion: number): Promise<readonly StoredEvent[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ stream, fromVersion, resolve, reject });
      if (this.due) return;
      this.due = true;
      // Not at once but after this tick's callers: they share the statement.
      queueMicrotask(() => {
        this.due = false;
        this.send();
      });
    });
  }

  private send(): void {
    while (this.waiting.length > 0 && this.statements < MOST_STATEMENTS) {
      this.statements += 1;
      void this.ask(this.waiting.splice(0, MOST_STREAMS)).finally(() => {
        this.statements -= 1;
        this.send();
      });
    }
  }

  /** Answers every one of them; never rejects. */
  private async ask(all: readonly Asked[]): Promise<void> {
    const found = all.map((): StoredEvent[] => []);
    try {
      // In lateral, each stream is found by its index, whatever the planner believes of their lengths.
      const own = `select * from ${this.schema}.event where stream = asked.of_stream and version >= asked.from_version order by version`;
      const asked = 'unnest($1::text[], $2::integer[]) with ordinality as asked(of_stream, from_version, n)';
      const text = `select asked.n, ${EVENT_COLUMNS} from ${asked} cross join lateral (${own}) e`;
      const values = [all.map(({ stream }) => stream), all.map(({ fromVersion }) => fromVersion)];
      const { rows } = await this.pool.query<AskedRow>({ name: 'read-streams', text, values });
      for (const row of rows) found[Number(row.n) - 1]?.push(storedEvent(row));
    } catch (error) {
      for (const { reject } of all) reject(error);
      return;
    }
    for (const [index, { resolve }] of all.entries())
      resolve((found[index] ?? []).sort((left, right) => left.version - right.version));
  }
}
