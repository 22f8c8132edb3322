export { DOCUMENT_VERSIONS, upcastDocument, type DocumentEvent } from './upcast.js';
export * from './claim/claim.js';
export * from './patch-set/patch-set.js';
export * from './playbook/playbook.js';
export * from './playbook/read.js';
export * from './rollout/index.js';
export { decideWindow, OPENING_TOLERANCE_MS, windowDecider } from './window/decide.js';
export * from './window/window.js';
