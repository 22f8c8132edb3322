/**
 * Everything that `nextAct` needs, as one value: what each node's host shows of the cluster stack, and what the cluster says
 * when it is asked there (`crm_mon`, the configuration in the CIB, corosync's quorum). The cluster's general picture is
 * derived from this (`summary.ts`) and never the other way round. Plain data, no methods.
 */
export interface PacemakerSnapshot {
  readonly cluster: string;
  /** Ids of the resources that are protected: a group, a primitive or a promotable clone each. */
  readonly workloads: readonly string[];
  /** Ids of other resources that a drain may move. */
  readonly mayMove: readonly string[];
  /** Its owner says that there is no fencing. */
  readonly isFencingOff: boolean;
  /** RFC 3339: when the look began. */
  readonly observedAt: string;
  readonly nodes: readonly PacemakerNode[];
}

export interface PacemakerNode {
  readonly node: string;
  /** Pacemaker's name of it. */
  readonly member: string;
  readonly host: string;
  readonly notPromotable?: string;
  readonly stack: Stack | Unseen;
  readonly view: View;
}

export interface Unseen {
  readonly seen: false;
  readonly reason: string;
}

/** What the host shows of the two units of the stack, and of what we left there. */
export interface Stack {
  readonly seen: true;
  readonly pacemaker: UnitState;
  readonly corosync: UnitState;
  /** Our mark: this node was put on standby by us. */
  readonly standbyIsOurs: boolean;
  readonly bootId: string | null;
  /** Versions of the packages that the stack runs from, by package; empty where the host has no dpkg. */
  readonly packages: Readonly<Record<string, string>>;
  /** SHA-256 of corosync's configuration; null: it cannot be read. */
  readonly corosyncConf: string | null;
}

export interface UnitState {
  /** systemd's own words, e.g. `active`, `inactive`, `failed`, `activating`, `deactivating`. */
  readonly activeState: string;
  readonly subState: string;
  readonly result: string;
  /** A boot starts it. */
  readonly enabled: boolean;
  /** Our drop-in prevents every start of the unit. */
  readonly held: boolean;
}

export type View =
  | Answering
  /** Nothing that can be used came, or nothing was asked: the reason in words. */
  | { readonly says: 'nothing'; readonly reason: string };

/** The cluster as it is seen from one node. */
export interface Answering {
  readonly says: 'answers';
  readonly crm: CrmStatus;
  readonly cib: Cib;
  readonly quorum: Quorum;
  /** Units whose running program is no longer the one on the disk. */
  readonly replaced: readonly string[];
}

/** `crm_mon --output-as=xml`, read. */
export interface CrmStatus {
  /** The designated controller's name; null: there is none. */
  readonly dc: string | null;
  readonly dcVersion: string | null;
  readonly hasQuorum: boolean;
  readonly isFencing: boolean;
  /** `stop`, `freeze`, `ignore`, `demote`, `suicide`, `fence`. */
  readonly noQuorumPolicy: string;
  readonly isMaintenance: boolean;
  readonly isStopAll: boolean;
  readonly members: readonly Member[];
  readonly resources: readonly Resource[];
  /** Node attributes, by member and name, e.g. the promotion score `master-db`. */
  readonly attributes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly failures: readonly Failure[];
  /** Devices that were asked to fence and did not, or are at it. */
  readonly fencing: readonly string[];
}

export interface Member {
  readonly name: string;
  readonly id: string;
  readonly isOnline: boolean;
  readonly isStandby: boolean;
  readonly isMaintenance: boolean;
  readonly isPending: boolean;
  /** It needs to be fenced: what it does is not known. */
  readonly isUnclean: boolean;
  readonly isLeaving: boolean;
  readonly isDc: boolean;
  readonly health: string;
  /** `member`, `remote`, ... */
  readonly type: string;
}

/** A resource as the configuration has it at its top: a group's and a clone's parts are its instances. */
export interface Resource {
  readonly id: string;
  readonly kind: 'primitive' | 'group' | 'clone' | 'bundle';
  readonly isPromotable: boolean;
  readonly instances: readonly Instance[];
}

export interface Instance {
  readonly id: string;
  readonly agent: string;
  /** Pacemaker's word: `Started`, `Stopped`, `Promoted`, `Unpromoted`, `Starting`, `Stopping`, ... Older ones are translated. */
  readonly role: string;
  /** Members that it is active on; more than one is a fault. */
  readonly on: readonly string[];
  readonly isFailed: boolean;
  readonly isBlocked: boolean;
  readonly isManaged: boolean;
  readonly isOrphaned: boolean;
  /** What is under way with it, e.g. `Starting`; null: nothing. */
  readonly pending: string | null;
}

/** A failed action that Pacemaker still remembers. */
export interface Failure {
  readonly resource: string;
  readonly task: string;
  readonly member: string;
  /** For a person. */
  readonly what: string;
}

/** What of the configuration the driver decides by; parameters of resources never leave the host. */
export interface Cib {
  readonly clusterName: string | null;
  /** Cluster properties, by name. */
  readonly properties: Readonly<Record<string, string>>;
  readonly constraints: readonly Constraint[];
  readonly resources: readonly ConfiguredResource[];
  /** `resource-stickiness` of the defaults for all resources; null: not set. */
  readonly defaultStickiness: number | null;
}

export interface Constraint {
  readonly id: string;
  /** `rsc_location`, `rsc_colocation`, `rsc_order`, `rsc_ticket`. */
  readonly kind: string;
  readonly resource: string | null;
  readonly member: string | null;
  readonly role: string | null;
  readonly score: string | null;
}

export interface ConfiguredResource {
  readonly id: string;
  /** The group or clone that it is a part of; null: none. */
  readonly within: string | null;
  /** e.g. `ocf:heartbeat:IPaddr2`; of a group or clone its kind. */
  readonly type: string;
  readonly meta: Readonly<Record<string, string>>;
  /** e.g. `monitor 10s`, with its attributes but the id. */
  readonly operations: Readonly<Record<string, string>>;
}

/** Corosync's votes, as `corosync-quorumtool` counts them. Null where it did not say. */
export interface Quorum {
  readonly expected: number | null;
  readonly total: number | null;
  /** Votes that are needed. */
  readonly needed: number | null;
  readonly isQuorate: boolean | null;
  /** e.g. `2Node`, `WaitForAll`, `Qdevice`. */
  readonly flags: readonly string[];
  /** By corosync's node id: the votes of those that are present. */
  readonly votes: Readonly<Record<string, number>>;
}

/** What Pacemaker's scheduler foretells of an act, on a copy of the CIB. */
export type Trial = Foretold | { readonly says: 'nothing'; readonly reason: string };

export interface Foretold {
  readonly says: 'answers';
  readonly after: readonly Resource[];
  /** Of a move: after it was cleared again. */
  readonly back: readonly Resource[] | null;
}

/** What a trial is about: each is made on the host of the node. */
export interface TrialQuestion {
  readonly change: 'standby' | 'online' | 'unban' | 'move';
  readonly node: string;
  readonly resource: string;
}

/** What a verb is to reach, with what this call saw and did so far. */
export interface PacemakerGoal {
  readonly verb: 'drain' | 'join' | 'release' | 'switchover' | 'stop' | 'start';
  readonly node: string;
  readonly workload: string;
  /** Acts of this call, by `<act> <node>`. Left out: none. */
  readonly asked?: ReadonlyMap<string, Asked>;
  /** For how long this call has seen the same state of the nodes and of the workload. Left out: since this look. */
  readonly unchangedMs?: number;
  /** What was foretold of the verb's own change, asked once in this call. Left out: it was not asked. */
  readonly trial?: Trial;
}

/** What became of an act in this call. */
export interface Asked {
  readonly times: number;
  /** `refused`: an answer came, and it was no. `unknown`: none came. */
  readonly outcome: 'ended' | 'refused' | 'unknown';
  /** What was answered, for a person. */
  readonly said: string;
}

/** Each is done on the node's own host. */
export type PacemakerAct =
  | { readonly act: PlainAct; readonly host: string; readonly node: string }
  /** `ban`, `unban`: the node itself. `move`: the resource is told to prefer the node; `clear` takes that away. */
  | { readonly act: 'ban' | 'unban' | 'clear'; readonly host: string; readonly node: string; readonly resource: string }
  | {
      readonly act: 'move';
      readonly host: string;
      readonly node: string;
      readonly resource: string;
      readonly member: string;
    };

export type PlainAct =
  | 'standby'
  | 'online'
  | 'hold-pacemaker'
  | 'hold-corosync'
  | 'free-corosync'
  | 'free-pacemaker'
  | 'start'
  | 'stop-pacemaker'
  | 'stop-corosync';
