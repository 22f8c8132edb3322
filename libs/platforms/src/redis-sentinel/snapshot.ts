import type { Place } from './settings.js';

/**
 * Everything that `nextAct` needs, as one value: what each Redis says of itself, what each Sentinel says of all of them,
 * and what each host shows. The cluster's general picture is derived from this (`summary.ts`) and never the other way
 * round. Plain data, no methods.
 *
 * Positions are bytes in the stream of replication. Two compare only within one history (`history`).
 */
export interface RedisSnapshot {
  readonly cluster: string;
  /** The Sentinels' name of the master; also what the workload is called. */
  readonly master: string;
  /** RFC 3339: when the look began. */
  readonly observedAt: string;
  readonly nodes: readonly RedisNode[];
  /** Every registered Sentinel: those of the nodes, and those that run elsewhere. */
  readonly sentinels: readonly Sentinel[];
}

export interface RedisNode extends Place {
  readonly node: string;
  readonly host: string;
  /** The folder of ours on the host. */
  readonly root: string;
  readonly notPromotable?: string;
  readonly unit: Unit | Unseen;
  readonly server: Server;
}

export interface Unseen {
  readonly seen: false;
  readonly reason: string;
}

/** What the host shows of Redis's systemd unit, of its configuration file and of what we left there. */
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
  /** What we noted before we set the priority to 0; null: nothing, so the priority is its owner's. */
  readonly kept: Kept | null;
  readonly file: ConfigFile;
  readonly bootId: string | null;
  /** What `redis-server --version` says; null where it could not be asked. */
  readonly binary: Build | null;
  /** Versions of the packages that this platform runs from, by package; empty where the host has no dpkg. */
  readonly packages: Readonly<Record<string, string>>;
}

/** The priority as it was, and for which verb it was taken away. */
export interface Kept {
  readonly purpose: 'drain' | 'switchover';
  readonly priority: number;
}

/** The lines that decide about its next start, out of Redis's configuration file. */
export type ConfigFile =
  | {
      readonly read: true;
      /** 100, Redis's default, where the file does not say it. */
      readonly priority: number;
      /** Whom it follows after a start; null: nobody, it starts as a master. */
      readonly follows: Place | null;
    }
  | { readonly read: false; readonly reason: string };

/** A version and what one build of it is told from another by: a distributor's fix changes the build alone. */
export interface Build {
  readonly version: string;
  readonly build: string | null;
}

export type Server =
  | Answering
  /** No answer, or none that can be used: the reason in words. */
  | { readonly says: 'nothing'; readonly reason: string };

/** One Redis by its own account (`INFO`, `CONFIG GET`). */
export interface Answering extends Build {
  readonly says: 'answers';
  readonly role: 'master' | 'replica';
  /** It reads its data from the disk and answers no client yet. */
  readonly isLoading: boolean;
  /** Written so far as a master, received and applied as a replica. */
  readonly offset: number;
  /** `master_replid`: a new one with each master. */
  readonly history: string;
  /** Of a replica; null of a master. */
  readonly link: Link | null;
  /** Of a master: who reads its stream. */
  readonly readers: readonly Reader[];
  /** A replica further behind than this needs a whole copy. */
  readonly backlogBytes: number;
  /** `replica-priority`; null where it could not be asked. */
  readonly priority: number | null;
  /** False: Sentinels do not know of it, so it is never promoted. */
  readonly isAnnounced: boolean;
  /** It takes no writes while fewer replicas than this keep up; 0: it always does. */
  readonly leastReplicas: number;
  /** `replica-read-only`: as a replica it refuses writes. False where it could not be asked. */
  readonly isReadOnlyReplica: boolean;
  /** Redis was started with a configuration file, so that `CONFIG REWRITE` keeps what is set. */
  readonly hasConfigFile: boolean;
  /** Writes are refused or unsafe because of it, e.g. the last snapshot failed; null: nothing. */
  readonly persistenceFault: string | null;
}

export interface Link {
  readonly master: Place;
  readonly isUp: boolean;
  /** It takes a whole copy at the moment. */
  readonly isCopying: boolean;
}

export interface Reader extends Place {
  /** `online` when it receives the stream; `wait_bgsave`, `send_bulk` before. */
  readonly state: string;
  /** Confirmed by it, at most a second old. */
  readonly offset: number;
}

export interface Sentinel extends Place {
  /** The node on whose host it runs; null: on none. */
  readonly node: string | null;
  readonly view: SentinelView | { readonly says: 'nothing'; readonly reason: string };
}

/** What one Sentinel says of the master, of its replicas and of the other Sentinels. */
export interface SentinelView extends Build {
  readonly says: 'answers';
  readonly master: Place;
  /** Its words: `master`, `s_down`, `o_down`, `failover_in_progress`, `disconnected`, ... */
  readonly flags: readonly string[];
  readonly quorum: number;
  readonly downAfterMs: number;
  readonly failoverTimeoutMs: number;
  readonly parallelSyncs: number;
  readonly replicas: readonly ViewedReplica[];
  readonly peers: readonly ViewedSentinel[];
  /** `SENTINEL CKQUORUM` answered OK. */
  readonly isQuorumReached: boolean;
  /** Its answer to that, for a person. */
  readonly quorumSays: string;
  /** It saw the clock jump and takes no part in failovers for a while. */
  readonly isTilted: boolean;
}

export interface ViewedReplica extends Place {
  readonly flags: readonly string[];
  /** As of its last `INFO`, at most 10 s old while it answers. */
  readonly priority: number;
  readonly follows: Place | null;
}

export interface ViewedSentinel extends Place {
  readonly flags: readonly string[];
}

/** What a verb is to reach, with what this call saw and did so far. */
export interface RedisGoal {
  readonly verb: 'drain' | 'join' | 'release' | 'switchover' | 'stop' | 'start';
  readonly node: string;
  /** Acts of this call, by `<act> <node>`. Left out: none. */
  readonly asked?: ReadonlyMap<string, Asked>;
  /** Why this call gave the switchover up: what is left to do is to put everything back. Left out: it did not. */
  readonly gaveUp?: string;
  /** The master in this call's first look that showed one. Left out: none yet. */
  readonly firstMaster?: string;
  /** Until this call's deadline. Left out: there is none. */
  readonly leftMs?: number;
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

interface OnNode {
  readonly host: string;
  readonly node: string;
}

export type RedisAct = OnNode &
  (
    | { readonly act: 'hold' | 'free' | 'start' | 'stop' }
    /** Writes down the priority as it is, before it is taken away. */
    | { readonly act: 'keep'; readonly kept: Kept }
    | { readonly act: 'forget' }
    /** Priority 0, set and written to its configuration file. */
    | { readonly act: 'lower' }
    | { readonly act: 'restore'; readonly priority: number }
    /** Follows that node from now on, and loses its clients. */
    | { readonly act: 'follow'; readonly master: string }
    /** Takes no writes any more from a moment on at which `target` has every byte: follows itself, and loses its clients. */
    | { readonly act: 'fence'; readonly target: string }
    /** A master again, where nobody was promoted in its place. */
    | { readonly act: 'give-back'; readonly because: string }
    /** Asks the Sentinel at `sentinel` to promote; entered on the host of the node that it will choose. */
    | { readonly act: 'failover'; readonly sentinel: Place }
  );
