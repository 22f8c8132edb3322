import { compareVersions, nodeNamed, type ClusterSnapshot } from '@understudy/cluster';
import type { Goal, Observation } from '../observation.js';
import type { PlannedStep } from '../plan.js';
import { judgeNode, met, unclear, unmet, type StepRules } from './step.js';
import { nodeOf, stepNamed, type Going } from '../state.js';
import { msOf } from '../time.js';

/** Detached jobs on a drained node's host. The installed version decides, never the exit code alone. */

export const patch: StepRules = {
  kind: 'patch',
  looks: ['job', 'patch', 'snapshot'],
  before: ['snapshot', 'neighbours'],
  irreversible: true,
  ask: (step) => job('patch', step),
  remember: bootIdOf,
  goal: (observation, state, step) => installed(observation, state, step, (order) => order >= 0),
};

/** Brings the item back to the version before. */
export const unpatch: StepRules = {
  kind: 'unpatch',
  looks: ['job', 'patch', 'snapshot'],
  before: ['snapshot', 'neighbours'],
  irreversible: true,
  ask: (step) => job('unpatch', step),
  remember: bootIdOf,
  goal: (observation, state, step) => installed(observation, state, step, (order) => order === 0),
};

function job(kind: 'patch' | 'unpatch', step: PlannedStep): ReturnType<StepRules['ask']> {
  const { item, fromVersion, toVersion } = versionsOf(step);
  const previousVersion = kind === 'patch' ? fromVersion : toVersion;
  return { ask: 'job', job: kind, node: nodeOf(step), item, previousVersion, limitMs: step.deadlineMs };
}

/** Both kinds of step always name their item and the version to come to; a patch also where it comes from. */
function versionsOf(step: PlannedStep): Required<Pick<PlannedStep, 'item' | 'fromVersion' | 'toVersion'>> {
  return step as Required<PlannedStep>;
}

function installed(observation: Observation, state: Going, step: PlannedStep, right: (order: number) => boolean): Goal {
  const { item, toVersion } = versionsOf(step);
  const version = observation.patch?.installed[item.name];
  const status = observation.job?.status ?? 'unknown';
  const evidence = {
    at: observation.at,
    item: item.name,
    installed: version ?? null,
    rebootNeeded: observation.patch?.rebootNeeded ?? null,
    job: status,
    ...(observation.job?.code === undefined ? {} : { code: observation.job.code }),
    ...(observation.job?.tail === undefined ? {} : { tail: observation.job.tail }),
  };
  if (status === 'running') return unclear('The job still runs.', evidence);
  if (status === 'unknown') return unclear('What became of the job could not be told.', evidence);
  if (status === 'lost' && mayStillRun(observation, state, step))
    return unclear('Nobody watches the job any more: until its limit it may still run.', evidence);
  if (version === undefined) return unclear('The installed version could not be told.', evidence);
  if (version !== null && right(compareVersions(version, toVersion))) return met(evidence);
  return unmet(`${nodeOf(step)} has ${item.name} ${version ?? 'not installed'}, not ${toVersion}.`, evidence);
}

/** A job whose supervisor is not seen runs on until its limit, unless the host has booted since it was asked for. */
function mayStillRun(observation: Observation, state: Going, step: PlannedStep): boolean {
  const requested = stepNamed(state, step.stepId)?.requested;
  if (!requested || msOf(observation.at) > msOf(requested.deadlineAt)) return false;
  const before = requested.evidence['bootId'] ?? null;
  const now = observation.snapshot === undefined ? null : bootIdOf(observation.snapshot, step).bootId;
  return before === null || now === null || now === before;
}

function bootIdOf(snapshot: ClusterSnapshot, step: PlannedStep): { readonly bootId: string | null } {
  return { bootId: nodeNamed(snapshot, nodeOf(step))?.bootId ?? null };
}

/** Done when the host runs under another boot id than before. Skipped by the runner when no reboot is pending. */
export const reboot: StepRules = {
  kind: 'reboot',
  looks: ['job', 'snapshot'],
  before: ['snapshot', 'neighbours'],
  irreversible: true,
  ask: (step) => ({ ask: 'job', job: 'reboot', node: nodeOf(step), limitMs: step.deadlineMs }),
  remember: bootIdOf,
  goal: (observation, state, step) =>
    judgeNode(observation, step, (node, seen) => {
      const before = stepNamed(state, step.stepId)?.requested?.evidence['bootId'] ?? null;
      const evidence = { ...seen, bootIdBefore: before, bootId: node.bootId, job: observation.job?.status ?? 'unknown' };
      if (!node.reachable || node.bootId === null) return unclear(`${node.host} does not answer yet.`, evidence);
      if (before !== null && node.bootId !== before) return met(evidence);
      return isOver(observation.job)
        ? unmet(`${node.host} has not rebooted.`, evidence)
        : unclear(`${node.host} has not rebooted yet.`, evidence);
    }),
};

/** A job that a signal ended (128 and its number) says nothing: a host that goes down ends all that runs there, its job too. */
function isOver(seen: Observation['job']): boolean {
  return seen?.status === 'absent' || (seen?.status === 'exited' && (seen.code ?? 0) <= 128);
}
