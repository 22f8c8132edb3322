import type { ClusterDefinition, ClusterSnapshot, PatchSet } from '@understudy/cluster';
import { durationsOf, type DurationSample } from './learnt.js';
import type { DowntimePlan, Playbook, StepKind } from './plan.js';

export interface DowntimeInput {
  readonly cluster: ClusterDefinition;
  /** What was seen, for the versions that run now; null = nothing could be seen. */
  readonly snapshot: ClusterSnapshot | null;
  readonly patchSet: PatchSet;
  readonly playbook: Playbook;
  /** What steps of earlier rollouts of this cluster took, newest first. */
  readonly samples?: readonly DurationSample[];
  /** Why the cluster cannot roll, in words. */
  readonly reason: string;
}

type Step = DowntimePlan['steps'][number];

/**
 * The honest document for a cluster that cannot roll: what has to be done in which order, how long the workload is away,
 * where each figure comes from, and why it cannot be less. A window of kind `downtime` executes it, within an approved outage.
 */
export function downtimePlan(input: DowntimeInput): DowntimePlan {
  const steps = [
    step(input, 'preflight', `Check that ${input.cluster.slug} is healthy and that a restorable backup exists`, false),
    step(input, 'release', `Tell the clients of ${workloadOf(input)}, and stop what would restart it by itself`, false),
    ...input.cluster.nodes.flatMap((node) => nodeSteps(input, node.slug)),
    step(input, 'postflight', `Check versions, clients and monitoring`, false),
  ];
  const estimatedDowntimeMs = steps.filter((entry) => entry.serviceDown).reduce((sum, entry) => sum + entry.estimatedMs, 0);
  return { reason: input.reason, steps, estimatedDowntimeMs, whyNotLess: whyNotLess(input) };
}

function nodeSteps(input: DowntimeInput, node: string): readonly Step[] {
  const patches = input.patchSet.items.map((item) =>
    step(
      input,
      'patch',
      `Bring ${item.name} on ${node} from ${runningOf(input, node, item.name)} to ${item.targetVersion}`,
      true,
    ),
  );
  return [
    step(input, 'stop', `Stop ${workloadOf(input)} on ${node}`, true),
    ...patches,
    step(input, 'reboot', `Restart the host of ${node}, if the patch asks for it`, true),
    step(input, 'start', `Start ${workloadOf(input)} on ${node}`, true),
    step(input, 'validate', `Validate ${node}: writes, archiving, clients`, true),
  ];
}

function step(input: DowntimeInput, kind: StepKind, what: string, serviceDown: boolean): Step {
  const { ms: estimatedMs, source } = durationsOf(input.playbook, input.patchSet.id, input.samples ?? [])[kind];
  return { what, estimatedMs, source, serviceDown };
}

function workloadOf(input: DowntimeInput): string {
  return input.cluster.workloads.join(' and ');
}

function runningOf(input: DowntimeInput, node: string, item: string): string {
  return input.snapshot?.nodes.find((seen) => seen.node === node)?.versions[item]?.running ?? 'a version that was not seen';
}

function whyNotLess(input: DowntimeInput): string {
  const alone = input.cluster.nodes.length === 1;
  const where = alone ? `${input.cluster.slug} has one node` : `no standby of ${input.cluster.slug} can take the workload over`;
  return (
    `${input.reason} Because ${where}, ${workloadOf(input)} is away from the moment its process stops until it runs again: ` +
    'moving or restarting the virtual machine takes the guest down as well. Only an application-level standby would make it less.'
  );
}
