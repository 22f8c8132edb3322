export * from './gen/understudy/orchestrator/v1/audit_pb.js';
export * from './gen/understudy/orchestrator/v1/documents_pb.js';
export * from './gen/understudy/orchestrator/v1/events_pb.js';
export * from './gen/understudy/orchestrator/v1/kinds_pb.js';
export * from './gen/understudy/orchestrator/v1/plans_pb.js';
export * from './gen/understudy/orchestrator/v1/reports_pb.js';
export * from './gen/understudy/orchestrator/v1/rollouts_pb.js';
export * from './gen/understudy/orchestrator/v1/windows_pb.js';
