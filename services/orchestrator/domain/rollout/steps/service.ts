import { judgeNode, met, unmet, type StepRules } from './step.js';
import { nodeOf } from '../state.js';

/** In a `downtime` rollout the service of the node that serves stops and starts where it stands; nothing moves. */

export const stop: StepRules = {
  kind: 'stop',
  looks: ['snapshot', 'interruption'],
  before: ['snapshot', 'neighbours'],
  irreversible: true,
  ask: (step) => ({ ask: 'verb', verb: 'stop', node: nodeOf(step), parameters: {} }),
  goal: (observation, _state, step) =>
    judgeNode(observation, step, (node, evidence) =>
      node.availability !== 'serving' && node.writable !== true
        ? met(evidence)
        : unmet(`${node.node} is ${node.native}, not stopped.`, evidence),
    ),
};

export const start: StepRules = {
  kind: 'start',
  looks: ['snapshot', 'interruption'],
  before: [],
  irreversible: false,
  ask: (step) => ({ ask: 'verb', verb: 'start', node: nodeOf(step), parameters: {} }),
  goal: (observation, _state, step) =>
    judgeNode(observation, step, (node, evidence) =>
      node.availability === 'serving' && node.writable === true
        ? met(evidence)
        : unmet(`${node.node} is ${node.native} and does not serve again.`, evidence),
    ),
};
