import { nodeNamed, writableNodes, type CheckResult, type ClusterSnapshot, type NodeSnapshot } from '@understudy/cluster';
import type { Goal, Observation } from '../observation.js';
import { writtenIn } from '../loss.js';
import type { Ask, PlannedStep, StepKind } from '../plan.js';
import type { Evidence } from '../observation.js';
import { nodeOf, type Going } from '../state.js';

/** What a look must bring for a step, so that its goal can be judged. */
export type Look = 'snapshot' | 'checks' | 'patch' | 'job' | 'probe' | 'interruption' | 'neighbours';

/** One kind of step: what it asks of the world, and what must be seen for it to be done. Pure. */
export interface StepRules {
  readonly kind: StepKind;
  /** Looks needed to judge the goal, after the request. */
  readonly looks: readonly Look[];
  /** Looks needed before the request, to order it; empty = the state is enough. */
  readonly before: readonly Look[];
  /** Takes something from the cluster or changes it: binds gates, the time budget and a fresh look. */
  readonly irreversible: boolean;
  /** The one thing to do. `atMs`: when it is requested, milliseconds since the epoch. */
  ask(step: PlannedStep, state: Going, atMs: number): Ask;
  /** Judges one look. Proves success and decides recovery after a crash: the same function. */
  goal(observation: Observation, state: Going, step: PlannedStep): Goal;
  /**
   * Facts that the goal will be compared with later (the boot id before a reboot), kept with the request. `previous`: what the
   * attempt before kept, null at the first.
   */
  remember?(snapshot: ClusterSnapshot, step: PlannedStep, previous: Evidence | null): Evidence;
}

export function met(evidence: Evidence): Goal {
  return { goal: 'met', evidence };
}

export function unmet(reason: string, evidence: Evidence): Goal {
  return { goal: 'unmet', reason, evidence };
}

export function unclear(reason: string, evidence: Evidence): Goal {
  return { goal: 'unclear', reason, evidence };
}

/** Judges a node in a complete snapshot; without one nothing can be told. */
export function judgeNode(
  observation: Observation,
  step: PlannedStep,
  judge: (node: NodeSnapshot, evidence: Evidence, snapshot: ClusterSnapshot) => Goal,
): Goal {
  const { snapshot } = observation;
  if (snapshot === undefined) return unclear('The cluster could not be looked at.', { at: observation.at });
  const node = nodeNamed(snapshot, nodeOf(step));
  if (node === undefined || node.availability === 'unknown') {
    return unclear(`The state of ${nodeOf(step)} could not be told.`, {
      at: snapshot.observedAt,
      disagreements: snapshot.disagreements,
    });
  }
  return judge(node, nodeEvidence(node, snapshot), snapshot);
}

export function nodeEvidence(node: NodeSnapshot, snapshot: ClusterSnapshot): Evidence {
  return {
    at: snapshot.observedAt,
    node: node.node,
    availability: node.availability,
    native: node.native,
    joined: node.joined,
    electable: node.electable,
    writable: node.writable,
    lagBytes: node.lag?.bytes ?? null,
    running: Object.fromEntries(Object.entries(node.versions).map(([name, version]) => [name, version.running])),
    ...writtenIn(snapshot),
  };
}

/** All passed = met; one that could not be evaluated never counts as yes. */
export function judgeChecks(observation: Observation): Goal {
  const { checks } = observation;
  if (checks === undefined || checks.length === 0) return unclear('No check was evaluated.', { at: observation.at });
  const evidence = { at: observation.at, checks: checks.map(short) };
  const failed = checks.filter((check) => check.passed === false);
  if (failed.length > 0) return unmet(failed.map(sentence).join(' '), evidence);
  const open = checks.filter((check) => check.passed === null);
  return open.length > 0 ? unclear(`Could not be evaluated: ${open.map(sentence).join(' ')}`, evidence) : met(evidence);
}

function short(check: CheckResult): Evidence {
  return {
    check: check.check,
    ...(check.node === undefined ? {} : { node: check.node }),
    passed: check.passed,
    detail: check.detail,
  };
}

function sentence(check: CheckResult): string {
  return `${check.check}${check.node === undefined ? '' : ` on ${check.node}`}: ${check.detail}`;
}

/** Names of the nodes that accept writes; one is right, none is an outage, two are a split brain. */
export function writers(snapshot: ClusterSnapshot): readonly string[] {
  return writableNodes(snapshot).map((node) => node.node);
}
