export * from './gen/understudy/notification/v1/events_pb.js';
export * from './gen/understudy/notification/v1/subscriptions_pb.js';
export * from './gen/understudy/notification/v1/tickets_pb.js';
