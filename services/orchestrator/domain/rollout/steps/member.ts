import { judgeNode, met, unclear, unmet, writers, type StepRules } from './step.js';
import { nodeOf } from '../state.js';

/** A node leaves the cluster and comes back: drain, join, release. None of them moves the workload. */

export const drain: StepRules = {
  kind: 'drain',
  looks: ['snapshot'],
  before: ['snapshot', 'neighbours'],
  irreversible: true,
  ask: (step) => ({ ask: 'verb', verb: 'drain', node: nodeOf(step), parameters: {} }),
  goal: (observation, _state, step) =>
    judgeNode(observation, step, (node, evidence) =>
      node.availability === 'drained' && !node.electable
        ? met(evidence)
        : unmet(`${node.node} is ${node.native}, not drained.`, evidence),
    ),
};

export const join: StepRules = {
  kind: 'join',
  looks: ['snapshot'],
  before: [],
  irreversible: false,
  ask: (step) => ({ ask: 'verb', verb: 'join', node: nodeOf(step), parameters: {} }),
  goal: (observation, _state, step) =>
    judgeNode(observation, step, (node, evidence, snapshot) => {
      const writing = writers(snapshot);
      // Each of them counts as a member of its own.
      if (writing.length > 1) return unclear(`Several nodes accept writes: ${writing.join(', ')}.`, evidence);
      return node.availability === 'serving' && node.joined
        ? met(evidence)
        : unmet(`${node.node} is ${node.native} and not a member again.`, evidence);
    }),
};

export const release: StepRules = {
  kind: 'release',
  looks: ['snapshot'],
  before: [],
  irreversible: false,
  ask: (step) => ({ ask: 'verb', verb: 'release', node: nodeOf(step), parameters: {} }),
  goal: (observation, _state, step) =>
    judgeNode(observation, step, (node, evidence) =>
      node.electable && node.joined ? met(evidence) : unmet(`${node.node} is ${node.native} and not electable again.`, evidence),
    ),
};
