import { tableOf, type Environment } from '@understudy/cluster';
import { accept, type Decision } from '@understudy/decider';
import type { Playbook } from './plan.js';
import type { RolloutEvent, RolloutState } from './rollout.js';
import { changedState, isKnown, type Known } from './state.js';
import { msOf } from './time.js';

/**
 * The mixed-version clock: it runs from the first node that is seen to run another version than the others until all agree
 * again. A cluster that stays mixed cannot be judged by what either version promises, so the clock escalates: once at its
 * limit, and again whenever that time has doubled, also while a person holds the rollout.
 */

/** How long, in milliseconds, nodes may run different versions before somebody is told, where the playbook does not say. */
export const MIXED_VERSIONS_MAX_MS: Readonly<Record<Environment, number>> = {
  production: 4 * 3_600_000,
  lab: 4 * 3_600_000,
  practice: 600_000,
};

/** Said so often at most: by then the time has doubled eleven times. */
export const MOST_ESCALATIONS = 12;

/** Running version by item of the patch set, as last seen; a node that is down still counts as what it ran. */
export type Running = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface MixedVersions {
  readonly since: string;
  /** When all agreed again; null = they do not yet. */
  readonly until: string | null;
  readonly escalations: number;
}

export interface MixedVersionsEscalated {
  readonly since: string;
  /** From 1. */
  readonly times: number;
  readonly limitMs: number;
  readonly running: Running;
  /** For a person. */
  readonly detail: string;
  readonly at: string;
}

export function mixedVersionsMaxMs(environment: Environment, playbook: Playbook): number {
  return playbook.mixedVersionsMaxMs ?? MIXED_VERSIONS_MAX_MS[environment];
}

/** Folds what one more fact shows of the versions that run, and starts or stops the clock by it. */
export function withMixedClock(state: RolloutState, event: RolloutEvent): RolloutState {
  const seen = versionsIn(event, state);
  if (seen === null || !isKnown(state)) return state;
  // What was seen before changes neither what runs nor the clock.
  if (!isNews(state, seen.running)) return state;
  const running = tableOf([...Object.entries(state.running), ...merged(state, seen.running)]);
  return changedState(state, { running, mixed: clockAt(state.mixed, differ(running), seen.at) });
}

/** When the clock escalates next (milliseconds since the epoch); null = it does not run, or all has been said. */
export function escalationDueMs(state: Known): number | null {
  const { mixed, planned } = state;
  if (mixed === null || mixed.until !== null || mixed.escalations >= MOST_ESCALATIONS) return null;
  const limitMs = mixedVersionsMaxMs(planned.cluster.environment, planned.playbook);
  return msOf(mixed.since) + limitMs * 2 ** mixed.escalations;
}

/** Says that the nodes still run different versions; nothing when it is not due. */
export function escalate(state: Known, at: string): Decision<RolloutEvent> {
  const dueMs = escalationDueMs(state);
  if (state.mixed === null || dueMs === null || msOf(at) < dueMs) return accept();
  const { since, escalations } = state.mixed;
  const { cluster, playbook } = state.planned;
  const limitMs = mixedVersionsMaxMs(cluster.environment, playbook);
  const detail =
    `The nodes of ${cluster.slug} have run different versions since ${since}: ${sentence(state.running)}. ` +
    `At most ${limitMs} ms were meant. Go on with the rollout, or roll back what was patched.`;
  const { running } = state;
  return accept<RolloutEvent>({
    type: 'MixedVersionsEscalated',
    data: { since, times: escalations + 1, limitMs, running, detail, at },
  });
}

export function escalated(mixed: MixedVersions | null, { since, times }: MixedVersionsEscalated): MixedVersions {
  return { since, until: mixed?.until ?? null, escalations: times };
}

interface VersionsSeen {
  /** By node. */
  readonly running: readonly (readonly [string, unknown])[];
  readonly at: string;
}

/** The facts that tell what runs: the admission (of every node), the outcome of a step on one node, what others did, the close. */
function versionsIn(event: RolloutEvent, state: RolloutState): VersionsSeen | null {
  switch (event.type) {
    case 'RolloutAdmitted':
      return { running: Object.entries(fields(state.gates.topology?.evidence['versions'])), at: event.data.at };
    case 'StepSucceeded':
    case 'StepFailed':
    case 'StepUnknown': {
      const { node, running } = event.data.evidence;
      return typeof node === 'string' && running !== undefined ? { running: [[node, running]], at: event.data.at } : null;
    }
    case 'DeviationRecorded':
      return { running: Object.entries(fields(event.data.evidence['running'])), at: event.data.at };
    case 'RolloutClosed':
      return { running: Object.entries(event.data.versions), at: event.data.at };
    default:
      return null;
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** Only the patch set's items, and only what was seen to run. */
function merged(state: Known, seen: VersionsSeen['running']): readonly (readonly [string, Running[string]])[] {
  const items = state.planned.patchSet.items.map((item) => item.name);
  return seen.map(([node, versions]) => {
    const known = Object.entries(fields(versions)).filter(
      (entry): entry is [string, string] => items.includes(entry[0]) && typeof entry[1] === 'string',
    );
    return [node, { ...state.running[node], ...Object.fromEntries(known) }];
  });
}

function isNews({ planned, running }: Known, seen: VersionsSeen['running']): boolean {
  return seen.some(([node, versions]) => {
    const known = running[node];
    if (known === undefined) return true;
    const now = fields(versions);
    return planned.patchSet.items.some(({ name }) => typeof now[name] === 'string' && now[name] !== known[name]);
  });
}

function differ(running: Running): boolean {
  const nodes = Object.values(running);
  const items = [...new Set(nodes.flatMap((versions) => Object.keys(versions)))];
  return items.some(
    (item) => new Set(nodes.map((versions) => versions[item]).filter((version) => version !== undefined)).size > 1,
  );
}

function clockAt(mixed: MixedVersions | null, differs: boolean, at: string): MixedVersions | null {
  const runs = mixed !== null && mixed.until === null;
  if (differs) return runs ? mixed : { since: at, until: null, escalations: 0 };
  return runs ? { ...mixed, until: at } : mixed;
}

function sentence(running: Running): string {
  return Object.entries(running)
    .map(
      ([node, versions]) =>
        `${node} ${Object.entries(versions)
          .map(([item, version]) => `${item} ${version}`)
          .join(', ')}`,
    )
    .join('; ');
}
