import type { Person, RolloutResult } from '../rollout/rollout.js';
import type { RolloutKind } from '../rollout/plan.js';
import type { RolloutSeen } from './rollouts.js';

/**
 * A time slot for a selection of clusters, a patch set, a playbook and tickets. One rollout per cluster, planned with it,
 * begun in waves. What may begin when is in `waves.ts`.
 */

export type WindowEvent =
  | { readonly type: 'WindowScheduled'; readonly data: WindowScheduled }
  | { readonly type: 'WindowApproved'; readonly data: { readonly by: string; readonly bindings: Bindings; readonly at: string } }
  | { readonly type: 'WindowRejected'; readonly data: Statement }
  | { readonly type: 'WindowOpened'; readonly data: { readonly at: string } }
  | { readonly type: 'WaveBegun'; readonly data: { readonly wave: number; readonly at: string } }
  /** From now on each of them may be admitted; until then they only wait. */
  | {
      readonly type: 'RolloutsBegun';
      readonly data: { readonly wave: number; readonly rollouts: readonly string[]; readonly at: string };
    }
  /** They will not begin in this window: each with the reason, in words. */
  | { readonly type: 'RolloutsGivenUp'; readonly data: { readonly rollouts: readonly GivenUp[]; readonly at: string } }
  | {
      readonly type: 'WaveEnded';
      readonly data: { readonly wave: number; readonly results: WindowResults; readonly at: string; readonly soakUntil: string };
    }
  | { readonly type: 'WindowHeld'; readonly data: WindowHeld }
  | { readonly type: 'WindowResumed'; readonly data: WindowResumed }
  | { readonly type: 'WindowFrozen'; readonly data: WindowFrozen }
  | { readonly type: 'WindowAborted'; readonly data: Statement }
  | { readonly type: 'WindowCancelled'; readonly data: Statement }
  | { readonly type: 'WindowClosed'; readonly data: { readonly results: WindowResults; readonly at: string } };

/** What a person said of the whole window. */
export interface Statement {
  readonly by: string;
  readonly reason: string;
  readonly at: string;
}

export interface WindowFrozen extends Statement {
  /** Frozen together with every other window. */
  readonly fleet?: true;
}

/** Nothing further begins; what runs goes on to its end. */
export interface WindowHeld extends Statement {
  readonly whoCanChangeIt: string;
}

export interface WindowResumed {
  readonly by: string;
  readonly at: string;
  /** Rollouts without success that count no more against the failure budget: who resumed has seen them. */
  readonly passedOver: readonly string[];
  /** What it goes on as: a window that was held when it was frozen is held again. */
  readonly as: WindowStatus;
}

export interface GivenUp {
  readonly id: string;
  readonly reason: string;
}

/** Rollout id -> what exactly was approved. */
export type Bindings = Readonly<Record<string, string>>;
/** How many rollouts ended with each result. */
export type WindowResults = Readonly<Partial<Record<RolloutResult, number>>>;

export interface Wave {
  /** Its first rollout without success holds the window, whatever the failure budget. Only the first wave can be one. */
  readonly canary: boolean;
  readonly clusters: readonly string[];
}

/** `cluster` begins only after every one of `on` has succeeded in the same window. */
export interface Dependency {
  readonly cluster: string;
  readonly on: readonly string[];
}

export interface WindowScheduled {
  readonly windowId: string;
  readonly clusters: readonly string[];
  readonly patchSetId: string;
  readonly playbook: { readonly name: string; readonly version: number };
  readonly kind: RolloutKind;
  readonly opensAt: string;
  readonly closesAt: string;
  readonly tickets: readonly string[];
  /** For `downtime`: how long each cluster's workload may be away, in milliseconds. */
  readonly outageBudgetMs?: number;
  readonly scheduledBy: string;
  readonly at: string;
  readonly rollouts: readonly { readonly id: string; readonly cluster: string }[];
  /** Each cluster is in exactly one. Counted from 1 wherever a wave has a number. */
  readonly waves: readonly Wave[];
  /** Between the end of one wave and the beginning of the next, in milliseconds. */
  readonly soakMs: number;
  /** So many rollouts may end without success; one more holds the window. */
  readonly failureBudget: number;
  readonly dependsOn: readonly Dependency[];
}

/** A wave as it is asked for: these clusters, or so many of those that no wave names; neither = all that are left. */
export interface WaveWanted {
  readonly clusters?: readonly string[];
  readonly count?: number;
  readonly canary?: boolean;
}

/** What planning said of one cluster: the time it needs, there and back, in milliseconds. Without a plan both are 0. */
export interface TimeNeeded {
  readonly cluster: string;
  readonly hosts: readonly string[];
  readonly forwardMs: number;
  readonly wayBackMs: number;
}

export type WindowCommand =
  | {
      readonly type: 'ScheduleWindow';
      readonly window: Omit<WindowScheduled, 'waves'>;
      /** Empty = one wave of all. */
      readonly waves: readonly WaveWanted[];
      /** Those of the window's clusters that are registered. */
      readonly knownClusters: readonly string[];
      readonly needed: readonly TimeNeeded[];
      readonly by: Person;
      readonly at: string;
    }
  /** `inForce`: what each rollout's binding is now; `bindings`: what the approver has looked at. */
  | {
      readonly type: 'ApproveWindow';
      readonly by: Person;
      readonly bindings: Bindings;
      readonly inForce: Bindings;
      readonly at: string;
    }
  | { readonly type: 'RejectWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  | { readonly type: 'OpenWindow'; readonly at: string }
  /** Says whatever is due now: waves that begin and end, rollouts that begin or are given up, a hold. Often nothing. */
  | { readonly type: 'AdvanceWindow'; readonly rollouts: readonly RolloutSeen[]; readonly at: string }
  | { readonly type: 'HoldWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  /** From a hold or a freeze: one of them at a time. */
  | { readonly type: 'ResumeWindow'; readonly by: Person; readonly rollouts: readonly RolloutSeen[]; readonly at: string }
  | {
      readonly type: 'FreezeWindow';
      readonly by: Person;
      readonly reason: string;
      readonly at: string;
      /** Together with every other window. */
      readonly fleet?: true;
    }
  /** Nothing further begins, and what runs is aborted at its next safe point. */
  | { readonly type: 'AbortWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  | { readonly type: 'CancelWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  | { readonly type: 'CloseWindow'; readonly results: WindowResults; readonly at: string };

export type WindowStatus = 'absent' | 'scheduled' | 'rejected' | 'cancelled' | 'open' | 'held' | 'frozen' | 'aborting' | 'closed';

export interface WaveState {
  readonly begunAt: string;
  readonly ended: { readonly at: string; readonly soakUntil: string; readonly results: WindowResults } | null;
  /** A person let the window go on after it had ended, whatever had become of it. */
  readonly passedOver: boolean;
}

export interface WindowState {
  readonly status: WindowStatus;
  readonly window: WindowScheduled | null;
  readonly approval: { readonly by: string; readonly bindings: Bindings; readonly at: string } | null;
  /** Why it was rejected, cancelled, frozen or aborted, and by whom. */
  readonly stopped: Statement | null;
  /** Those that have begun, in order. */
  readonly waves: readonly WaveState[];
  /** Rollout id -> when it was begun. */
  readonly begun: Readonly<Record<string, string>>;
  readonly givenUp: Readonly<Record<string, { readonly reason: string; readonly at: string }>>;
  readonly held: WindowHeld | null;
  /** Rollouts without success that count no more. */
  readonly passedOver: readonly string[];
  /** The newest end of a freeze: rollouts that were stopped by this one, or by one that had ended before, go on. */
  readonly thaw: { readonly by: string; readonly at: string; readonly frozenAt: readonly string[] } | null;
  /** What a freeze returns to. */
  readonly frozenFrom: {
    readonly at: string;
    readonly fleet: boolean;
    readonly status: WindowStatus;
    readonly stopped: Statement | null;
  } | null;
  readonly results: WindowResults | null;
}

/** A window that exists. */
export type Scheduled = WindowState & { readonly window: WindowScheduled };
