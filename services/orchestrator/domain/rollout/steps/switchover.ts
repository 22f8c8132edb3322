import { activeNode, type ClusterSnapshot } from '@understudy/cluster';
import type { Goal } from '../observation.js';
import { met, unclear, unmet, writers, type StepRules } from './step.js';
import { nodeOf } from '../state.js';

/**
 * The workload moves to the step's node. Who serves decides what became of it: the target = done; another node, alone =
 * not moved; nobody, and every node answered = nothing was promoted; anything else cannot be told.
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
  goal: (observation, state, step) => {
    const { snapshot } = observation;
    if (snapshot === undefined) return unclear('The cluster could not be looked at.', { at: observation.at });
    return whoServes(snapshot, state.planned.workload, nodeOf(step));
  },
};

function whoServes(snapshot: ClusterSnapshot, workload: string, target: string): Goal {
  const writing = writers(snapshot);
  const active = activeNode(snapshot, workload)?.node ?? null;
  const evidence = { at: snapshot.observedAt, active, writers: writing, disagreements: snapshot.disagreements };
  if (writing.length > 1) return unclear(`Several nodes accept writes: ${writing.join(', ')}.`, evidence);
  if (!snapshot.complete) return unclear('Not every node could be told apart.', evidence);
  if (writing.length === 0) return unmet('Nobody serves, and nothing was promoted.', evidence);
  if (active === null || writing[0] !== active) return unclear('Roles and writability disagree.', evidence);
  return active === target ? met(evidence) : unmet(`${active} still serves.`, evidence);
}
