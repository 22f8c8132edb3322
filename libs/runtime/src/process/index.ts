export { kafkaConnection } from './kafka.js';
export { migrateSettings, runMigrations } from './migrate.js';
export { runService, settingsOf } from './run.js';
export type { ServiceComposition, ServiceParts, ServiceProgram } from './run.js';
export { checkpointHealth } from './store.js';
export { credentialSettings, kafkaSettings, processSettings, SASL_MECHANISMS } from './settings.js';
export type { ProcessSettingsTable } from './settings.js';
