export * from './pair/index.js';
