import type { Availability, Role } from './definition.js';

/**
 * What was seen of one cluster in one look, as one value. A driver that could not see everything says so
 * (`complete: false`); a partial picture is a reason to wait, never to act.
 */
export interface ClusterSnapshot {
  readonly cluster: string;
  readonly platform: string;
  /** RFC 3339, UTC: when the look began. Judge freshness by this, not by when it arrived. */
  readonly observedAt: string;
  /** Every node answered or is known for certain to be down; every question that the driver asks has an answer. */
  readonly complete: boolean;
  readonly nodes: readonly NodeSnapshot[];
  /** Sentences: places that contradict each other, questions without an answer. */
  readonly disagreements: readonly string[];
}

export type Promotable = { readonly promotable: true } | { readonly promotable: false; readonly reason: string };

export interface ItemVersion {
  /** What is on disk, what the next start would run. */
  readonly installed: string | null;
  /** What the running process says it is; null when it does not run. */
  readonly running: string | null;
}

export interface Lag {
  /** Bytes of acknowledged change that this node has not got, by log position and timeline, never by time. */
  readonly bytes: number;
  /** The platform's own promotion ceiling for this cluster. */
  readonly ceilingBytes: number;
}

/** A place in the log of changes: positions compare on one timeline only. */
export interface LogEnd {
  readonly timeline: number;
  readonly bytes: number;
}

/** What an act of ours has left on a node, and the commands that take it away, in the platform's own terms. */
export interface Leftover {
  readonly kind: 'drained' | 'relaxed' | 'stopped' | 'switchover';
  /** The node that it was done for; for `relaxed` another one than it lies on. */
  readonly node: string;
  /** For a person. */
  readonly what: string;
  /** To be pasted, in order, on the host named, as root. */
  readonly host: string;
  readonly commands: readonly string[];
}

export interface NodeSnapshot {
  readonly node: string;
  readonly host: string;
  /** The host answered. False says nothing about the service. */
  readonly reachable: boolean;
  readonly availability: Availability;
  /** The platform's own word for this node's state, always shown beside ours. */
  readonly native: string;
  /** By workload. */
  readonly roles: Readonly<Record<string, Role>>;
  /** Accepts writes now; null = could not be told. */
  readonly writable: boolean | null;
  /** A member that replicates from the active node on its timeline (or is the active node). */
  readonly joined: boolean;
  /** Not taken out of election by a drain that has not been released. */
  readonly electable: boolean;
  readonly promotion: Promotable;
  /** Null for the active node and where it could not be told. */
  readonly lag: Lag | null;
  /** By patch set item name, e.g. `postgresql`. */
  readonly versions: Readonly<Record<string, ItemVersion>>;
  /** Identity of the data, e.g. PostgreSQL's system identifier. */
  readonly systemIdentifier: string | null;
  readonly timeline: number | null;
  /** How far the log of changes on this node goes, as far as it can be told; absent where it cannot, or the platform has none. */
  readonly logEnd?: LogEnd;
  readonly bootId: string | null;
  /** Absent where the platform has no words for it. */
  readonly leftovers?: readonly Leftover[];
}

/** One yes/no look at a node or cluster, with what was seen. `passed: null` = could not be evaluated, which never counts as yes. */
export interface CheckResult {
  readonly check: string;
  readonly node?: string;
  readonly passed: boolean | null;
  /** For a person: what was seen, and where it fails, what to do next. */
  readonly detail: string;
}
