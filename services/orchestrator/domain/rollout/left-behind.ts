import { nodeNamed, type ClusterSnapshot, type Leftover, type NodeSnapshot } from '@understudy/cluster';
import { jobIdOf, probeJobId } from './jobs.js';
import { failoverProposals } from './loss.js';
import type { Evidence } from './observation.js';
import type { RolloutState, StepState } from './rollout.js';
import { reasonOf, validatedAsActive } from './state.js';

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

function notAMember(seen: NodeSnapshot): LeftBehind {
  const { node, native } = seen;
  return {
    what: `${node} was no member of the cluster in the last look (${native}).`,
    mend: commandsOn(seen, ['drained', 'stopped']) ?? `Start ${node} as a standby of the serving node, and see it replicate.`,
  };
}

/** What is left behind now, each with what mends it; empty = nothing. `snapshot`: the look that the rollout ends with. */
export function remains(state: RolloutState, snapshot: ClusterSnapshot | null): readonly LeftBehind[] {
  return [
    ...nobodyServes(state, snapshot),
    ...notValidated(state),
    ...stillOut(state, snapshot),
    ...leftBySwitchovers(state, snapshot),
    ...marks(state, snapshot),
    ...state.steps.filter((step) => step.status === 'unknown').map((step) => notKnown(state, step)),
    ...probe(state),
  ];
}

/** By our own record, unless a complete look shows that somebody has put it back in service already. */
function stillOut(state: RolloutState, snapshot: ClusterSnapshot | null): readonly LeftBehind[] {
  return state.out.flatMap(({ node, stage }) => {
    const seen = snapshot === null ? undefined : nodeNamed(snapshot, node);
    if (seen !== undefined && snapshot?.complete === true && isBack(seen)) return [];
    const mend =
      (seen && commandsOn(seen, ['drained', 'stopped'])) ??
      `Start ${node} as a standby of the serving node, see it replicate, then make it electable again.`;
    return [{ what: `${node} is out of service (${stage}).`, mend }];
  });
}

function isBack({ availability, joined, electable, leftovers }: NodeSnapshot): boolean {
  const left = (leftovers ?? []).filter((entry) => entry.kind === 'drained');
  return availability === 'serving' && joined && electable && left.length === 0;
}

/** What lies on a node beside the node itself: settings relaxed for a drain, the mark of a switchover that did not end. */
function marks(state: RolloutState, snapshot: ClusterSnapshot | null): readonly LeftBehind[] {
  if (state.admitted === null || snapshot === null) return [];
  const half = state.steps.some(
    (step) => step.step.kind === 'switchover' && step.attempt > 0 && step.status !== 'succeeded' && step.status !== 'skipped',
  );
  return snapshot.nodes
    .flatMap((node) => node.leftovers ?? [])
    .filter((left) => left.kind === 'relaxed' || (left.kind === 'switchover' && half))
    .map((left) => ({ what: left.what, mend: pasted([left]) }));
}

/** The platform's own commands for these kinds, or undefined where it named none. */
function commandsOn(seen: NodeSnapshot, kinds: readonly Leftover['kind'][]): string | undefined {
  const found = (seen.leftovers ?? []).filter((left) => kinds.includes(left.kind));
  return found.length === 0 ? undefined : pasted(found);
}

function pasted(left: readonly Leftover[]): string {
  return left.map(({ host, commands }) => `On ${host}: ${commands.join(' && ')}`).join('; ');
}

function notKnown(state: RolloutState, step: StepState): LeftBehind {
  const host = state.planned?.cluster.nodes.find((node) => node.slug === step.step.node)?.host ?? '';
  const log =
    step.requested?.ask.ask === 'job' ? byHand(state, host)?.jobLog.replace('{job}', jobIdOf(step.requested)) : undefined;
  const look = log === undefined ? 'Look at the node' : `Look at the node and at the job's log (on ${host}: ${log})`;
  return {
    what: `What became of ${step.step.stepId} is not known: ${reasonOf(step)}`,
    mend: `${look}; bring it to one state or the other.`,
  };
}

function probe(state: RolloutState): readonly LeftBehind[] {
  if (!state.probeRunning) return [];
  const { planned } = state;
  const host = planned?.cluster.probeHost ?? '';
  const stop = byHand(state, host)?.stopJob.replace('{job}', probeJobId(String(planned?.rolloutId)));
  const mend = 'It ends by itself at its limit';
  return [
    {
      what: 'The probe still runs.',
      mend: stop === undefined ? `${mend}; or end its job on the probe host.` : `${mend}; or, on ${host}: ${stop}`,
    },
  ];
}

function byHand(state: RolloutState, host: string): { readonly stopJob: string; readonly jobLog: string } | undefined {
  return state.planned?.byHand?.[host];
}

/** We moved the workload to the node that serves, and what it is like there was not seen, or seen to be bad. */
function notValidated(state: RolloutState): readonly LeftBehind[] {
  const { serving } = state;
  const ours = state.steps.some((step) => step.step.kind === 'switchover' && step.step.node === serving && step.attempt > 0);
  if (serving === null || !ours || validatedAsActive(state, serving)) return [];
  return [
    {
      what: `${serving} serves, and has not been validated since the workload was moved to it.`,
      mend: `Look at reads, writes, archiving and clients on ${serving}; mend it, or move the workload to a node that is fit.`,
    },
  ];
}

function nobodyServes(state: RolloutState, snapshot: ClusterSnapshot | null): readonly LeftBehind[] {
  if (state.admitted === null || state.serving !== null) return [];
  const measured = snapshot === null ? [] : failoverProposals(state, snapshot).map((each) => each.detail);
  const compare = measured.length === 0 ? 'Compare the last write positions of the nodes.' : measured.join(' ');
  return [
    {
      what: 'No node serves.',
      mend: `${compare} Start the one that served last, or promote one that has all of what it wrote.`,
    },
  ];
}
