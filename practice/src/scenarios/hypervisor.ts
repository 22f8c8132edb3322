import type { DowntimePlan } from '../rest/documents.js';
import { seconds } from '../view/narrate.js';
import { notRunning, type Ended, type Scenario } from './scenario.js';

/** One PostgreSQL on one machine that a hypervisor would start again elsewhere. Declared so; what decides is what is observed. */
export const hypervisor: Scenario = {
  name: 'hypervisor',
  headline: 'one PostgreSQL, declared to be protected by hypervisor HA: it cannot roll, and is told so',
  expectedResult: 'refused',
  nodes: () => 1,
  declaredHaLayer: 'hypervisor',
  epilogue: (ended) => {
    const plan = offered(ended);
    return plan === undefined ? [] : downtimeLines(plan);
  },
  problems: async (_stage, ended) => {
    const before = Object.values(ended.versionsBefore)[0] ?? '';
    return [
      ...notRunning(ended.versionsAfter, before),
      ...(offered(ended)?.steps.length ? [] : ['No downtime plan was offered.']),
      ...(ended.events.some((event) => event.type === 'StepRequested')
        ? ['A step was requested on a cluster that cannot roll.']
        : []),
    ];
  },
};

function offered(ended: Ended): DowntimePlan | undefined {
  return ended.events.find((event) => event.type === 'DowntimePlanOffered')?.body as unknown as DowntimePlan | undefined;
}

/** A downtime plan for a person. */
export function downtimeLines(plan: DowntimePlan): readonly string[] {
  const steps = plan.steps.map(
    (step, index) =>
      `  ${String(index + 1).padStart(2)}. ${step.what.padEnd(68)} ${seconds(step.estimatedMs).padStart(7)}  ${step.serviceDown ? 'down' : '    '}  ${step.source}`,
  );
  return [
    'downtime plan',
    `  because: ${plan.reason}`,
    ...steps,
    `  estimated downtime: ${seconds(plan.estimatedDowntimeMs)}`,
    `  why not less: ${plan.whyNotLess}`,
  ];
}
