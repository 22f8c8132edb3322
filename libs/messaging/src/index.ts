/**
 * Between services: CloudEvents, at least once, ordered per key. A service gives its log to `produce`, and a table of handlers to
 * `consume`; which transport carries the messages is chosen by who composes the process.
 */
export * from './api.js';
export * from './cloud-event.js';
export * from './errors.js';
export * from './in-process.js';
export * from './kafka/index.js';
