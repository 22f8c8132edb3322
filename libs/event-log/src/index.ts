export * from './api.js';
export * from './errors.js';
export * from './migrate.js';
export * from './roles.js';
export * from './store.js';
export { LEASE_TERM_MS } from './lease.js';
export { OWNER_ROLE, serviceRole } from './identifiers.js';
