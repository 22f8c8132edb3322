import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Duty, Lease, Store } from './api.js';
import type { SignedEvidence } from './checkpoints/claims.js';
import { readCheckpointKeys } from './checkpoints/keys.js';
import { Checkpoints, type CheckpointOptions } from './checkpoints/signer.js';
import { schemaName } from './identifiers.js';
import { LeaseKeeper, readLeases } from './lease.js';
import { takeDuty } from './duty.js';
import { PgEventLog } from './log.js';
import { checkMigrated } from './migrate.js';

const POOL_SIZE = 10;
const POOL_WAIT_MS = 10_000;
/** Longer than any statement timeout of the roles: only a server that has gone without a word is given up by it. */
const QUERY_LIMIT_MS = 60_000;

export interface OpenStoreOptions {
  /** URL of the service's role. */
  readonly connectionString: string;
  /** The service's schema: `inventory`, `drift`, `orchestrator` or `notification`. */
  readonly schema: string;
  /** Stable across restarts (pod name or data folder); default: this process's incarnation. */
  readonly instance?: string;
  /** Connections for reads and work queues, beside the writer's one. Default 10. */
  readonly poolSize?: number;
  /** How long an append waits for a store that is away. Default 30 s. */
  readonly appendDeadlineMs?: number;
  /** Where the service's migrations lie, if not in `services/<schema>/migrations`. */
  readonly migrationsFolder?: string;
  /** How checkpoints of the log are signed; undefined = they are not. */
  readonly checkpoints?: CheckpointOptions;
}

async function identityOf(pool: pg.Pool, schema: string): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(`select id from ${schema}.log_identity`);
  if (!rows[0]) throw new Error(`The schema ${schema} has no log identity. Run the migrations.`);
  return rows[0].id;
}

/**
 * Opens a service's schema: its log, a pool beside it, and this process's lease. Throws `SchemaMismatch` if the migrations do
 * not fit, `CheckpointKeyError` if the key does not, or what `pg` says if there is no way in.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const schema = schemaName(options.schema);
  const connection = { connectionString: options.connectionString, application_name: `understudy-${schema}`, keepAlive: true };
  const limits = { connectionTimeoutMillis: POOL_WAIT_MS, query_timeout: QUERY_LIMIT_MS };
  const pool = new pg.Pool({ ...connection, ...limits, max: options.poolSize ?? POOL_SIZE });
  // An idle connection that dies is replaced at the next use; without a listener it would end the process.
  pool.on('error', () => undefined);
  const incarnation = uuidv7();
  const instance = options.instance ?? incarnation;
  try {
    // A key that cannot be used is said now, not when the first checkpoint is due.
    if (options.checkpoints) readCheckpointKeys(options.checkpoints.keyFile);
    await checkMigrated(pool, schema, options.migrationsFolder);
    const logId = await identityOf(pool, schema);
    const lease = new LeaseKeeper({ pool, schema, incarnation, instance });
    await lease.start();
    const appendDeadline = options.appendDeadlineMs === undefined ? {} : { appendDeadlineMs: options.appendDeadlineMs };
    const evidence = (): SignedEvidence | undefined => checkpoints?.evidence();
    const log = new PgEventLog({ pool, connection, schema, logId, evidence, ...appendDeadline });
    const duty = (name: string): Promise<Duty | undefined> => takeDuty(pool, schema, { name, incarnation });
    const signer = { pool, schema, log, now: () => lease.now(), takeDuty: duty };
    const checkpoints = options.checkpoints && new Checkpoints(signer, options.checkpoints);
    checkpoints?.start();
    let closing: Promise<void> | undefined;
    const closeAll = async (): Promise<void> => {
      await log.close();
      await checkpoints?.stop();
      await lease.stop();
      await pool.end();
    };
    return {
      schema,
      log,
      pool,
      incarnation,
      instance,
      now: () => lease.now(),
      leaseRemainingMs: () => lease.remainingMs(),
      leases: (): Promise<readonly Lease[]> => readLeases(pool, schema),
      takeDuty: duty,
      checkpoints,
      close: () => (closing ??= closeAll()),
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}
