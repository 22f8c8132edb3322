import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyRoles, migrate } from '@understudy/event-log';
import { startEmbeddedPostgres } from '@understudy/runtime';

export interface BenchDatabase {
  readonly adminConnection: string;
  /** The orchestrator's role: the log that ships, with the rights that it has in production. */
  readonly serviceConnection: string;
  stop(): Promise<void>;
}

/** A PostgreSQL of its own, `fsync` on, with the schema that ships. */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'understudy-bench-'));
  const server = await startEmbeddedPostgres({ dataFolder, settings: { max_wal_size: '4GB', checkpoint_timeout: '30min' } });
  const stop = async (): Promise<void> => {
    await server.stop();
    rmSync(dataFolder, { recursive: true, force: true });
  };
  try {
    const password = randomBytes(16).toString('hex');
    await applyRoles(server.adminConnectionString(), { understudy_orchestrator: password });
    await migrate({ ownerConnection: server.adminConnectionString(), service: 'orchestrator' });
    const serviceConnection = `postgresql://understudy_orchestrator:${password}@127.0.0.1:${server.port}/postgres`;
    return { adminConnection: server.adminConnectionString(), serviceConnection, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
