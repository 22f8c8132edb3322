/** What a program that is no spec may have of these: the runner of specs cannot be loaded outside of itself. */
export * from './distributed.js';
export * from './pair.js';
export { freePort, startEmbeddedPostgres, type EmbeddedPostgres } from '@understudy/runtime';
