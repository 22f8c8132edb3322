export * from './access/access.js';
export * from './host.js';
export * from './jobs.js';
export * from './journal.js';
export * from './patching/source.js';
