import { activeNode, type ClusterSnapshot } from '@understudy/cluster';
import { awayBefore, strayed } from '../left-behind.js';
import { writtenIn } from '../loss.js';
import type { Goal, Observation } from '../observation.js';
import type { PlannedStep } from '../plan.js';
import { met, unclear, unmet, writers, type StepRules } from './step.js';
import { nodeOf, stepNamed, type Going } from '../state.js';

/**
 * The workload moves to the step's node, and every other node follows it. Who serves decides what became of it: the target,
 * and all that were members are members again = done; the target, and one is not = half done; another node, alone = not
 * moved; nobody, and every node answered = nothing was promoted; anything else cannot be told. Nor can it while the platform was
 * asked to move it and may still do so: a way back would take the node away that is about to serve.
 */
export const switchover: StepRules = {
  kind: 'switchover',
  looks: ['snapshot', 'interruption'],
  before: ['snapshot'],
  irreversible: true,
  ask: (step, state) => ({
    ask: 'verb',
    verb: 'switchover',
    node: nodeOf(step),
    // The old active must have stopped well inside the interruption budget, else it is started again.
    parameters: { stopDeadlineMs: String(Math.floor(state.planned.playbook.phases.interruptionBudgetMs / 2)) },
  }),
  remember: (snapshot, _step, previous) => awayBefore(snapshot, previous),
  goal: (observation, state, step) => {
    const { snapshot } = observation;
    if (snapshot === undefined) return unclear('The cluster could not be looked at.', { at: observation.at });
    return whoServes(observation, snapshot, state, step);
  },
};

function whoServes({ performed }: Observation, snapshot: ClusterSnapshot, state: Going, step: PlannedStep): Goal {
  const writing = writers(snapshot);
  const active = activeNode(snapshot, state.planned.workload)?.node ?? null;
  const behind = strayed(state, stepNamed(state, step.stepId), snapshot).map((node) => node.node);
  const { observedAt, disagreements } = snapshot;
  const evidence = { at: observedAt, active, writers: writing, behind, disagreements, ...writtenIn(snapshot) };
  if (writing.length > 1) return unclear(`Several nodes accept writes: ${writing.join(', ')}.`, evidence);
  if (!snapshot.complete) return unclear('Not every node could be told apart.', evidence);
  if (writing.length === 0) return unmet('Nobody serves, and nothing was promoted.', evidence);
  if (active === null || writing[0] !== active) return unclear('Roles and writability disagree.', evidence);
  const isAsked = performed?.status === 'unknown' && performed.cause === 'asked';
  if (active !== nodeOf(step))
    return isAsked
      ? unclear(`${active} still serves, and may be moved away from yet.`, evidence)
      : unmet(`${active} still serves.`, evidence);
  return behind.length === 0 ? met(evidence) : unmet(`${active} serves, and does not feed ${behind.join(', ')} yet.`, evidence);
}
