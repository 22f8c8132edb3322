import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { DynamicModule } from '@nestjs/common';
import type { ServiceName } from '@understudy/event-log';
import { defaultObserver, InventoryModule } from '@understudy/inventory';
import { InProcessTransport, type Transport } from '@understudy/messaging';
import { drivers } from '@understudy/platforms';
import { bootHttp, createRuntime, writePrivateFile, type Runtime } from '@understudy/runtime';
import type { DataFolder } from './folder.js';
import type { StandaloneSettings } from './settings.js';
import { closeStores, openStores, prepareDatabase, type Database, type Stores } from './store.js';

/** The four services in one process behind one port. */
export interface Product {
  readonly address: string;
  close(): Promise<void>;
}

export interface Parts {
  readonly settings: StandaloneSettings;
  readonly folder: DataFolder;
  readonly database: Database;
}

/** What every service is made of; each takes from it what it needs. */
interface Common {
  readonly settings: StandaloneSettings;
  readonly folder: DataFolder;
  readonly runtime: Runtime;
  readonly stores: Stores;
  readonly connections: Readonly<Record<ServiceName, string>>;
}

/** Opens the stores and boots the services. @throws with nothing of it left running. */
export async function compose({ settings, folder, database }: Parts): Promise<Product> {
  const runtime = createRuntime({
    service: 'understudy',
    logLevel: settings.logLevel,
    tokensFile: folder.tokens,
    credentialsFile: folder.credentials,
  });
  await runtime.tokens.ensureFirstAdmin(folder.adminToken);
  const connections = await prepareDatabase(database.adminConnection);
  const stores = await openStores(connections, folder.path);
  try {
    const transport = new InProcessTransport();
    const modules = composition({ settings, folder, runtime, stores, connections }, transport);
    const server = await bootHttp(modules, runtime, settings, [transport]);
    return {
      address: server.url,
      close: async () => {
        await server.close();
        await closeStores(stores);
      },
    };
  } catch (error) {
    await closeStores(stores);
    throw error;
  }
}

function composition(common: Common, transport: Transport): readonly DynamicModule[] {
  const { runtime, stores, connections, folder } = common;
  return [
    InventoryModule.forRoot(
      {
        runtime,
        store: stores.inventory,
        connectionString: connections.inventory,
        platforms: drivers,
        factsKey: factsKey(folder),
        observer: defaultObserver,
      },
      transport,
    ),
  ];
}

/** Made at the first start and kept: secret values that were compared under it must stay comparable. */
function factsKey(folder: DataFolder): string {
  if (!existsSync(folder.factsKey)) writePrivateFile(folder.factsKey, randomBytes(32).toString('base64url'));
  return readFileSync(folder.factsKey, 'utf8').trim();
}
