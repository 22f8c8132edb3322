import type { ClusterSnapshot, NodeSnapshot } from '@understudy/cluster';
import type { Evidence } from './observation.js';
import type { RolloutState, StepState } from './rollout.js';
import { reasonOf } from './state.js';

/** What a rollout has left behind, in words: from its own record, and from the look it ends with. */
export interface LeftBehind {
  readonly what: string;
  /** What mends it. */
  readonly mend: string;
}

/** The fact kept with the request of a switchover: nodes that were no members before its first attempt. */
export function awayBefore(snapshot: ClusterSnapshot, previous: Evidence | null): Evidence {
  return { away: previous?.['away'] ?? snapshot.nodes.filter((node) => !node.joined).map((node) => node.node) };
}

/**
 * Nodes that are no members although nothing but our own switchover explains it: not taken out by a step of ours that
 * brings them back, and not away already when that switchover was first asked for.
 */
export function strayed(
  state: RolloutState,
  switchover: StepState | undefined,
  snapshot: ClusterSnapshot,
): readonly NodeSnapshot[] {
  const away = switchover?.requested?.evidence['away'];
  const known = [...(Array.isArray(away) ? away.map(String) : []), ...state.out.map((entry) => entry.node)];
  return snapshot.nodes.filter((node) => !node.joined && !known.includes(node.node));
}

/** What our switchovers left behind as this look shows it; null = there was no look. */
export function leftBySwitchovers(state: RolloutState, snapshot: ClusterSnapshot | null): readonly LeftBehind[] {
  const begun = state.steps.filter((step) => step.step.kind === 'switchover' && step.attempt > 0);
  const last = begun.at(-1);
  if (last === undefined) return [];
  if (snapshot !== null) return strayed(state, begun[0], snapshot).map(notAMember);
  if (last.status === 'succeeded') return [];
  return [
    {
      what: `Whether every node is a member again after ${last.step.stepId} could not be seen.`,
      mend: 'Look at each node; start one that is down as a standby of the serving node, and see it replicate.',
    },
  ];
}

function notAMember({ node, native }: NodeSnapshot): LeftBehind {
  return {
    what: `${node} was no member of the cluster in the last look (${native}).`,
    mend: `Start ${node} as a standby of the serving node, and see it replicate.`,
  };
}

/** What is left behind now, each with what mends it; empty = nothing. `snapshot`: the look that the rollout ends with. */
export function remains(state: RolloutState, snapshot: ClusterSnapshot | null): readonly LeftBehind[] {
  return [
    ...nobodyServes(state),
    ...state.out.map(({ node, stage }) => ({
      what: `${node} is out of service (${stage}).`,
      mend: `Start ${node} as a standby of the serving node, see it replicate, then make it electable again.`,
    })),
    ...leftBySwitchovers(state, snapshot),
    ...state.steps
      .filter((step) => step.status === 'unknown')
      .map((step) => ({
        what: `What became of ${step.step.stepId} is not known: ${reasonOf(step)}`,
        mend: 'Look at the node and at the job log on its host; bring it to one state or the other.',
      })),
    ...(state.probeRunning
      ? [{ what: 'The probe still runs.', mend: 'It ends by itself at its limit; or end its job on the probe host.' }]
      : []),
  ];
}

function nobodyServes(state: RolloutState): readonly LeftBehind[] {
  if (state.admitted === null || state.serving !== null) return [];
  return [
    {
      what: 'No node serves.',
      mend: 'Compare the last write positions of the nodes; start the one that served last, or promote one that has all of them.',
    },
  ];
}
