import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { DynamicModule } from '@nestjs/common';
import { DriftModule } from '@understudy/drift';
import { ensureCheckpointKey, type ServiceName, type Store } from '@understudy/event-log';
import { InventoryModule, observerOf } from '@understudy/inventory';
import { InProcessTransport, type Transport } from '@understudy/messaging';
import { NotificationModule, webhooksOf } from '@understudy/notification';
import { OrchestratorModule, type Peers } from '@understudy/orchestrator';
import { usablePlatforms } from '@understudy/platforms';
import { bootHttp, checkpointHealth, createRuntime, writePrivateFile, type Runtime } from '@understudy/runtime';
import type { DataFolder } from './folder.js';
import { PeersHere } from './peers.js';
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
    knownHostsFile: folder.knownHosts,
  });
  await runtime.tokens.ensureFirstAdmin(folder.adminToken);
  const connections = await prepareDatabase(database.adminConnection);
  ensureCheckpointKey(folder.checkpointKey);
  const signing = { keyFile: folder.checkpointKey, folder: folder.checkpoints };
  const stores = await openStores(connections, folder.path, signing);
  try {
    for (const [service, { checkpoints }] of Object.entries(stores)) {
      if (checkpoints) runtime.health.register(`checkpoints.${service}`, () => checkpointHealth(checkpoints));
    }
    const transport = new InProcessTransport();
    const peers = new PeersHere();
    const modules = composition({ settings, folder, runtime, stores, connections }, transport, peers);
    const server = await bootHttp(modules, runtime, settings, [transport]);
    peers.meet(server.app);
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

function composition(common: Common, transport: Transport, peers: Peers): readonly DynamicModule[] {
  const { settings, runtime, stores, connections, folder } = common;
  const platforms = usablePlatforms(settings);
  const of = (service: ServiceName): { runtime: Runtime; store: Store; connectionString: string } => ({
    runtime,
    store: stores[service],
    connectionString: connections[service],
  });
  return [
    InventoryModule.forRoot(
      { ...of('inventory'), platforms, factsKey: factsKey(folder), observer: observerOf(settings) },
      transport,
    ),
    DriftModule.forRoot({ ...of('drift'), reassessIntervalMs: settings.reassessIntervalMs }, transport),
    OrchestratorModule.forRoot({ ...of('orchestrator'), platforms, commandsFolder: settings.commandsFolder }, transport, peers),
    NotificationModule.forRoot({ ...of('notification'), webhooks: webhooksOf(settings) }, transport),
  ];
}

/** Made at the first start and kept: secret values that were compared under it must stay comparable. */
function factsKey(folder: DataFolder): string {
  if (!existsSync(folder.factsKey)) writePrivateFile(folder.factsKey, randomBytes(32).toString('base64url'));
  return readFileSync(folder.factsKey, 'utf8').trim();
}
