/**
 * The rollout: events and state. Read this first. Commands are in `commands.ts`, branches are in `decide.ts`, facts into state in
 * `evolve.ts`, what comes next in `runner.ts`, the steps in `steps/`.
 */
import type { ClusterDefinition, PatchSet } from '@understudy/cluster';
import type { DriftSeen, TicketSeen } from './gate-inputs.js';
import type { Evidence, MeasuredInterruption } from './observation.js';
import type { Written } from './loss.js';
import type { MixedVersions, MixedVersionsEscalated, Running } from './mixed-versions.js';
import type { Outage, OutageBudgetExceeded } from './outage.js';
import type { Override, OverrideEvent } from './override.js';
import type { Ask, DowntimePlan, GateName, Plan, PlannedStep, Playbook, Requirement, RolloutKind } from './plan.js';

export type { RolloutCommand } from './commands.js';
export type { DriftSeen, GateInputs, TicketSeen } from './gate-inputs.js';

export type RolloutResult = 'succeeded' | 'rolled-back' | 'aborted' | 'failed' | 'refused' | 'needs-attention';

/** Who asked, as the door authenticated them. `system` for our own reactions. */
export interface Person {
  readonly subject: string;
  readonly role: 'viewer' | 'operator' | 'approver' | 'admin' | 'system';
}

// ---------------------------------------------------------------- events

export type RolloutEvent =
  | { readonly type: 'RolloutPlanned'; readonly data: RolloutPlanned }
  | { readonly type: 'PlanRevised'; readonly data: PlanRevised }
  | { readonly type: 'DowntimePlanOffered'; readonly data: DowntimePlan }
  /** `binding` says what exactly was approved; another binding in force = the approval has lapsed. */
  | { readonly type: 'RolloutApproved'; readonly data: { readonly by: string; readonly binding: string; readonly at: string } }
  | { readonly type: 'TicketRecorded'; readonly data: TicketSeen }
  | { readonly type: 'RolloutBegun'; readonly data: { readonly wave: number; readonly at: string } }
  | {
      readonly type: 'DriftAssessmentRequested';
      readonly data: {
        readonly requestId: string;
        readonly deadlineAt: string;
        readonly expectedItems: readonly string[];
        readonly at: string;
      };
    }
  | { readonly type: 'DriftAssessmentReceived'; readonly data: DriftSeen }
  | { readonly type: 'GateEvaluated'; readonly data: GateEvaluated }
  | {
      readonly type: 'RolloutAdmitted';
      readonly data: { readonly hosts: readonly string[]; readonly at: string; readonly acceptedRisks: readonly string[] };
    }
  | {
      readonly type: 'RolloutAdopted';
      readonly data: { readonly instance: string; readonly incarnation: string; readonly at: string };
    }
  | { readonly type: 'StepRequested'; readonly data: StepRequested }
  | { readonly type: 'StepSucceeded'; readonly data: StepOutcome & { readonly adopted: boolean } }
  | {
      readonly type: 'StepFailed';
      readonly data: StepOutcome & {
        readonly reason: string;
        /** Seen not to have happened: a new attempt follows by itself. */ readonly mayRepeat: boolean;
      };
    }
  | { readonly type: 'StepUnknown'; readonly data: StepOutcome & { readonly reason: string } }
  | { readonly type: 'StepSkipped'; readonly data: { readonly stepId: string; readonly reason: string; readonly at: string } }
  | {
      readonly type: 'DeadlineMissed';
      readonly data: { readonly what: string; readonly stepId?: string; readonly deadlineAt: string; readonly at: string };
    }
  | {
      readonly type: 'DeviationRecorded';
      readonly data: {
        readonly what: string;
        readonly evidence: Evidence;
        readonly at: string;
        /** Who serves, where the look could tell. */ readonly serving?: string | null;
      };
    }
  | {
      readonly type: 'PointOfNoReturnPassed';
      readonly data: { readonly stepId: string; readonly meaning: string; readonly at: string };
    }
  | { readonly type: 'HoldRequested'; readonly data: { readonly by: string; readonly reason: string; readonly at: string } }
  | {
      readonly type: 'RolloutHeld';
      readonly data: {
        readonly reason: string;
        readonly whoCanChangeIt: string;
        readonly afterStep: string | null;
        /** The wish to roll back could not be carried out any more, and ends here. */ readonly dropsRollback?: true;
        readonly at: string;
      };
    }
  /** `as`: what it is from then on; absent in what was written before this was recorded. */
  | {
      readonly type: 'RolloutResumed';
      readonly data: { readonly by: string; readonly at: string; readonly as?: RolloutState['status'] };
    }
  | {
      readonly type: 'RolloutFrozen';
      readonly data: { readonly by: string; readonly reason: string; readonly at: string; readonly inFlight: readonly string[] };
    }
  | { readonly type: 'AbortRequested'; readonly data: { readonly by: string; readonly reason: string; readonly at: string } }
  | {
      readonly type: 'InvariantBreached';
      readonly data: { readonly number: number; readonly detail: string; readonly evidence: Evidence };
    }
  | OverrideEvent
  | { readonly type: 'RollbackRequested'; readonly data: RollbackRequested }
  | { readonly type: 'OutageBudgetExceeded'; readonly data: OutageBudgetExceeded }
  | { readonly type: 'MixedVersionsEscalated'; readonly data: MixedVersionsEscalated }
  | { readonly type: 'RolloutClosed'; readonly data: RolloutClosed };

export interface RolloutPlanned {
  readonly rolloutId: string;
  readonly windowId: string;
  readonly kind: RolloutKind;
  readonly cluster: ClusterDefinition;
  readonly workload: string;
  readonly playbook: Playbook;
  readonly playbookHash: string;
  readonly patchSet: PatchSet;
  readonly patchSetHash: string;
  readonly plan: Plan | null;
  /** Why there is no plan; a rollout without a plan can only be refused. */
  readonly noPlanBecause: string | null;
  /** What the approval binds to: hash over plan, playbook, patch set, topology and window. */
  readonly binding: string;
  readonly topologyFingerprint: string;
  readonly opensAt: string;
  readonly closesAt: string;
  readonly plannedBy: string;
  /** It begins with this wave of its window; absent = when the window opens. */ readonly wave?: number;
  readonly at: string;
  /** An unexpired switchover result for the same fingerprint, if there is one. */
  readonly switchoverResult: SwitchoverResult | null;
  /** For `downtime`: how long the workload may be away, in milliseconds; bound into the approval. */
  readonly outageBudgetMs?: number;
  /** By host: commands for a person who mends what is left, `{job}` standing for a job's id. */
  readonly byHand?: Readonly<Record<string, { readonly stopJob: string; readonly jobLog: string }>>;
}

/** A person wants nodes back at the version before. */
export interface RollbackRequested {
  readonly by: string;
  readonly reason: string;
  /** Those that had been patched, or were being patched, when it was asked for. */
  readonly nodes: readonly string[];
  /** Every node that is patched by the time it is carried out; absent = `nodes`, and no other. */
  readonly all?: true;
  readonly at: string;
}

export interface PlanRevised {
  readonly plan: Plan;
  readonly reason: string;
  readonly binding: string;
  readonly topologyFingerprint: string;
  /**
   * Set when the failure policy or an abort put the way back in place of what was left of the plan. Hash and binding stay
   * those of the approved plan: the playbook that was approved says what happens on failure.
   */
  readonly recovery: Recovery | null;
  readonly at: string;
}

/** What a way back is for, and the result it leads to if every one of its steps succeeds. */
export interface Recovery {
  readonly because: string;
  /** Null when nothing failed: a person or the clock gave it up. */
  readonly failedStep: string | null;
  readonly result: RolloutResult;
}

export interface SwitchoverResult {
  readonly rolloutId: string;
  readonly fingerprint: string;
  readonly at: string;
  readonly expiresAt: string;
  readonly longestInterruptionMs: number;
}

export interface GateEvaluated {
  readonly gate: GateName;
  readonly requirement: Requirement;
  readonly status: 'pending' | 'open' | 'closed';
  /** What was seen, in words. */
  readonly reason: string;
  /** `pending`/`open`: until then. */
  readonly until: string | null;
  readonly since: string;
  readonly whoCanChangeIt: string;
  /** A closed gate that nothing within this window can open (no application-level HA): the rollout is refused at once. */
  readonly final: boolean;
  readonly evidence: Evidence;
}

export interface StepRequested {
  readonly stepId: string;
  /** From 1; a new attempt only after an observation proved that the one before did not happen. */
  readonly attempt: number;
  /** `<rollout id>/<step id>/<attempt>`: the idempotency key of every act of this step. */
  readonly key: string;
  readonly ask: Ask;
  readonly deadlineAt: string;
  readonly at: string;
  /** The incarnation that asked: only it may perform without looking first. */
  readonly incarnation: string;
  /** What was seen just before, for steps that are irreversible. */
  readonly evidence: Evidence;
}

export interface StepOutcome {
  readonly stepId: string;
  readonly attempt: number;
  readonly at: string;
  readonly evidence: Evidence;
  readonly interruption?: MeasuredInterruption;
  /** The node that serves as the look told; absent = the look could not tell. */
  readonly serving?: string | null;
}

export interface RolloutClosed {
  readonly result: RolloutResult;
  readonly reason: string;
  readonly at: string;
  /** What is left behind and the commands to mend it; empty unless `needs-attention`. */
  readonly remains: readonly { readonly what: string; readonly mend: string }[];
  readonly interruption: MeasuredInterruption;
  readonly versions: Readonly<Record<string, Readonly<Record<string, string | null>>>>;
  /** Gates and phases that were not required or not run, in words. */
  readonly notRequired: readonly string[];
  /** Claims given back with this event. */
  readonly hosts: readonly string[];
}

// ---------------------------------------------------------------- state

export type StepStatus = 'planned' | 'requested' | 'succeeded' | 'failed' | 'unknown' | 'skipped';

export interface StepState {
  readonly step: PlannedStep;
  readonly status: StepStatus;
  readonly attempt: number;
  /** Null once the step has succeeded. A switchover keeps it: the end of the rollout is compared with what it noted. */
  readonly requested: StepRequested | null;
  /** Of the newest request; stays when that goes. */
  readonly requestedAt: string | null;
  readonly reason: string | null;
  readonly endedAt: string | null;
  readonly interruption: MeasuredInterruption | null;
  readonly adopted: boolean;
}

export type RolloutStatus = 'absent' | 'planned' | 'running' | 'recovering' | 'held' | 'frozen' | 'closed';

export interface RolloutState {
  readonly status: RolloutStatus;
  readonly planned: RolloutPlanned | null;
  readonly plan: Plan | null;
  readonly binding: string | null;
  readonly topologyFingerprint: string | null;
  readonly downtimePlan: DowntimePlan | null;
  readonly approval: { readonly by: string; readonly binding: string; readonly at: string } | null;
  readonly ticket: TicketSeen | null;
  readonly driftRequest: { readonly requestId: string; readonly deadlineAt: string; readonly requestedAt: string } | null;
  readonly drift: DriftSeen | null;
  readonly gates: Readonly<Partial<Record<GateName, GateEvaluated>>>;
  /** In the order they were asked for; the newest of a gate counts. */
  readonly overrides: readonly Override[];
  readonly begun: { readonly wave: number; readonly at: string } | null;
  readonly admitted: { readonly hosts: readonly string[]; readonly at: string; readonly acceptedRisks: readonly string[] } | null;
  readonly owner: { readonly instance: string; readonly incarnation: string; readonly at: string } | null;
  /** In plan order; revised plans keep the states of steps that ended. */
  readonly steps: readonly StepState[];
  /** Nodes out of service by our hand now: drained (or being drained) and not yet joined; and joined but not yet released. */
  readonly out: readonly { readonly node: string; readonly stage: 'draining' | 'drained' | 'joined' | 'validated' }[];
  readonly patched: readonly string[];
  readonly unpatched: readonly string[];
  readonly validated: readonly string[];
  /** Versions that run, by node, as last seen; and since when they differ. */
  readonly running: Running;
  readonly mixed: MixedVersions | null;
  readonly outage: Outage;
  /** By node, as the patch source said after the last change; null = it could not tell. */
  readonly rebootNeeded: Readonly<Record<string, boolean | null>>;
  /** The node that serves as far as our own acts and observations tell. */
  readonly serving: string | null;
  /** How far it had written when it was last seen to serve; null = no look told. */ readonly written: Written | null;
  /** The node that served when phase `original` began (or will). */
  readonly originalActive: string | null;
  readonly probeRunning: boolean;
  readonly pointOfNoReturnPassed: boolean;
  readonly deviations: readonly string[];
  readonly holdRequested: { readonly by: string; readonly reason: string } | null;
  readonly abortRequested: { readonly by: string; readonly reason: string } | null;
  readonly rollbackRequested: RollbackRequested | null;
  readonly held: { readonly reason: string; readonly since: string; readonly whoCanChangeIt: string } | null;
  readonly frozen: { readonly by: string; readonly reason: string; readonly since: string } | null;
  readonly breaches: readonly number[];
  /** What a recovery is for, once one began. */
  readonly recovery: Recovery | null;
  /** Ids of failed steps that a way back was put in place for. */
  readonly answered: readonly string[];
  /** An order is decided on a look that is not older than this: the last outcome, resume, adoption or deviation. */
  readonly lookAfter: string | null;
  readonly closed: RolloutClosed | null;
}
