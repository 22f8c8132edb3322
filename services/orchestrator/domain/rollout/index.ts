export * from './adoption.js';
export * from './budget.js';
export * from './conclusion.js';
export { decide, rolloutDecider } from './decide.js';
export { MAX_ATTEMPTS } from './decide-steps.js';
export * from './deviation.js';
export * from './downtime-plan.js';
export { evolve } from './evolve.js';
export * from './gate-table.js';
export { admittedTransaction, evaluateGate, evaluateGates, provenNodes } from './gates.js';
export * from './invariants.js';
export * from './jobs.js';
export * from './learnt.js';
export * from './left-behind.js';
export { failoverProposals, type FailoverProposal, type Written } from './loss.js';
export * from './mixed-versions.js';
export * from './move.js';
export { neighboursOn } from './neighbours.js';
export * from './not-required.js';
export * from './observation.js';
export * from './order.js';
export * from './override.js';
export * from './plan.js';
export * from './plan-steps.js';
export * from './outage.js';
export * from './recovery.js';
export { rollbackRefusal } from './way-back.js';
export * from './rollout.js';
export * from './runner.js';
export {
  INITIAL as initialRollout,
  atSafePoint,
  inFlight,
  isGoing,
  isKnown,
  nextPlanned,
  openFailure,
  stepNamed,
  unknownStep,
  type Going,
  type Known,
} from './state.js';
export { STEP_RULES, type Look, type StepRules } from './steps/index.js';
export * from './report.js';
export * from './switchover-test.js';
export { VERSIONS as ROLLOUT_EVENT_VERSIONS, upcastRollout, type StoredShape } from './upcast.js';
export * from './versions.js';
