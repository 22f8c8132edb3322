export * from './keys.js';
export * from './statement.js';
export { StatementChain, type Judged } from './chain.js';
export type { SignedEvidence, SignedExtent } from './claims.js';
export { exportedStatements, exportsIn } from './table.js';
export * from './signer.js';
export * from './offline.js';
