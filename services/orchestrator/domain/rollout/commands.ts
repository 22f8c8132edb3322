import type { ClusterSnapshot } from '@understudy/cluster';
import type { DriftSeen, GateInputs, TicketSeen } from './gate-inputs.js';
import type { Evidence, MeasuredInterruption, Neighbour } from './observation.js';
import type { OverrideCommand } from './override.js';
import type { DowntimePlan, Plan } from './plan.js';
import type { Person, RolloutPlanned } from './rollout.js';

/** What a rollout is told: by persons, by other services, by its window, and by the process that owns it. */
export type RolloutCommand =
  | { readonly type: 'PlanRollout'; readonly planned: RolloutPlanned; readonly downtimePlan: DowntimePlan | null }
  | { readonly type: 'RecordApproval'; readonly by: string; readonly binding: string; readonly at: string }
  | { readonly type: 'RecordTicket'; readonly ticket: TicketSeen; readonly at: string }
  | { readonly type: 'Begin'; readonly wave: number; readonly at: string }
  | { readonly type: 'RecordDriftAssessment'; readonly assessment: DriftSeen; readonly at: string }
  /** `replaces`: the owner that was seen to be gone, null = nobody; anybody else in the meantime refuses the adoption. */
  | {
      readonly type: 'Adopt';
      readonly instance: string;
      readonly incarnation: string;
      readonly replaces: string | null;
      readonly at: string;
    }
  /** The owner's own orders; refused when another incarnation owns the rollout, or when an invariant would be violated. */
  | {
      readonly type: 'RevisePlan';
      readonly plan: Plan;
      readonly reason: string;
      readonly binding: string;
      readonly topologyFingerprint: string;
      readonly incarnation: string;
      readonly at: string;
    }
  | {
      readonly type: 'RequestDriftAssessment';
      readonly requestId: string;
      readonly deadlineAt: string;
      readonly incarnation: string;
      readonly at: string;
    }
  /** Judges every gate on what was seen now; admits when all required ones are open, refuses when one is finally closed or time ran out. */
  | { readonly type: 'EvaluateGates'; readonly inputs: GateInputs; readonly incarnation: string; readonly at: string }
  | {
      readonly type: 'RequestStep';
      readonly stepId: string;
      readonly incarnation: string;
      readonly snapshot: ClusterSnapshot | null;
      /** Other clusters on the step's host; needed where the step touches a host. */ readonly neighbours?: readonly Neighbour[];
      readonly at: string;
    }
  | {
      readonly type: 'RecordOutcome';
      readonly stepId: string;
      readonly attempt: number;
      readonly outcome: 'succeeded' | 'failed' | 'unknown';
      readonly adopted: boolean;
      readonly reason: string;
      readonly evidence: Evidence;
      readonly interruption?: MeasuredInterruption;
      readonly mayRepeat?: boolean;
      readonly serving?: string | null;
      readonly incarnation: string;
      readonly at: string;
    }
  | {
      readonly type: 'SkipStep';
      readonly stepId: string;
      readonly reason: string;
      readonly incarnation: string;
      readonly at: string;
    }
  | {
      readonly type: 'RecordDeviation';
      readonly what: string;
      readonly evidence: Evidence;
      /** The invariant that the fact breaks, if any. */ readonly invariant?: number;
      readonly serving?: string | null;
      readonly incarnation: string;
      readonly at: string;
    }
  | { readonly type: 'EscalateMixedVersions'; readonly incarnation: string; readonly at: string }
  | { readonly type: 'RecordOutage'; readonly incarnation: string; readonly at: string }
  /** At a safe point: holds, goes into recovery, or closes, whichever the state says is due. */
  | {
      readonly type: 'Conclude';
      readonly incarnation: string;
      readonly snapshot: ClusterSnapshot | null;
      /** Of the same look. */ readonly neighbours?: readonly Neighbour[];
      readonly interruption: MeasuredInterruption | null;
      readonly at: string;
    }
  | { readonly type: 'Hold'; readonly by: Person; readonly reason: string; readonly at: string }
  /** `frozenSince`: ends the freeze that began then, and nothing else. */
  | { readonly type: 'Resume'; readonly by: Person; readonly frozenSince?: string; readonly at: string }
  | { readonly type: 'Abort'; readonly by: Person; readonly reason: string; readonly at: string }
  /** `node`: only that one; null = every node that was patched. */
  | {
      readonly type: 'RollBack';
      readonly by: Person;
      readonly reason: string;
      readonly node: string | null;
      readonly at: string;
    }
  | { readonly type: 'Freeze'; readonly by: Person; readonly reason: string; readonly at: string }
  | OverrideCommand;
