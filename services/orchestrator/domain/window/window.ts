import type { Person, RolloutResult } from '../rollout/rollout.js';
import type { RolloutKind } from '../rollout/plan.js';

/** A time slot for a selection of clusters, a patch set, a playbook and tickets. One rollout per cluster, planned with it. */

export type WindowEvent =
  | { readonly type: 'WindowScheduled'; readonly data: WindowScheduled }
  | { readonly type: 'WindowApproved'; readonly data: { readonly by: string; readonly bindings: Bindings; readonly at: string } }
  | { readonly type: 'WindowRejected'; readonly data: { readonly by: string; readonly reason: string; readonly at: string } }
  | { readonly type: 'WindowOpened'; readonly data: { readonly at: string } }
  | { readonly type: 'WindowFrozen'; readonly data: { readonly by: string; readonly reason: string; readonly at: string } }
  | { readonly type: 'WindowCancelled'; readonly data: { readonly by: string; readonly reason: string; readonly at: string } }
  | { readonly type: 'WindowClosed'; readonly data: { readonly results: WindowResults; readonly at: string } };

/** Rollout id -> what exactly was approved. */
export type Bindings = Readonly<Record<string, string>>;
/** How many rollouts ended with each result. */
export type WindowResults = Readonly<Partial<Record<RolloutResult, number>>>;

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
}

/** What planning said of one cluster: the time it needs, there and back, in milliseconds. Without a plan both are 0. */
export interface TimeNeeded {
  readonly cluster: string;
  readonly forwardMs: number;
  readonly wayBackMs: number;
}

export type WindowCommand =
  | {
      readonly type: 'ScheduleWindow';
      readonly window: WindowScheduled;
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
  | { readonly type: 'FreezeWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  | { readonly type: 'CancelWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  | { readonly type: 'CloseWindow'; readonly results: WindowResults; readonly at: string };

export type WindowStatus = 'absent' | 'scheduled' | 'rejected' | 'cancelled' | 'open' | 'frozen' | 'closed';

export interface WindowState {
  readonly status: WindowStatus;
  readonly window: WindowScheduled | null;
  readonly approval: { readonly by: string; readonly bindings: Bindings; readonly at: string } | null;
  /** Why it was rejected, cancelled or frozen, and by whom. */
  readonly stopped: { readonly by: string; readonly reason: string; readonly at: string } | null;
  readonly results: WindowResults | null;
}
