export * from './rollout/index.js';
