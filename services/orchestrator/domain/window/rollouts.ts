import { NOTHING_TO_DO } from '../rollout/versions.js';
import type { RolloutEvent, RolloutResult } from '../rollout/rollout.js';

/** What a window knows of one of its rollouts, folded from that rollout's own events. */
export interface RolloutSeen {
  readonly id: string;
  readonly cluster: string;
  /** False: its cluster could not be looked at yet. */
  readonly planned: boolean;
  /** Hosts that carry a node of its cluster. */
  readonly hosts: readonly string[];
  /** Expected durations of its plan in milliseconds; 0 without a plan. */
  readonly forwardMs: number;
  readonly wayBackMs: number;
  /** It may be admitted: begun with its wave, or planned by a version that knew no waves. */
  readonly begun: boolean;
  /** Since when it is frozen, or null. */
  readonly frozenSince: string | null;
  /** When a hold or a freeze of it ended the last time, or null. */
  readonly resumedAt: string | null;
  readonly ended: { readonly result: RolloutResult; readonly reason: string; readonly at: string } | null;
}

export function unseenRollout(id: string, cluster: string): RolloutSeen {
  return {
    id,
    cluster,
    planned: false,
    hosts: [],
    forwardMs: 0,
    wayBackMs: 0,
    begun: false,
    frozenSince: null,
    resumedAt: null,
    ended: null,
  };
}

/** Folds one event of the rollout; most say nothing that a window needs. */
export function seeRollout(seen: RolloutSeen, event: RolloutEvent): RolloutSeen {
  switch (event.type) {
    case 'RolloutPlanned': {
      const { cluster, plan, wave } = event.data;
      const hosts = [...new Set(cluster.nodes.map((node) => node.host))];
      return { ...seen, planned: true, hosts, ...timesOf(plan), begun: wave === undefined };
    }
    case 'PlanRevised':
      return { ...seen, ...timesOf(event.data.plan) };
    case 'RolloutBegun':
      return { ...seen, begun: true };
    case 'RolloutFrozen':
      return { ...seen, frozenSince: event.data.at };
    case 'RolloutResumed':
      return { ...seen, frozenSince: null, resumedAt: event.data.at };
    case 'RolloutClosed': {
      const { result, reason, at } = event.data;
      return { ...seen, ended: { result, reason, at } };
    }
    default:
      return seen;
  }
}

function timesOf(plan: { readonly forwardMs: number; readonly wayBackMs: number } | null): {
  readonly forwardMs: number;
  readonly wayBackMs: number;
} {
  return { forwardMs: plan?.forwardMs ?? 0, wayBackMs: plan?.wayBackMs ?? 0 };
}

/** Did it end with its cluster as wanted? One that found every node at the target versions had nothing to do, and did not fail. */
export function endedWell({ ended }: RolloutSeen): boolean {
  return ended !== null && (ended.result === 'succeeded' || ended.reason.includes(NOTHING_TO_DO));
}
