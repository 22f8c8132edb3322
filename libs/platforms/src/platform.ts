import type { CheckResult, ClusterDefinition, ClusterSnapshot, HaLayer, NodeDefinition, Verb } from '@understudy/cluster';
import type { Fence, Host } from '@understudy/hosts';

/** What a driver needs to speak to one cluster. Secrets are resolved values; they never leave the driver. */
export interface ClusterTarget {
  readonly definition: ClusterDefinition;
  /** By host slug. */
  readonly hosts: Readonly<Record<string, Host>>;
  /** By purpose, as in `ClusterDefinition.credentials`. */
  readonly secrets: Readonly<Record<string, Secret>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Secret {
  readonly user: string;
  readonly password: string;
}

/** A verb is a goal; calling `perform` again with the same key resumes where reality is. */
export interface VerbRequest {
  readonly verb: Verb;
  readonly workload: string;
  /** The node that the verb is about; for `switchover` the node that shall serve afterwards. */
  readonly node: string;
  /** The step's key; each act on a host is entered as `<key>/<act>/<n>`. */
  readonly key: string;
  readonly fence: Fence;
  /** Milliseconds since the epoch. */
  readonly deadlineAt: number;
  /** Verb parameters that the plan fixed, e.g. `{ "stopDeadlineMs": "2000" }`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Called before each act: a freeze stops here. A driver that must not stop (the active is down) says so by `binding`. */
  readonly mayGoOn: (next: { readonly act: string; readonly binding: boolean }) => boolean;
  /** Called after each act, for progress. Never throws. */
  readonly onAct: (act: ActReport) => void;
}

export interface ActReport {
  readonly act: string;
  readonly host: string;
  readonly tookMs: number;
  readonly detail: string;
}

/** `asked`: the deadline is over, and the platform was asked for something that it may still do. */
export type UnknownCause = 'deadline' | 'fenced' | 'frozen' | 'unreachable' | 'asked';

export type VerbResult =
  | { readonly status: 'met'; readonly acts: readonly ActReport[]; readonly snapshot: ClusterSnapshot }
  /** The goal cannot be reached from here; nothing more was tried. */
  | { readonly status: 'stuck'; readonly reason: string; readonly acts: readonly ActReport[]; readonly snapshot: ClusterSnapshot }
  /** Deadline missed, fenced, frozen or a link lost: observe. */
  | {
      readonly status: 'unknown';
      readonly cause: UnknownCause;
      readonly reason: string;
      readonly acts: readonly ActReport[];
    };

/** `moving` (unless told): the workload will switch over. `staying`: it is stopped and started where it is, and needs no standby. */
export type Purpose = 'moving' | 'staying';

export interface ClientPlace {
  /** Name or address, without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
}

/** One thing seen that speaks for or against an HA layer. */
export interface Evidence {
  readonly supports: HaLayer;
  /** A sentence with what was seen and where. */
  readonly detail: string;
}

export interface VersionPair {
  readonly allowed: boolean;
  /** What going back means once a node of the newer version has been active. */
  readonly wayBack: 'lossless' | 'lossy' | 'none';
  readonly reason: string;
}

/** One setting, rule or version of one node, for drift. Secret values are redacted before they leave the driver. */
export interface Fact {
  /** e.g. `setting`, `authentication`, `extension`, `version`, `archiving`, `certificate`, `collation`, `replication`. */
  readonly area: string;
  readonly name: string;
  /** The value it will have after a reload or restart; what drift compares. */
  readonly value: string;
  /** The running value where it differs from `value`. */
  readonly runningValue?: string;
  /** `value` is a keyed hash: equal or different can be told, nothing else. */
  readonly secret?: true;
}

export interface NodeFacts {
  readonly node: string;
  readonly collectedAt: string;
  readonly facts: readonly Fact[];
  /** What could not be collected, and why. */
  readonly missing: readonly string[];
}

export interface PlatformDriver {
  readonly platform: string;
  /** How invariant 17 is held by this driver, in one sentence; printed in plans. */
  readonly writeSafety: string;
  /** Cluster settings and node settings it understands, for validation at registration: unknown ones are refused. */
  readonly settings: { readonly cluster: readonly string[]; readonly node: readonly string[] };
  /** Where a client of the workload reaches a node; left out: nowhere, only the cluster's owner can say. Throws for settings that cannot be used. */
  clientPlace?(definition: ClusterDefinition, node: NodeDefinition): ClientPlace;
  /** Looks for what protects this cluster; never believes what was declared. */
  evidence(target: ClusterTarget, deadlineMs: number): Promise<readonly Evidence[]>;
  /** One complete picture. Never throws for what the cluster does: it answers `complete: false`. */
  observe(target: ClusterTarget, deadlineMs: number): Promise<ClusterSnapshot>;
  /** Health before a rollout (its preflight), in the platform's own terms. Changes nothing. */
  preflight(target: ClusterTarget, workload: string, deadlineMs: number, purpose?: Purpose): Promise<readonly CheckResult[]>;
  /** The built-in minimum that a node must pass before it may serve or is called done; `asActive` adds writes and archiving. */
  validate(
    target: ClusterTarget,
    workload: string,
    node: string,
    asActive: boolean,
    deadlineMs: number,
  ): Promise<readonly CheckResult[]>;
  /** Facts of every node for drift, redacted by allow-list; `keyedHash` hides secrets. */
  facts(target: ClusterTarget, keyedHash: (value: string) => string, deadlineMs: number): Promise<readonly NodeFacts[]>;
  /** One direction; both are asked: there, and the way back. A `lossless` way back is one whose own direction is allowed. */
  versionPair(item: string, from: string, to: string): VersionPair;
  /** What decides whether an old switchover result still holds: platform, nodes, versions, settings that matter; not roles or timeline. */
  fingerprintInput(snapshot: ClusterSnapshot, facts: readonly NodeFacts[]): string;
  perform(target: ClusterTarget, request: VerbRequest): Promise<VerbResult>;
}
