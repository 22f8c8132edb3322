export * from './postgres.js';
export * from './store.js';
