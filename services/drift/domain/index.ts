export * from './baselines.js';
export * from './comparison/baseline.js';
export { compare } from './comparison/compare.js';
export * from './comparison/facts.js';
export { fidelity } from './comparison/fidelity.js';
export { rules } from './comparison/rules.js';
export { driftDecider } from './ledger/decide.js';
export * from './ledger/ledger.js';
export * from './upcast.js';
