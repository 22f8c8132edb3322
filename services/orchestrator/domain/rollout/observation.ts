import type { CheckResult, ClusterSnapshot } from '@understudy/cluster';

/** What the performers bring back from one look; goals are judged on this alone. Plain data, stored as evidence in short form. */
export interface Observation {
  /** RFC 3339: when the look began. */
  readonly at: string;
  readonly snapshot?: ClusterSnapshot;
  /** Results of a preflight, validation, check or postflight look. */
  readonly checks?: readonly CheckResult[];
  readonly job?: JobSeen;
  /** Installed versions per item name and whether a reboot is pending, from the patch source on the step's node. */
  readonly patch?: { readonly installed: Readonly<Record<string, string | null>>; readonly rebootNeeded: boolean | null };
  /** The probe's measurement over the step so far (or the whole rollout, for `stop-probe`). */
  readonly interruption?: MeasuredInterruption;
  readonly probe?: 'running' | 'ended' | 'absent' | 'unknown';
  /** Other clusters' nodes on this step's host, for steps that touch a shared host. */
  readonly neighbours?: readonly Neighbour[];
  /** What the performer's attempt itself said, when this incarnation made one. */
  readonly performed?: Performed;
}

/** A node of another cluster on a host of ours, as observed now: its cluster's invariants hold too. */
export interface Neighbour {
  readonly host: string;
  readonly cluster: string;
  readonly node: string;
  readonly serving: boolean;
  /** No fit standby of its cluster is on another host. */
  readonly lastFitStandby: boolean;
  /** Without this host its cluster has no quorum. */
  readonly losesQuorum?: boolean;
}

export interface JobSeen {
  readonly status: 'absent' | 'running' | 'exited' | 'lost' | 'unknown';
  readonly code?: number;
  /** The last lines of its output, redacted and bounded. */
  readonly tail?: string;
}

export type Performed =
  | { readonly status: 'done'; readonly acts: readonly string[] }
  | { readonly status: 'stuck'; readonly reason: string; readonly acts: readonly string[] }
  | {
      readonly status: 'unknown';
      /** `asked`: the deadline is over, and the platform was asked for something that it may still do. */
      readonly cause: 'deadline' | 'fenced' | 'frozen' | 'unreachable' | 'asked';
      readonly reason: string;
    };

export type MeasuredInterruption =
  | {
      readonly measured: true;
      readonly fromMs: number;
      readonly toMs: number;
      readonly gaps: readonly { readonly fromMs: number; readonly durationMs: number; readonly failedOperations: number }[];
      readonly longestMs: number;
      readonly sumMs: number;
      readonly failedOperations: number;
      readonly resolutionMs: number;
      readonly acknowledgedWrites: number;
      readonly lostWrites: number | null;
    }
  | { readonly measured: false; readonly reason: string };

/** What the goal of a step says about an observation. The same function proves success and decides recovery. */
export type Goal =
  | { readonly goal: 'met'; readonly evidence: Evidence }
  | { readonly goal: 'unmet'; readonly reason: string; readonly evidence: Evidence }
  | { readonly goal: 'unclear'; readonly reason: string; readonly evidence: Evidence };

/** Short, redacted, JSON: what a reader of the log needs to believe an outcome. */
export type Evidence = Readonly<Record<string, unknown>>;
