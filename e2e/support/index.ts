export * from './own-pair.js';
export * from './product.js';
export * from './demo.js';
export * from './documents.js';
