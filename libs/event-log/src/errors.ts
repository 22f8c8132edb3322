/** The store could not answer before the deadline, or has too much waiting. Nothing of this append is known to be stored. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  constructor(
    readonly code: 'STORE_UNAVAILABLE' | 'STORE_OVERLOADED' | 'STORE_CLOSED',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The schema in the database is not the one that this program was built for. `differences` names each migration. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch';
  readonly code = 'SCHEMA_MISMATCH';
  constructor(
    message: string,
    readonly differences: readonly string[],
  ) {
    super(message);
  }
}

/** An append that no log could take: an empty name, the same stream twice, too large. A mistake of the caller's. */
export class InvalidAppend extends Error {
  override readonly name = 'InvalidAppend';
  readonly code = 'INVALID_APPEND';
}

const RETRYABLE = /^(08|53|57|58|40001|40P01|55P03|25006|3D000$)/;

/**
 * True if trying again may help: no connection, a server that stops, starts, fails over or is out of resources, a lock or
 * statement timeout. PostgreSQL, appendix A: error codes.
 */
export function isTransient(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  // Without an SQLSTATE (five characters) it came from the socket or the client, not from the server.
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code))
    return !(error instanceof TypeError || error instanceof RangeError);
  return RETRYABLE.test(code);
}

const SOCKET = /^E[A-Z]{4,}$/;
const SQLSTATE = /^[0-9A-Z]{5}$/;
const POOL = /^Connection terminated|timeout exceeded when trying to connect|Cannot use a pool after calling end/;

/** True if a store did not answer, be it to an append, to a read or to a connection: whoever asked may ask again. */
export function isStoreAway(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true;
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return SOCKET.test(code) || (SQLSTATE.test(code) && isTransient(error)) || (code === '' && POOL.test(error.message));
}
