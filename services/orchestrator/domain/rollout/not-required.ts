import { requirementOf } from './gate-table.js';
import { GATES } from './plan.js';
import { reasonOf, type Known } from './state.js';

/** Gates and phases that did not bind or were not run, in words: a report must not hide them. */
export function evaluateNotRequired(state: Known): readonly string[] {
  const { cluster, playbook, kind } = state.planned;
  const gates = GATES.flatMap((gate) => {
    const requirement = requirementOf(gate, cluster.environment, kind);
    if (requirement === 'required') return [];
    const seen = state.gates[gate];
    const found = seen === undefined ? '' : `; it was ${seen.status}: ${seen.reason}`;
    return [`Gate ${gate} is ${requirement} in ${cluster.environment}${kind === 'downtime' ? ' for a downtime' : ''}${found}`];
  });
  const { switchoverTest, failback, soakMs } = playbook.phases;
  return [
    ...gates,
    ...(switchoverTest.enabled || kind === 'downtime'
      ? []
      : ['The playbook drops the switchover test; an earlier result stands for it.']),
    ...(failback.enabled || kind === 'downtime' ? [] : ['The playbook does not fail back: the workload stays where it is.']),
    ...(soakMs > 0 ? [] : ['The playbook does not soak.']),
    ...state.steps
      .filter((step) => step.status === 'skipped')
      .map((step) => `${step.step.stepId} was skipped: ${reasonOf(step)}`),
  ];
}
