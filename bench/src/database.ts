import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyRoles, migrate } from '@understudy/event-log';
import { startEmbeddedPostgres } from '@understudy/runtime';
import pg from 'pg';

export interface BenchDatabase {
  readonly adminConnection: string;
  /** The orchestrator's role: the log that ships, with the rights that it has in production. */
  readonly serviceConnection: string;
  stop(): Promise<void>;
}

const WAL_CHUNK_BYTES = 8 * 1024 * 1024;
const WAL_CHUNKS = 80;

/**
 * Fills write-ahead log and has it recycled, as on a server that has run for a while: otherwise every 16 MiB of it a commit of
 * whoever is being measured waits until the next file is made.
 */
async function warmUp(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    for (let chunk = 0; chunk < WAL_CHUNKS; chunk += 1) {
      await client.query(`select pg_logical_emit_message(false, 'bench', repeat('x', ${WAL_CHUNK_BYTES}))`);
    }
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}

/** A PostgreSQL of its own, `fsync` on, with the schema that ships. */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'understudy-bench-'));
  const server = await startEmbeddedPostgres({
    dataFolder,
    settings: { min_wal_size: '1GB', max_wal_size: '4GB', checkpoint_timeout: '30min' },
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    rmSync(dataFolder, { recursive: true, force: true });
  };
  try {
    const password = randomBytes(16).toString('hex');
    await applyRoles(server.adminConnectionString(), { understudy_orchestrator: password });
    await migrate({ ownerConnection: server.adminConnectionString(), service: 'orchestrator' });
    await warmUp(server.adminConnectionString());
    const serviceConnection = `postgresql://understudy_orchestrator:${password}@127.0.0.1:${server.port}/postgres`;
    return { adminConnection: server.adminConnectionString(), serviceConnection, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
