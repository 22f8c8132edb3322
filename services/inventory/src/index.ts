export { defaultObserver, inventorySettings } from './config.js';
export type { InventoryConfig } from './config.js';
export { usablePlatforms } from './effects/platforms.js';
export type { ObserverOptions } from './effects/observer.js';
export { INVENTORY_TOPIC, Inventory } from './inventory.js';
export { InventoryModule, inventoryApi } from './inventory.module.js';
export { publish } from './outbound/publish.js';
export type { SeenHaLayer } from './use-cases/states.js';
