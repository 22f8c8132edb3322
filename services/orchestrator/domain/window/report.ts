import { fold } from '@understudy/decider';
import { reportOf, type RolloutReport } from '../rollout/report.js';
import type { RolloutEvent, RolloutResult } from '../rollout/rollout.js';
import { evolveWindow, NO_WINDOW } from './evolve.js';
import { seeRollout, unseenRollout, type RolloutSeen } from './rollouts.js';
import { waitsFor } from './waves.js';
import type { Scheduled, WindowEvent, WindowResults, WindowScheduled, WindowStatus } from './window.js';

/** A wave as it stands. `not-begun`: it never will. */
export interface WaveTold {
  readonly number: number;
  readonly canary: boolean;
  readonly clusters: readonly string[];
  readonly status: 'waiting' | 'running' | 'ended' | 'not-begun';
  readonly begunAt: string | null;
  readonly endedAt: string | null;
  readonly soakUntil: string | null;
  readonly results: WindowResults | null;
}

/** A rollout as its window sees it. `begun`: it may be admitted, and runs until it has ended. */
export interface RolloutTold {
  readonly id: string;
  readonly cluster: string;
  readonly wave: number;
  readonly status: 'waiting' | 'begun' | 'ended' | 'given-up';
  readonly begunAt: string | null;
  readonly result: RolloutResult | null;
  /** How it ended, what it waits for, or why it never began; null while it runs. */
  readonly reason: string | null;
}

export interface WindowReport {
  readonly windowId: string;
  readonly status: WindowStatus;
  readonly kind: WindowScheduled['kind'];
  readonly playbook: WindowScheduled['playbook'];
  readonly patchSetId: string;
  readonly tickets: readonly string[];
  readonly scheduledBy: string;
  readonly approvedBy: string | null;
  readonly opensAt: string;
  readonly closesAt: string;
  readonly results: WindowResults | null;
  readonly waves: readonly WaveTold[];
  readonly rollouts: readonly (RolloutTold & {
    readonly tookMs: number | null;
    readonly interruption: RolloutReport['interruption'] | null;
  })[];
  readonly story: readonly { readonly at: string; readonly what: string }[];
}

export function wavesTold(state: Scheduled): readonly WaveTold[] {
  return state.window.waves.map((wave, index) => {
    const begun = state.waves[index];
    const { at: endedAt = null, soakUntil = null, results = null } = begun?.ended ?? {};
    const begunAt = begun?.begunAt ?? null;
    const status = begun === undefined ? notBegun(state, wave.clusters) : endedAt === null ? 'running' : 'ended';
    return { number: index + 1, ...wave, status, begunAt, endedAt, soakUntil, results };
  });
}

const DONE: readonly WindowStatus[] = ['rejected', 'cancelled', 'aborting', 'closed'];

function notBegun({ status, window, givenUp }: Scheduled, clusters: readonly string[]): 'waiting' | 'not-begun' {
  const members = window.rollouts.filter(({ cluster }) => clusters.includes(cluster));
  const never = DONE.includes(status) || members.every(({ id }) => givenUp[id] !== undefined);
  return never ? 'not-begun' : 'waiting';
}

export function rolloutsTold(state: Scheduled, rollouts: readonly RolloutSeen[]): readonly RolloutTold[] {
  return rollouts.map((rollout) => {
    const { id, cluster, ended } = rollout;
    const wave = state.window.waves.findIndex(({ clusters }) => clusters.includes(cluster)) + 1;
    const begunAt = state.begun[id] ?? null;
    const told = { id, cluster, wave, begunAt, result: ended?.result ?? null };
    const givenUp = state.givenUp[id];
    if (givenUp !== undefined) return { ...told, status: 'given-up', reason: givenUp.reason };
    if (ended !== null) return { ...told, status: 'ended', reason: ended.reason };
    const begun = begunAt !== null || rollout.begun;
    return { ...told, status: begun ? 'begun' : 'waiting', reason: waitsFor(state, rollouts, id) };
  });
}

/** The report of a window from its own recorded events and those of its rollouts, by id; undefined when there is none. */
export function reportOfWindow(
  events: readonly WindowEvent[],
  rolloutEvents: Readonly<Record<string, readonly RolloutEvent[]>>,
): WindowReport | undefined {
  const state = fold({ initial: NO_WINDOW, evolve: evolveWindow }, events);
  const { window, approval, status, results } = state;
  if (window === null) return undefined;
  const of = (id: string): readonly RolloutEvent[] => rolloutEvents[id] ?? [];
  const seen = window.rollouts.map(({ id, cluster }) => of(id).reduce(seeRollout, unseenRollout(id, cluster)));
  const known = { ...state, window };
  const { windowId, kind, playbook, patchSetId, tickets, scheduledBy, opensAt, closesAt } = window;
  return {
    windowId,
    status,
    kind,
    playbook,
    patchSetId,
    tickets,
    scheduledBy,
    approvedBy: approval?.by ?? null,
    opensAt,
    closesAt,
    results,
    waves: wavesTold(known),
    rollouts: rolloutsTold(known, seen).map((told) => {
      const report = reportOf(of(told.id));
      return { ...told, tookMs: report?.tookMs ?? null, interruption: report?.interruption ?? null };
    }),
    story: events.map((event) => ({ at: event.data.at, what: sentenceOf(event, window) })),
  };
}

function sentenceOf(event: WindowEvent, window: WindowScheduled): string {
  const clusters = (ids: readonly string[]): string =>
    window.rollouts
      .filter(({ id }) => ids.includes(id))
      .map(({ cluster }) => cluster)
      .join(', ');
  switch (event.type) {
    case 'WaveBegun':
      return `Wave ${event.data.wave} began.`;
    case 'RolloutsBegun':
      return `Began: ${clusters(event.data.rollouts)}.`;
    case 'RolloutsGivenUp':
      return event.data.rollouts.map(({ id, reason }) => `${clusters([id])} is not begun: ${reason}`).join(' ');
    case 'WaveEnded':
      return `Wave ${event.data.wave} ended: ${counted(event.data.results)}.`;
    case 'WindowHeld':
      return `Held by ${event.data.by}: ${event.data.reason}`;
    case 'WindowResumed': {
      const { by, passedOver } = event.data;
      return passedOver.length === 0 ? `Resumed by ${by}.` : `Resumed by ${by}, who has seen how ${clusters(passedOver)} ended.`;
    }
    case 'WindowClosed':
      return `Closed: ${counted(event.data.results)}.`;
    default:
      return statedBy(event);
  }
}

type Stated = Exclude<
  WindowEvent,
  { type: `Wave${string}` | `Rollouts${string}` | 'WindowHeld' | 'WindowResumed' | 'WindowClosed' }
>;

function statedBy(event: Stated): string {
  switch (event.type) {
    case 'WindowScheduled':
      return `Scheduled by ${event.data.scheduledBy}: ${event.data.clusters.length} clusters in ${event.data.waves.length} waves.`;
    case 'WindowApproved':
      return `Approved by ${event.data.by}.`;
    case 'WindowOpened':
      return 'Opened.';
    case 'WindowRejected':
      return `Rejected by ${event.data.by}: ${event.data.reason}`;
    case 'WindowCancelled':
      return `Cancelled by ${event.data.by}: ${event.data.reason}`;
    case 'WindowAborted':
      return `Aborted by ${event.data.by}: ${event.data.reason}`;
    case 'WindowFrozen':
      return `Frozen${event.data.fleet === true ? ' with the whole fleet' : ''} by ${event.data.by}: ${event.data.reason}`;
  }
}

function counted(results: WindowResults): string {
  const parts = Object.entries(results).map(([result, count]) => `${count} ${result}`);
  return parts.length === 0 ? 'nothing ran' : parts.join(', ');
}
