export * from './cluster/cluster.js';
export { classify } from './cluster/classify.js';
export { clusterDecider } from './cluster/decide.js';
export { servingNode } from './cluster/topology.js';
export { escapePointer, secretTargets, validate } from './cluster/validate.js';
export * from './fleet.js';
export * from './patch-set.js';
export * from './upcast.js';
