export * from './gen/understudy/inventory/v1/clusters_pb.js';
export * from './gen/understudy/inventory/v1/credentials_pb.js';
export * from './gen/understudy/inventory/v1/events_pb.js';
