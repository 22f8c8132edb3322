export * from './own-pair.js';
export * from './product.js';
export * from './demo.js';
export * from './documents.js';
export * from './otlp.js';
export * from './trace-tree.js';
