import type pg from 'pg';

const quiet = (): void => undefined;

/**
 * A connection of the pool, as `pool.connect()`. One that dies while it is checked out fails its queries, which is where
 * it is dealt with; without a listener it would end the process as well. The listener is there before anything is awaited: a server
 * that is killed may say so in the same packet in which it let the connection in.
 */
export function checkOut(pool: pg.Pool): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      if (error !== undefined && error !== null) return reject(error);
      if (client === undefined) return reject(new Error('The pool answered no connection.'));
      listen(client);
      resolve(client);
    });
  });
}

/** For the pool of a TypeORM data source (`extra`), which takes its connections itself: the same from when they are made. */
export const quietConnections = { onConnect: listen } as const;

function listen(client: pg.ClientBase): void {
  if (!client.listeners('error').includes(quiet)) client.on('error', quiet);
}
