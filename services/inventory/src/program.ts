import { usablePlatforms } from '@understudy/platforms';
import { credentialSettings, type ServiceProgram } from '@understudy/runtime';
import { inventorySettings, observerOf } from './config.js';
import { inventoryGrpc } from './inbound/grpc/api.js';
import { InventoryModule } from './inventory.module.js';

const settings = { ...inventorySettings, ...credentialSettings };

/** This service as a process of its own. */
export const inventoryProgram: ServiceProgram<typeof settings> = {
  service: 'inventory',
  about: 'Registers and observes clusters, collects facts, classifies the HA layer, keeps the debt ledger.',
  settings,
  compose: ({ settings: given, runtime, store, transport }) => {
    const platforms = usablePlatforms({ allowSimulated: false });
    const own = { factsKey: given.factsKey, observer: observerOf(given) };
    const config = { runtime, store, connectionString: given.storeUrl, platforms, ...own };
    return { modules: [InventoryModule.forRoot(config, transport)], grpc: inventoryGrpc.services };
  },
};
