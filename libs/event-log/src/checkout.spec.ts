import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOut, quietConnections } from './checkout.js';

/** PostgreSQL's protocol 3.0: a type, the length of what follows with itself, and that. */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

const OPEN = Buffer.alloc(4);
const FATAL = Buffer.from('SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');
const LET_IN_AND_GONE = Buffer.concat([message('R', OPEN), message('Z', Buffer.from('I')), message('E', FATAL)]);

describe('a connection whose server dies in the moment in which it lets it in', () => {
  let server: Server;
  let connection: pg.PoolConfig;

  beforeEach(async () => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(LET_IN_AND_GONE));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    connection = { host: '127.0.0.1', port: (server.address() as AddressInfo).port, user: 'u', database: 'd', ssl: false };
  });
  afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

  /** What would have ended the process. */
  async function endedBy(take: () => Promise<pg.PoolClient>): Promise<readonly unknown[]> {
    const thrown: unknown[] = [];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error));
    try {
      const client = await take();
      await expect(client.query('select 1')).rejects.toThrow();
      client.release(true);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of others) process.on('uncaughtException', listener);
    }
    return thrown;
  }

  it('ends the process where nobody listens yet', async () => {
    const pool = new pg.Pool(connection);
    pool.on('error', () => undefined);
    expect(await endedBy(() => pool.connect())).toHaveLength(1);
    await pool.end();
  });

  it('fails its queries and nothing else when it was checked out', async () => {
    const pool = new pg.Pool(connection);
    pool.on('error', () => undefined);
    expect(await endedBy(() => checkOut(pool))).toEqual([]);
    await pool.end();
  });

  it('fails its queries and nothing else in the pool of a data source', async () => {
    const pool = new pg.Pool({ ...connection, ...quietConnections });
    pool.on('error', () => undefined);
    expect(await endedBy(() => pool.connect())).toEqual([]);
    await pool.end();
  });
});
