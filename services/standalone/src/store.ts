import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  applyRoles,
  migrate,
  openStore,
  SERVICE_NAMES,
  serviceRole,
  type CheckpointOptions,
  type ServiceName,
  type Store,
} from '@understudy/event-log';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '@understudy/runtime';
import type { DataFolder } from './folder.js';

/** The PostgreSQL behind everything: ours in the data folder, or one that somebody else runs. */
export interface Database {
  readonly embedded: boolean;
  /** URL of an administrator. Holds a secret: never log it. */
  readonly adminConnection: string;
  /** Settles when an embedded server ended; never for somebody else's. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** @param storeUrl URL of an administrator of somebody else's PostgreSQL; undefined = the embedded one. */
export async function openDatabase(folder: DataFolder, storeUrl: string | undefined): Promise<Database> {
  if (storeUrl !== undefined) {
    return { embedded: false, adminConnection: storeUrl, ended: new Promise(() => undefined), stop: async () => undefined };
  }
  return keepAlive(folder, await startEmbeddedPostgres({ dataFolder: folder.store }));
}

/** A server that ends by itself is started again, on the same port, this often in a row; a minute of life resets the count. */
const RESTARTS = 5;
const RESTART_PAUSE_MS = 500;
const STEADY_AFTER_MS = 60_000;

function keepAlive(folder: DataFolder, first: EmbeddedPostgres): Database {
  let server = first;
  let stopping = false;
  let restarting: Promise<void> = Promise.resolve();
  const restart = async (): Promise<void> => {
    await pause(RESTART_PAUSE_MS);
    if (stopping) return;
    await server.stop();
    server = await startEmbeddedPostgres({ dataFolder: folder.store, port: first.port });
  };
  const watch = async (): Promise<void> => {
    for (let left = RESTARTS; left >= 0; left--) {
      const since = performance.now();
      await server.ended;
      if (stopping) return new Promise(() => undefined);
      if (performance.now() - since > STEADY_AFTER_MS) left = RESTARTS;
      if (left === 0) return;
      restarting = restart();
      await restarting;
    }
  };
  return {
    embedded: true,
    adminConnection: first.adminConnectionString(),
    ended: watch().catch(() => undefined),
    stop: async () => {
      stopping = true;
      await restarting.catch(() => undefined);
      await server.stop();
    },
  };
}

export function hasEmbeddedStore(folder: DataFolder): boolean {
  return existsSync(join(folder.store, 'data', 'PG_VERSION'));
}

/**
 * Brings roles and schemas up to date. Passwords of the services' roles are made anew at each start and live in this
 * process only. Answers the URL of each service's role.
 */
export async function prepareDatabase(adminConnection: string): Promise<Readonly<Record<ServiceName, string>>> {
  const passwords = Object.fromEntries(
    SERVICE_NAMES.map((service) => [serviceRole(service), randomBytes(24).toString('base64url')]),
  );
  await applyRoles(adminConnection, passwords);
  for (const service of SERVICE_NAMES) await migrate({ ownerConnection: adminConnection, service });
  const urlOf = (service: ServiceName): string => {
    const url = new URL(adminConnection);
    url.username = serviceRole(service);
    url.password = passwords[serviceRole(service)] ?? '';
    return url.href;
  };
  return {
    inventory: urlOf('inventory'),
    drift: urlOf('drift'),
    orchestrator: urlOf('orchestrator'),
    notification: urlOf('notification'),
  };
}

export type Stores = Readonly<Record<ServiceName, Store>>;

/** Opens the four stores, each by its own role. @throws what the first one that fails says; the others are closed. */
export async function openStores(
  connections: Readonly<Record<ServiceName, string>>,
  instance: string,
  checkpoints: CheckpointOptions,
): Promise<Stores> {
  const opened: [ServiceName, Store][] = [];
  try {
    for (const service of SERVICE_NAMES) {
      opened.push([service, await openStore({ connectionString: connections[service], schema: service, instance, checkpoints })]);
    }
    return Object.fromEntries(opened) as Stores;
  } catch (error) {
    await Promise.all(opened.map(([, store]) => store.close()));
    throw error;
  }
}

export async function closeStores(stores: Stores): Promise<void> {
  await Promise.all(Object.values(stores).map((store) => store.close()));
}
