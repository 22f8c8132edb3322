export * from './drivers.js';
export * from './platform.js';
