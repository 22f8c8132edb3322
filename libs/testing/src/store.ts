/** A service's store in a database of its own, on the spec file's PostgreSQL, with the roles of production. */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  type CheckpointOptions,
  type ServiceName,
  type Store,
  SERVICE_NAMES,
  applyRoles,
  migrate,
  openStore,
  printSchema,
  renewLogId,
  serviceRole,
} from '@understudy/event-log';
import pg from 'pg';
import { type TestPostgres, testPostgres } from './postgres.js';

/** A fresh database: roles applied, the services' schemas migrated. */
export interface TestDatabase {
  readonly name: string;
  /** The cluster's superuser in this database. */
  readonly adminConnection: string;
  /** `understudy_owner` in this database. */
  readonly ownerConnection: string;
  /** A service's own role in this database. */
  serviceConnection(service: ServiceName): string;
}

export interface TestStore {
  readonly store: Store;
  readonly database: TestDatabase;
}

interface Prepared {
  readonly passwords: Readonly<Record<string, string>>;
  readonly templates: Map<string, Promise<string>>;
}

const prepared = new WeakMap<TestPostgres, Prepared>();

function passwordsOf(server: TestPostgres): Prepared {
  const known = prepared.get(server);
  if (known) return known;
  const roles = ['understudy_owner', ...SERVICE_NAMES.map(serviceRole)];
  const passwords = Object.fromEntries(roles.map((role) => [role, randomBytes(12).toString('hex')]));
  const fresh = { passwords, templates: new Map<string, Promise<string>>() };
  prepared.set(server, fresh);
  return fresh;
}

async function execute(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function makeTemplate(server: TestPostgres, services: readonly ServiceName[], name: string): Promise<string> {
  await execute(server.adminConnectionString(), `create database ${name}`);
  await applyRoles(server.adminConnectionString(name), passwordsOf(server).passwords);
  for (const service of services) await migrate({ ownerConnection: server.adminConnectionString(name), service });
  return name;
}

/** A fresh database with these services' schemas; cheap after the first with the same services. */
export async function createTestDatabase(services: readonly ServiceName[] = [], on?: TestPostgres): Promise<TestDatabase> {
  const server = on ?? (await testPostgres());
  const { passwords, templates } = passwordsOf(server);
  const key = ['template', ...services].join('_');
  if (!templates.has(key)) templates.set(key, makeTemplate(server, services, key));
  const template = await templates.get(key);
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await execute(server.adminConnectionString(), `create database ${name} template ${template}`);
  // Rights on a database are not copied with it.
  await applyRoles(server.adminConnectionString(name), {});
  for (const service of services) await renewLogId(server.adminConnectionString(name), service);
  const as = (role: string): string => `postgresql://${role}:${passwords[role]}@127.0.0.1:${server.port}/${name}`;
  return {
    name,
    adminConnection: server.adminConnectionString(name),
    ownerConnection: as('understudy_owner'),
    serviceConnection: (service) => as(serviceRole(service)),
  };
}

/** A service's store in a fresh database, its log signed if so wished. Closed when the spec file ends, if not before. */
export async function createTestStore(
  service: ServiceName,
  on?: TestPostgres,
  checkpoints?: CheckpointOptions,
): Promise<TestStore> {
  const signed = checkpoints === undefined ? {} : { checkpoints };
  const server = on ?? (await testPostgres());
  const database = await createTestDatabase([service], server);
  const store = await openStore({ connectionString: database.serviceConnection(service), schema: service, ...signed });
  server.beforeStop(() => store.close());
  return { store, database };
}

/** The schema of a service as its migrations make it in this database (default: a fresh one). */
export async function printedSchema(service: ServiceName, database?: TestDatabase): Promise<string> {
  const { adminConnection } = database ?? (await createTestDatabase([service]));
  // One client, not a pool: a pool's end does not wait for its connections, and the server may be ended before them.
  const client = new pg.Client({ connectionString: adminConnection });
  await client.connect();
  try {
    return await printSchema(client, service);
  } finally {
    await client.end();
  }
}
