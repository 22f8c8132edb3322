/**
 * The published language, generated from `proto/`. `<Message>Json` types are the payloads on the bus; services are what gRPC serves.
 */
export * as inventory from './inventory.js';
export * as drift from './drift.js';
export * as orchestrator from './orchestrator.js';
export * as notification from './notification.js';
export * as health from './gen/grpc/health/v1/health_pb.js';
export * as rpc from './rpc.js';
