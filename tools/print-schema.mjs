/**
 * `node tools/print-schema.mjs [SERVICE...]`: writes each service's schema, as its migrations make it, to
 * `services/<service>/schema.txt`, and the log's own part to `libs/event-log/schema.txt`. Specs compare them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SERVICE_NAMES, applyRoles, migrate, printSchema } from '@understudy/event-log';
import { startEmbeddedPostgres } from '@understudy/runtime';
import pg from 'pg';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const asked = process.argv.slice(2);
const services = asked.length > 0 ? asked : SERVICE_NAMES;
const dataFolder = mkdtempSync(join(tmpdir(), 'understudy-schema-'));
const empty = mkdtempSync(join(tmpdir(), 'understudy-schema-none-'));
const server = await startEmbeddedPostgres({ dataFolder, fsync: false });

async function print(database, service, migrationsFolder) {
  const admin = server.adminConnectionString(database);
  await applyRoles(admin, {});
  await migrate({ ownerConnection: admin, service, ...(migrationsFolder ? { migrationsFolder } : {}) });
  const client = new pg.Client({ connectionString: admin });
  await client.connect();
  const text = await printSchema(client, service);
  await client.end();
  return text;
}

try {
  const client = new pg.Client({ connectionString: server.adminConnectionString() });
  await client.connect();
  await client.query('create database log_alone');
  await client.end();
  writeFileSync(join(ROOT, 'libs/event-log/schema.txt'), await print('log_alone', 'orchestrator', empty));
  for (const service of services) writeFileSync(join(ROOT, 'services', service, 'schema.txt'), await print('postgres', service));
} finally {
  await server.stop();
  rmSync(dataFolder, { recursive: true, force: true });
  rmSync(empty, { recursive: true, force: true });
}
