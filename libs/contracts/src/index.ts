/**
 * The published language, generated from `proto/`. `<Message>Json` types are the payloads on the bus.
 */
export * as inventory from './gen/understudy/inventory/v1/events_pb.js';
export * as drift from './gen/understudy/drift/v1/events_pb.js';
export * as orchestrator from './gen/understudy/orchestrator/v1/events_pb.js';
export * as notification from './gen/understudy/notification/v1/events_pb.js';
