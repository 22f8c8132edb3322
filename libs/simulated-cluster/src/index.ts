export * from './faults.js';
export * from './journal.js';
export * from './read.js';
export * from './service.js';
export * from './time.js';
export * from './world.js';
