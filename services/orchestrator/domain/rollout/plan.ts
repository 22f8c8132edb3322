import type { Environment, PatchItem, Verb } from '@understudy/cluster';
import type { VersionPairSeen } from './versions.js';

/** The fixed phases of a rollout, in order. A playbook may drop optional ones; it never reorders them. */
export const PHASES = [
  'admit',
  'preflight',
  'switchover-test',
  'standby',
  'switchover',
  'original',
  'failback',
  'downtime',
  'postflight',
  'recovery',
] as const;
export type Phase = (typeof PHASES)[number];

export type RolloutKind = 'patch' | 'rehearsal' | 'switchover-test' | 'downtime';

export type StepKind =
  | 'preflight'
  | 'start-probe'
  | 'switchover'
  | 'validate'
  | 'drain'
  | 'patch'
  | 'reboot'
  | 'join'
  | 'soak'
  | 'release'
  | 'check'
  | 'pause'
  | 'postflight'
  | 'stop-probe'
  | 'unpatch'
  | 'stop'
  | 'start';

/** One step of a plan. `stepId` is deterministic: two-digit ordinal, kind, node (`04-patch-b`). */
export interface PlannedStep {
  readonly stepId: string;
  readonly kind: StepKind;
  readonly phase: Phase;
  /** The node that the step is about; for `switchover` the node that shall serve afterwards. */
  readonly node?: string;
  readonly workload: string;
  readonly deadlineMs: number;
  /** Stopping after this step leaves the workload served by a validated node. */
  readonly safePointAfter: boolean;
  /** The item that a `patch` or `unpatch` step brings to `toVersion`. */
  readonly item?: PatchItem;
  readonly fromVersion?: string;
  readonly toVersion?: string;
  /** For `soak`: how long. */
  readonly soakMs?: number;
  /** For `check`: the playbook check's name. */
  readonly check?: string;
  /** For `validate`: the node is expected to serve writes. */
  readonly asActive?: boolean;
}

export interface Plan {
  readonly steps: readonly PlannedStep[];
  /** Nodes in patch order: standbys, worst candidate first, the active last; with the reason for each place, in words. */
  readonly order: readonly { readonly node: string; readonly host: string; readonly reason: string }[];
  readonly originalActive: string;
  readonly switchoverTarget: string;
  /** Step id at which the way back stops being lossless, and what it means; undefined = lossless throughout. */
  readonly pointOfNoReturn?: { readonly stepId: string; readonly meaning: string };
  /** By item: may the versions meet, and what the way back is, as the driver says of both directions; absent in older plans. */
  readonly versionPairs?: Readonly<Record<string, VersionPairSeen>>;
  /** What each kind of step is expected to take, and where the figure comes from; absent in older plans. */
  readonly durations?: Readonly<Partial<Record<StepKind, { readonly ms: number; readonly source: string }>>>;
  /** Expected durations; `forwardMs` + `wayBackMs` must fit into what is left of the window. */
  readonly forwardMs: number;
  readonly wayBackMs: number;
  /** What cannot be rolled back, in words; empty = everything can. */
  readonly noRollback: readonly string[];
  /** How invariant 17 is held, as the driver says. */
  readonly writeSafety: string;
  /** SHA-256 hex over the canonical text of the steps. Computed at the door, given as data. */
  readonly hash: string;
}

/** A cluster that cannot roll gets this document instead. */
export interface DowntimePlan {
  readonly reason: string;
  readonly steps: readonly {
    readonly what: string;
    readonly estimatedMs: number;
    readonly source: string;
    readonly serviceDown: boolean;
  }[];
  readonly estimatedDowntimeMs: number;
  readonly whyNotLess: string;
}

/** A playbook as stored: parameters over the fixed phases. No step list, no expressions. */
export interface Playbook {
  readonly name: string;
  readonly version: number;
  readonly kind: RolloutKind;
  /** How long the evidence of a gate may be used. */
  readonly gates: readonly { readonly gate: GateName; readonly maxAgeMs: number }[];
  readonly phases: {
    readonly switchoverTest: { readonly enabled: boolean; readonly andBack: boolean };
    readonly failback: { readonly enabled: boolean };
    readonly soakMs: number;
    readonly interruptionBudgetMs: number;
  };
  readonly checks: readonly PlaybookCheck[];
  /** Phases before which the rollout holds for a person. */
  readonly pauseBefore: readonly Phase[];
  readonly onFailure: 'rollback' | 'hold';
  readonly maxUnavailable: 1;
  /** How long nodes may run different versions before it escalates; absent = by environment. */
  readonly mixedVersionsMaxMs?: number;
  /** First durations in milliseconds by step kind, until learnt ones exist. */
  readonly durations: Readonly<Partial<Record<StepKind, number>>>;
}

export type PlaybookCheck =
  | { readonly name: string; readonly kind: 'sql'; readonly sql: string; readonly expect: string }
  | { readonly name: string; readonly kind: 'http'; readonly url: string; readonly expect: string }
  | {
      readonly name: string;
      readonly kind: 'command';
      readonly command: string;
      readonly digest: string;
      readonly expect: string;
    };

export const GATES = [
  'ha-layer',
  'topology',
  'drift',
  'switchover-test',
  'probe',
  'window',
  'change-ticket',
  'approval',
  'rehearsal',
  'way-back',
] as const;
export type GateName = (typeof GATES)[number];
export type Requirement = 'required' | 'advisory' | 'off';

/** Which gates bind where; the one table. Whatever was not required is listed in the report. */
export type GateTable = Readonly<Record<Environment, Readonly<Record<GateName, Requirement>>>>;

/** The closed vocabulary of what a step may ask of the world. */
export type Ask =
  | { readonly ask: 'observe'; readonly look: 'snapshot' | 'preflight' | 'postflight' }
  | { readonly ask: 'observe'; readonly look: 'validate'; readonly node: string; readonly asActive: boolean }
  | { readonly ask: 'observe'; readonly look: 'check'; readonly check: PlaybookCheck; readonly node: string }
  | { readonly ask: 'verb'; readonly verb: Verb; readonly node: string; readonly parameters: Readonly<Record<string, string>> }
  | {
      readonly ask: 'job';
      readonly job: 'patch' | 'unpatch';
      readonly node: string;
      readonly item: PatchItem;
      readonly previousVersion: string | null;
      readonly limitMs: number;
    }
  | { readonly ask: 'job'; readonly job: 'reboot'; readonly node: string; readonly limitMs: number }
  | { readonly ask: 'probe'; readonly action: 'start' | 'stop' }
  | { readonly ask: 'waitUntil'; readonly at: string };
