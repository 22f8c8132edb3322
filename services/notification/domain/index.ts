export * from './delivery/delivery.js';
export * from './delivery/retry.js';
export * from './subscription/matching.js';
export * from './subscription/subscription.js';
export * from './ticket/ticket.js';
export * from './upcast.js';
