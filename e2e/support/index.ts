export * from './own-pair.js';
export * from './product.js';
