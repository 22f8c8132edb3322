export { FAULT_CLASSES, type PlannedFault } from './faults.js';
export { GOALS, type Goal } from './goals.js';
export { NAMED_SEEDS, type NamedSeed } from './named-seeds.js';
export { shrink, type Shrunk } from './shrink.js';
export { runWindow, type Breach, type WindowOptions, type WindowResult } from './window.js';
