import { compareVersions } from '@understudy/cluster';
import type { Goal, Observation } from '../observation.js';
import type { PlannedStep } from '../plan.js';
import { nodeOf, stepNamed, type Going } from '../state.js';
import { isoOf, msOf } from '../time.js';
import { judgeChecks, judgeNode, met, unclear, unmet, type StepRules } from './step.js';

/** Steps that only look. Nothing of them can be half done; they are repeated a bounded number of times. */

export const preflight: StepRules = {
  kind: 'preflight',
  looks: ['checks', 'snapshot'],
  before: [],
  irreversible: false,
  ask: () => ({ ask: 'observe', look: 'preflight' }),
  goal: judgeChecks,
};

export const postflight: StepRules = {
  kind: 'postflight',
  looks: ['checks', 'snapshot'],
  before: [],
  irreversible: false,
  ask: () => ({ ask: 'observe', look: 'postflight' }),
  goal: judgeChecks,
};

/** The built-in minimum: no playbook can drop it. A patched node must also run what was installed. */
export const validate: StepRules = {
  kind: 'validate',
  looks: ['checks', 'snapshot', 'interruption'],
  before: [],
  irreversible: false,
  ask: (step) => ({ ask: 'observe', look: 'validate', node: nodeOf(step), asActive: step.asActive === true }),
  goal: (observation, state, step) => {
    const checks = judgeChecks(observation);
    return checks.goal === 'met' ? runsWhatWasInstalled(observation, state, step, checks) : checks;
  },
};

function runsWhatWasInstalled(observation: Observation, state: Going, step: PlannedStep, checks: Goal): Goal {
  return judgeNode(observation, step, (node, evidence) => {
    if (!state.patched.includes(node.node)) return { ...checks, evidence: { ...checks.evidence, ...evidence } };
    const behind = state.planned.patchSet.items.find((item) => {
      const version = node.versions[item.name];
      return version !== undefined && (version.running === null || compareVersions(version.running, item.targetVersion) < 0);
    });
    if (behind === undefined) return met({ ...checks.evidence, ...evidence });
    const running = node.versions[behind.name]?.running ?? 'nothing';
    return unmet(`${node.node} runs ${behind.name} ${running}, not ${behind.targetVersion}.`, {
      ...checks.evidence,
      ...evidence,
    });
  });
}

export const check: StepRules = {
  kind: 'check',
  looks: ['checks'],
  before: [],
  irreversible: false,
  ask: (step, state) => ({ ask: 'observe', look: 'check', check: checkNamed(state, step), node: nodeOf(step) }),
  goal: judgeChecks,
};

/** Plans are made from the same playbook that the state holds: the name is there. */
function checkNamed(state: Going, step: PlannedStep): Going['planned']['playbook']['checks'][number] {
  const [found] = state.planned.playbook.checks.filter((candidate) => candidate.name === step.check);
  return found as Going['planned']['playbook']['checks'][number];
}

/** Time passes, then the node must still be what it was. */
export const soak: StepRules = {
  kind: 'soak',
  looks: ['snapshot'],
  before: [],
  irreversible: false,
  ask: (step, state, atMs) => ({ ask: 'waitUntil', at: isoOf(atMs + state.planned.playbook.phases.soakMs) }),
  goal: (observation, state, step) =>
    judgeNode(observation, step, (node, evidence) => {
      const until = soakedAt(state, step);
      if (!node.joined || node.availability !== 'serving') return unmet(`${node.node} did not stay a healthy member.`, evidence);
      return msOf(observation.at) >= msOf(until) ? met({ ...evidence, until }) : unclear(`Soaks until ${until}.`, evidence);
    }),
};

/** A soak that was never requested has not begun: it ends at no time. */
function soakedAt(state: Going, step: PlannedStep): string {
  const ask = stepNamed(state, step.stepId)?.requested?.ask;
  return ask?.ask === 'waitUntil' ? ask.at : isoOf(8.64e15);
}

/** Holding for a person is the whole step: `decide` records it done and holds in one append. */
export const pause: StepRules = {
  kind: 'pause',
  looks: [],
  before: [],
  irreversible: false,
  ask: (_step, _state, atMs) => ({ ask: 'waitUntil', at: isoOf(atMs) }),
  goal: (observation) => met({ at: observation.at }),
};
