export * from './access/access.js';
export { openAccess } from './access/index.js';
export * from './host.js';
export * from './host-error.js';
export * from './jobs.js';
export * from './journal.js';
export { closeHosts, openHost, openHosts } from './open-host.js';
export * from './patching/source.js';
export { bootId, requestReboot, type RebootStart } from './power.js';
