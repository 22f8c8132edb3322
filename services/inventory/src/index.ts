export { defaultObserver, inventorySettings, observerOf } from './config.js';
export type { InventoryConfig } from './config.js';
export type { ObserverOptions } from './effects/observer.js';
export { INVENTORY_TOPIC, Inventory } from './inventory.js';
export { InventoryModule, inventoryApi } from './inventory.module.js';
export { inventoryProgram } from './program.js';
export { publish } from './outbound/publish.js';
export type { SeenHaLayer } from './use-cases/states.js';
