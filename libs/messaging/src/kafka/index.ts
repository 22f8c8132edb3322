export * from './kafka-transport.js';
export * from './options.js';
export { kafkaReady } from './ready.js';
export { type TopicPlan, readTopics } from './topics/document.js';
export { type TopicsReport, applyTopics, checkTopics, compareTopics } from './topics/topics.js';
