export * from './access.js';
export * from './definition.js';
export * from './patch.js';
export * from './predicates.js';
export * from './snapshot.js';
export * from './table.js';
