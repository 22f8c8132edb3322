export * from './postgres.js';
export * from './store.js';
export * from './http.js';
export * from './hosts.js';
export * from './pair.js';
export * from './proxy.js';
export * from './platform-suite.js';
export * as postgresSnapshots from './postgres-snapshots.js';
export * from './things.js';
