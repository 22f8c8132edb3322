import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { checkOut } from './checkout.js';
import type { Store, StoredEvent } from './api.js';
import { atPlace } from './crash-place.js';
import { moveCheckpointSql } from './duty.js';
import { StoreUnavailable } from './errors.js';
import { Follower, type FollowerStatus } from './follower.js';

const DEFAULT_BATCH_EVENTS = 200;
const WAIT_MS = 10;

/** A read model: rows made from events, and nothing else. `T` is what writes rows: an EntityManager, or a `pg` client. */
export interface Projection<T> {
  /** The duty's name, e.g. `projection/rollouts`. */
  readonly name: string;
  /** Called once per event, in order, inside the transaction that also moves the checkpoint. */
  apply(event: StoredEvent, tx: T): Promise<void>;
  /** Empties its tables, for a rebuild. */
  clear(tx: T): Promise<void>;
}

/** Runs SQL in a transaction. The statement answers rows; `select` and `with ... select` only. */
type Query = (text: string, values: readonly unknown[]) => Promise<readonly unknown[]>;

/** How a projection's rows are written: commits if `work` resolves, rolls back if it rejects. */
export interface Transactions<T> {
  run<R>(work: (tx: T, query: Query) => Promise<R>): Promise<R>;
}

/** Rows by TypeORM; the checkpoint goes through the same transaction. */
export function typeormTransactions(dataSource: DataSource): Transactions<EntityManager> {
  return {
    run: (work) =>
      dataSource.transaction((manager) => work(manager, (text, values) => manager.query<readonly unknown[]>(text, [...values]))),
  };
}

/** Rows by hand-written SQL. */
export function poolTransactions(pool: pg.Pool): Transactions<pg.ClientBase> {
  return {
    run: async (work) => {
      const client = await checkOut(pool);
      let broken: Error | undefined;
      try {
        await client.query('begin');
        const result = await work(
          client,
          async (text, values) => (await client.query(text, [...values])).rows as readonly unknown[],
        );
        await client.query('commit');
        return result;
      } catch (error) {
        broken = await client.query('rollback').then(
          () => undefined,
          (reason: Error) => reason,
        );
        throw error;
      } finally {
        client.release(broken);
      }
    },
  };
}

export interface ProjectionOptions<T> {
  readonly store: Store;
  readonly projection: Projection<T>;
  readonly transactions: Transactions<T>;
  /** Events per transaction. Default 200. */
  readonly batchSize?: number;
}

/** The duty went to another process while a batch was being written: nothing of the batch stays. */
class DutyLost extends Error {}

/** Keeps one read model up to date: rows and checkpoint in one transaction, one process at a time. */
export class ProjectionRunner<T> {
  private readonly follower: Follower;

  constructor(private readonly options: ProjectionOptions<T>) {
    this.follower = new Follower({
      store: options.store,
      name: options.projection.name,
      batchSize: options.batchSize ?? DEFAULT_BATCH_EVENTS,
      handle: (events, checkpoint) => this.handle(events, checkpoint),
    });
  }

  start(): void {
    this.follower.start();
  }

  /** Lets the transaction in flight end. */
  stop(): Promise<void> {
    return this.follower.stop();
  }

  status(): Promise<FollowerStatus> {
    return this.follower.status();
  }

  /** Resolves when the rows show everything up to `position` (default: the log's end now); throws past the deadline. */
  async caughtUp(deadlineMs: number, position?: number): Promise<void> {
    const target = position ?? (await this.options.store.log.headPosition());
    for (const end = performance.now() + deadlineMs; ; await delay(WAIT_MS)) {
      const { checkpoint, problem } = await this.status();
      if (checkpoint >= target) return;
      if (performance.now() > end) {
        const why = problem ?? 'it is behind';
        throw new StoreUnavailable(
          'STORE_UNAVAILABLE',
          `${this.options.projection.name} is at position ${checkpoint} of ${target}: ${why}`,
        );
      }
    }
  }

  /** Empties the tables and makes them again from the first event. Resolves when they are empty; `caughtUp` tells when full. */
  rebuild(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.follower.inBetween(async (checkpoint) => {
        const clearing = this.inTransaction(checkpoint, 0, (tx) => this.options.projection.clear(tx));
        const { name } = this.options.projection;
        resolve(
          clearing.then((done) => {
            if (!done) throw new Error(`${name} was not rebuilt: another process has taken it over. Ask there.`);
          }),
        );
        return (await clearing) ? 0 : undefined;
      });
    });
  }

  private handle(events: readonly StoredEvent[], checkpoint: number): Promise<boolean> {
    return this.inTransaction(checkpoint, events.at(-1)?.position ?? checkpoint, async (tx) => {
      for (const event of events) await this.options.projection.apply(event, tx);
    });
  }

  private async inTransaction(from: number, to: number, work: (tx: T) => Promise<void>): Promise<boolean> {
    const { store, projection, transactions } = this.options;
    const cursor = `${store.schema} ${projection.name}`;
    try {
      await transactions.run(async (tx, query) => {
        // First, so that the row's lock keeps a second runner out for the whole batch.
        const moved = await query(`with moved as (${moveCheckpointSql(store.schema)}) select checkpoint from moved`, [
          projection.name,
          store.incarnation,
          from,
          to,
        ]);
        if (moved.length === 0) throw new DutyLost();
        await work(tx);
        atPlace('before-checkpoint-moved', cursor);
      });
      atPlace('after-checkpoint-moved', cursor);
      return true;
    } catch (error) {
      if (error instanceof DutyLost) return false;
      throw error;
    }
  }
}
