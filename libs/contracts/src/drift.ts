export * from './gen/understudy/drift/v1/baselines_pb.js';
export * from './gen/understudy/drift/v1/events_pb.js';
export * from './gen/understudy/drift/v1/findings_pb.js';
