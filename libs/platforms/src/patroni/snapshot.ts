import type { Server } from '../postgres/answering.js';

/**
 * Everything that `nextAct` needs, as one value: what each member's REST API says of itself and of the cluster, what its
 * server says over SQL, what its host shows, and what etcd says. The cluster's general picture is derived from this
 * (`summary.ts`) and never the other way round. Plain data, no methods.
 *
 * Positions in the WAL are numbers of bytes, as Patroni gives them.
 */
export interface PatroniSnapshot {
  readonly cluster: string;
  readonly scope: string;
  readonly database: string;
  /** RFC 3339: when the look began. */
  readonly observedAt: string;
  readonly nodes: readonly PatroniNode[];
  /** Patroni's dynamic configuration; null: nobody told it. */
  readonly config: DynamicConfig | null;
  /** Null: the cluster's settings name no etcd member, so only Patroni can say whether its store answers. */
  readonly etcd: Etcd | null;
  /** Its owner says that none of the nodes carries a member of Patroni's store. */
  readonly isStoreElsewhere: boolean;
}

export interface PatroniNode {
  readonly node: string;
  /** Patroni's name of it. */
  readonly member: string;
  readonly host: string;
  readonly notPromotable?: string;
  readonly unit: Unit | Unseen;
  readonly api: MemberApi;
  readonly server: Server;
}

export interface Unseen {
  readonly seen: false;
  readonly reason: string;
}

/** What the host shows of Patroni's systemd unit and of what we left there. */
export interface Unit {
  readonly seen: true;
  readonly name: string;
  /** systemd's own words, e.g. `active`, `inactive`, `failed`, `activating`, `deactivating`. */
  readonly activeState: string;
  readonly subState: string;
  /** How it last ended, e.g. `success`, `exit-code`, `oom-kill`. */
  readonly result: string;
  /** A boot starts it. */
  readonly enabled: boolean;
  /** Our drop-in prevents every start of the unit. */
  readonly held: boolean;
  /** Our file with the tag `nofailover`, or the drop-in that makes Patroni read it, lies there. */
  readonly tagged: boolean;
  /** Something on the host listens on the server's port: with Patroni gone, PostgreSQL may still run below nobody. */
  readonly listens: boolean;
  readonly bootId: string | null;
  /** What `postgres --version` says for each PostgreSQL on the disk, e.g. `15.20`. */
  readonly binaries: readonly string[];
  /** Versions of the packages that this platform runs from, by package; empty where the host has no dpkg. */
  readonly packages: Readonly<Record<string, string>>;
}

export type MemberApi =
  | ApiAnswering
  /** No answer, or none that can be used (another cluster's, an error page): the reason in words. */
  | { readonly says: 'nothing'; readonly reason: string };

export interface ApiAnswering {
  readonly says: 'answers';
  /** `GET /patroni`. */
  readonly member: MemberState;
  /** `GET /primary` answered 200: by its own account it holds the leader key. Null: it could not be asked. */
  readonly holdsKey: boolean | null;
  /** `GET /cluster`; null with a reason in `viewReason`. */
  readonly view: ClusterView | null;
  readonly viewReason: string;
}

/** `GET /patroni`, read. Fields that only some versions have are null or false where they are left out. */
export interface MemberState {
  /** Patroni's word for the state of PostgreSQL: `running`, `streaming`, `starting`, `stopped`, `start failed`, ... */
  readonly state: string;
  /** Patroni's word: `master` before 4.0, `primary` since; `replica`, `standby_leader`, `demoted`, ... */
  readonly role: string;
  readonly timeline: number | null;
  /** `server_version` of the process that runs, e.g. `15.18`. */
  readonly serverVersion: string | null;
  /** Written so far; null on a replica. */
  readonly location: number | null;
  readonly received: number | null;
  readonly replayed: number | null;
  readonly replayPaused: boolean;
  /** Since 4.0; null where the version does not say. */
  readonly replicationState: string | null;
  readonly senders: readonly MemberSender[];
  readonly isSynchronous: boolean;
  readonly isPaused: boolean;
  readonly pendingRestart: boolean;
  readonly scheduledRestart: boolean;
  /** No member holds the leader key, as far as this one knows. */
  readonly isUnlocked: boolean;
  readonly isFailsafeActive: boolean;
  readonly isWatchdogFailed: boolean;
  readonly tags: Tags;
  readonly systemIdentifier: string | null;
  readonly patroniVersion: string | null;
  /** For how long it has not reached its store, by its own clock and to the second; null where the version does not say. */
  readonly storeUnseenMs: number | null;
}

export interface MemberSender {
  /** The name that the other side reports: with Patroni, its member name. */
  readonly member: string;
  readonly state: string;
  readonly syncState: string;
}

/** The tags that the driver decides by. */
export interface Tags {
  readonly nofailover: boolean;
  readonly nosync: boolean;
  readonly noloadbalance: boolean;
  /** The member that it replicates from while that one runs. */
  readonly replicatefrom: string | null;
}

/** `GET /cluster` as one member gives it: what lies in the store, which may be older than the truth. */
export interface ClusterView {
  readonly members: readonly ViewedMember[];
  readonly isPaused: boolean;
  /** In words, null: none. */
  readonly scheduledSwitchover: string | null;
}

export interface ViewedMember {
  readonly name: string;
  /** `leader`, `standby_leader`, `sync_standby`, `quorum_standby`, `replica`. */
  readonly role: string;
  readonly state: string;
  readonly timeline: number | null;
  readonly tags: Tags;
}

/** What of `GET /config` the driver decides by. Defaults are Patroni's own. */
export interface DynamicConfig {
  readonly ttlMs: number;
  readonly loopWaitMs: number;
  readonly retryTimeoutMs: number;
  /** `maximum_lag_on_failover`: Patroni's promotion ceiling. */
  readonly lagCeilingBytes: number;
  readonly synchronousMode: 'off' | 'on' | 'quorum';
  /** Writes are blocked rather than made without a synchronous standby. */
  readonly isSynchronousStrict: boolean;
  readonly isFailsafe: boolean;
  /** The whole cluster follows another one and takes no writes. */
  readonly isStandbyCluster: boolean;
}

export interface Etcd {
  /** Voting members, as etcd lists them; empty where no list could be had. */
  readonly voters: readonly EtcdMember[];
  /** Sentences: what could not be asked. */
  readonly unanswered: readonly string[];
}

export interface EtcdMember {
  readonly name: string;
  /** The node on whose host it runs; null: on none. */
  readonly node: string | null;
  /** It says that it is healthy: it has a leader and commits. */
  readonly isHealthy: boolean;
}

/** What a verb is to reach, with what this call saw and did so far. */
export interface PatroniGoal {
  readonly verb: 'drain' | 'join' | 'release' | 'switchover' | 'stop' | 'start';
  readonly node: string;
  /** Acts of this call, by `<act> <node>`. Left out: none. */
  readonly asked?: ReadonlyMap<string, Asked>;
  /** Acts that this call or an earlier one under the same key performed on the leader, and that need no second time. */
  readonly done?: ReadonlySet<PatroniAct['act']>;
  /** Until the call's deadline. Left out: long enough. */
  readonly remainingMs?: number;
  /** The member that led in this call's first look that showed one. Left out: none yet. */
  readonly firstLeader?: string;
  /** Where the leader's WAL was in the first look after a fresh record was written. Left out: none is known to be written. */
  readonly fresh?: { readonly lsn: number; readonly agoMs: number };
  /** For how long this call has seen the same state of the node itself. Left out: since this look. */
  readonly unchangedMs?: number;
  /** Since when this call has seen PostgreSQL below a running Patroni fail, and not seen it run. Left out: it has not. */
  readonly failingMs?: number;
}

/** What became of an act in this call. */
export interface Asked {
  readonly times: number;
  readonly agoMs: number;
  /** `refused`: an answer came, and it was no. `unknown`: none came. */
  readonly outcome: 'ended' | 'refused' | 'unknown';
  /** What was answered, for a person. */
  readonly said: string;
}

export type PatroniAct =
  | { readonly act: 'tag'; readonly host: string; readonly node: string }
  | { readonly act: 'untag'; readonly host: string; readonly node: string }
  | { readonly act: 'hold'; readonly host: string; readonly node: string }
  | { readonly act: 'free'; readonly host: string; readonly node: string }
  | { readonly act: 'start'; readonly host: string; readonly node: string }
  | { readonly act: 'stop'; readonly host: string; readonly node: string }
  /** On the leader: makes the one short that Patroni runs before it stops PostgreSQL. */
  | { readonly act: 'checkpoint'; readonly host: string; readonly node: string }
  /** One record in the leader's WAL: who has confirmed it does not hang. */
  | { readonly act: 'write-position'; readonly host: string; readonly node: string }
  /** On the leader's host: Patroni is asked to move the workload to `candidate`. */
  | { readonly act: 'switchover'; readonly host: string; readonly node: string; readonly candidate: string };
