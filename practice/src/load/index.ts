export type { LoadNode, LoadOptions, LoadProgress } from './client.js';
export { measure, parseLedger, type LedgerEntry } from './gaps.js';
export { startLoad, type LoadWorker } from './worker.js';
