export { DEFAULT_REASSESS_INTERVAL_MS, driftSettings } from './config.js';
export type { DriftConfig } from './config.js';
export { DRIFT_TOPIC, Drift } from './drift.js';
export { DriftModule, driftApi } from './drift.module.js';
export { publish } from './outbound/publish.js';
export { driftProgram } from './program.js';
export { driftGrpc } from './inbound/grpc/api.js';
