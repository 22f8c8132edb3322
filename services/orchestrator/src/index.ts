export { orchestratorSettings, type OrchestratorConfig } from './config.js';
export { driftSeen } from './inbound/events/handlers.js';
export { ORCHESTRATOR_TOPIC, Orchestrator } from './orchestrator.js';
export { OrchestratorModule, orchestratorApi } from './orchestrator.module.js';
export type { Peers } from './peers.js';
export { orchestratorProgram } from './program.js';
export { orchestratorGrpc } from './inbound/grpc/api.js';
