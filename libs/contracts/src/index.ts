/**
 * The published language, generated from `proto/`. `<Message>Json` types are the payloads on the bus; services are what gRPC serves.
 */
export * as inventory from './inventory.js';
export * as drift from './gen/understudy/drift/v1/events_pb.js';
export * as orchestrator from './gen/understudy/orchestrator/v1/events_pb.js';
export * as notification from './gen/understudy/notification/v1/events_pb.js';
export * as health from './gen/grpc/health/v1/health_pb.js';
export * as rpc from './rpc.js';
