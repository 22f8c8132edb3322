import type { RolloutKind } from '../rollout/plan.js';
import type { Person, RolloutResult } from '../rollout/rollout.js';

/** The window: a time slot for a selection of clusters, a patch set and a playbook. One reactor makes its rollouts. */

export type WindowEvent =
  | { readonly type: 'WindowScheduled'; readonly data: WindowScheduled }
  | { readonly type: 'WindowApproved'; readonly data: { readonly by: string; readonly bindings: Readonly<Record<string, string>>; readonly at: string } }
  | { readonly type: 'WindowRejected'; readonly data: { readonly by: string; readonly reason: string; readonly at: string } }
  | { readonly type: 'WindowOpened'; readonly data: { readonly at: string } }
  | { readonly type: 'WindowFrozen'; readonly data: { readonly by: string; readonly reason: string; readonly at: string } }
  | { readonly type: 'WindowClosed'; readonly data: { readonly results: Readonly<Record<string, number>>; readonly at: string } };

export interface WindowScheduled {
  readonly windowId: string;
  readonly kind: RolloutKind;
  readonly clusters: readonly string[];
  readonly rollouts: readonly { readonly id: string; readonly cluster: string }[];
  readonly patchSetId: string;
  readonly playbook: { readonly name: string; readonly version: number };
  readonly opensAt: string;
  readonly closesAt: string;
  /** Numbers of change tickets, as the person who scheduled it knows them. */
  readonly tickets: readonly string[];
  readonly scheduledBy: string;
  readonly at: string;
}

/** What a look at a cluster told before the window was scheduled; null = it could not be looked at. */
export interface Estimate {
  readonly cluster: string;
  /** Forward and the way back, in milliseconds; null = no plan could be made. */
  readonly neededMs: number | null;
}

export type WindowCommand =
  | { readonly type: 'ScheduleWindow'; readonly window: WindowScheduled; readonly estimates: readonly Estimate[] }
  /** `inForce`: the bindings of the window's rollouts as they are now. */
  | { readonly type: 'ApproveWindow'; readonly by: Person; readonly bindings: Readonly<Record<string, string>>; readonly inForce: Readonly<Record<string, string>>; readonly at: string }
  | { readonly type: 'RejectWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  | { readonly type: 'FreezeWindow'; readonly by: Person; readonly reason: string; readonly at: string }
  | { readonly type: 'OpenWindow'; readonly at: string }
  /** Given when every rollout has ended. */
  | { readonly type: 'CloseWindow'; readonly results: Readonly<Record<string, RolloutResult>>; readonly at: string };

export type WindowStatus = 'absent' | 'scheduled' | 'opened' | 'rejected' | 'frozen' | 'closed';

export interface WindowState {
  readonly status: WindowStatus;
  readonly scheduled: WindowScheduled | null;
  readonly approval: { readonly by: string; readonly bindings: Readonly<Record<string, string>>; readonly at: string } | null;
  readonly rejection: { readonly by: string; readonly reason: string; readonly at: string } | null;
  readonly frozen: { readonly by: string; readonly reason: string; readonly at: string } | null;
  readonly results: Readonly<Record<string, number>> | null;
}
