import type pg from 'pg';

const quiet = (): void => undefined;

/**
 * A connection of the pool, as `pool.connect()`. One that dies while it is checked out fails its queries, which is where
 * it is dealt with; without a listener it would end the process as well.
 */
export async function checkOut(pool: pg.Pool): Promise<pg.PoolClient> {
  const client = await pool.connect();
  if (!client.listeners('error').includes(quiet)) client.on('error', quiet);
  return client;
}
