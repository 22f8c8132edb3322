import type pg from 'pg';
import type { Lease } from './api.js';
import { atPlace } from './crash-place.js';

export const LEASE_TERM_MS = 30_000;
const RENEW_EVERY_MS = 10_000;
const RETRY_EVERY_MS = 2_000;
/** Rows of processes that ended long ago are removed. */
const KEPT_FOR = '1 day';

interface LeaseOptions {
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly incarnation: string;
  readonly instance: string;
}

/**
 * This process's one lease row, renewed every third of its term. The end is counted by the monotonic clock from the moment the
 * renewal was *sent*, so it never seems longer here than in the database.
 *
 * The time goes on from the store's last answer by the monotonic clock as well: a step of this machine's clock would reach
 * every deadline and every recorded event, and what was recorded an hour ahead holds everything up for that hour. Where that
 * clock stands still while a machine is suspended (CLOCK_MONOTONIC on Linux: clock_gettime(2)), the time lags behind until the
 * first renewal after it, `RENEW_EVERY_MS` at the most while the store answers. Until then deadlines and the lease seem
 * further away than they are: the process does what one does that was slow, and whoever took over meanwhile is protected from
 * it as from that: by the version of the stream and by the epoch that its hosts obey.
 */
export class LeaseKeeper {
  /** The store's time, milliseconds since the epoch, at a moment of the monotonic clock. Before the first answer: our own. */
  private anchor = { storeMs: Date.now(), atMonotonic: performance.now() };
  private endsAtMonotonic = 0;
  private timer: NodeJS.Timeout | undefined;
  private renewal: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly options: LeaseOptions) {}

  async start(): Promise<void> {
    const { pool, schema, incarnation, instance } = this.options;
    await pool.query(`delete from ${schema}.lease where instance = $1 or ends_at < clock_timestamp() - interval '${KEPT_FOR}'`, [
      instance,
    ]);
    await this.write(
      `insert into ${schema}.lease (incarnation, instance, ends_at) values ($1, $3, clock_timestamp() + $2 * interval '1 ms')
       returning clock_timestamp() as now`,
      [incarnation, LEASE_TERM_MS, instance],
    );
    this.schedule(RENEW_EVERY_MS);
  }

  now(): number {
    return Math.round(this.anchor.storeMs + (performance.now() - this.anchor.atMonotonic));
  }

  remainingMs(): number {
    return Math.max(0, this.endsAtMonotonic - performance.now());
  }

  /** Gives the lease back. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.renewal;
    this.endsAtMonotonic = 0;
    const { pool, schema, incarnation } = this.options;
    // If the store is away, the term ends it.
    await pool.query(`delete from ${schema}.lease where incarnation = $1`, [incarnation]).catch(() => undefined);
  }

  private schedule(afterMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.renewal = this.renew();
    }, afterMs);
    this.timer.unref();
  }

  private async renew(): Promise<void> {
    const { schema, incarnation } = this.options;
    try {
      const found = await this.write(
        `update ${schema}.lease set ends_at = clock_timestamp() + $2 * interval '1 ms' where incarnation = $1 returning clock_timestamp() as now`,
        [incarnation, LEASE_TERM_MS],
      );
      // The same instance was started again and has ended this lease: there is no way back for this process.
      if (!found) this.stopped = true;
      this.schedule(RENEW_EVERY_MS);
    } catch {
      // The store is away. The lease runs out by the monotonic clock if that lasts.
      this.schedule(RETRY_EVERY_MS);
    }
  }

  private async write(text: string, values: readonly unknown[]): Promise<boolean> {
    const sentAt = performance.now();
    atPlace('before-lease-renewed', this.options.schema);
    const { rows } = await this.options.pool.query<{ now: Date }>(text, [...values]);
    atPlace('after-lease-renewed', this.options.schema);
    if (!rows[0]) {
      this.endsAtMonotonic = 0;
      return false;
    }
    this.endsAtMonotonic = sentAt + LEASE_TERM_MS;
    // The store looked at its clock somewhere between the question and the answer.
    this.anchor = { storeMs: rows[0].now.getTime(), atMonotonic: (sentAt + performance.now()) / 2 };
    return true;
  }
}

export async function readLeases(pool: pg.Pool, schema: string): Promise<readonly Lease[]> {
  const { rows } = await pool.query<{ incarnation: string; instance: string; ends_at: Date; alive: boolean }>(
    `select incarnation, instance, ends_at, ends_at > clock_timestamp() as alive from ${schema}.lease order by started_at`,
  );
  return rows.map((row) => ({
    incarnation: row.incarnation,
    instance: row.instance,
    endsAt: row.ends_at.getTime(),
    alive: row.alive,
  }));
}
