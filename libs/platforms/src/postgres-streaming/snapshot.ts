import type { Server, Upstream } from '../postgres/answering.js';

export type { Answering, Sender, Server, Slot, Upstream } from '../postgres/answering.js';

/**
 * Everything that `nextAct` needs, as one value: what lies on each host's disk and what each server says. The
 * cluster's general picture is derived from this (`summary.ts`) and never the other way round. Plain data, no
 * methods: a simulated world can make one too.
 *
 * Positions in the WAL are numbers of bytes (exact up to 2^53, nine petabytes of WAL).
 */
export interface PostgresSnapshot {
  readonly cluster: string;
  readonly database: string;
  /** RFC 3339: when the look began. */
  readonly observedAt: string;
  readonly lagCeilingBytes: number;
  readonly nodes: readonly PostgresNode[];
}

export interface PostgresNode {
  readonly node: string;
  readonly host: string;
  readonly notPromotable?: string;
  readonly address: string;
  readonly port: number;
  /** Name of the physical slot that this node uses on whichever node is active. */
  readonly slot: string;
  readonly disk: Disk | Unseen;
  readonly server: Server;
}

export interface Unseen {
  readonly seen: false;
  readonly reason: string;
}

/** State of the data folder as its control file says (`DBState` in PostgreSQL's catalog/pg_control.h). */
export type ControlState =
  | 'starting'
  | 'shut-down'
  | 'shut-down-in-recovery'
  | 'shutting-down'
  | 'in-crash-recovery'
  | 'in-archive-recovery'
  | 'in-production';

export interface Disk {
  readonly seen: true;
  readonly bootId: string | null;
  /** A postmaster of this data folder is alive. */
  readonly process: boolean;
  /** PostgreSQL comes up with the host. */
  readonly autostart: boolean;
  /** Present: the node was drained by us and not released. */
  readonly drained: boolean;
  readonly standbySignal: boolean;
  /** The old value of `synchronous_standby_names` is kept on this host while it is relaxed for a drained node. */
  readonly relaxedFor: string | null;
  readonly switchover: SwitchoverMark | null;
  readonly control: {
    readonly systemIdentifier: string;
    readonly state: ControlState;
    readonly checkpointLsn: number;
    readonly timeline: number;
  } | null;
  readonly upstream: Upstream | null;
  /** What the next start would run, e.g. `17.10`; null when the program does not say. */
  readonly installedVersion: string | null;
}

/** Kept on the old active node's host from the checkpoint to the end of a switchover. */
export interface SwitchoverMark {
  /** The step's key. */
  readonly key: string;
  readonly target: string;
  /** Where the active node's WAL was when the mark was made: a checkpoint after it is written and confirmed before the stop. */
  readonly freshLsn: number;
  /** 1, or 2 when the confirmation was asked for once more. */
  readonly round: number;
  /** How old the mark is and how long ago the stop was asked for, by the host's own clock; null: not asked for. */
  readonly freshAgeMs: number;
  readonly stopAgeMs: number | null;
  /** The stop did not end within its deadline. */
  readonly stopMissed: boolean;
  /** False: certainly nobody has tried to promote the target since the stop. Left out, or true: somebody may have. */
  readonly promoting?: boolean;
  /** The old active node is being started again: its start was decided and may have failed or been cut off. */
  readonly returning?: boolean;
  /** The old active node was started again instead of being replaced: this switchover is over. */
  readonly returned: boolean;
}

/** What a verb is to reach, with everything that the plan fixed. */
export interface PostgresGoal {
  readonly verb: 'drain' | 'join' | 'release' | 'switchover' | 'stop' | 'start';
  readonly node: string;
  readonly key: string;
  /** The longest that the active node's stop may take before it is started again. */
  readonly stopDeadlineMs: number;
  /** Time left until the verb's deadline, at this look; left out: no deadline. */
  readonly remainingMs?: number;
  /** A login for standbys is known, so any node can be pointed at any other. */
  readonly canRepoint: boolean;
  /** What this call saw first, by node that took writes then. Left out: this is the first look. */
  readonly firstSeen?: ReadonlyMap<string, FirstSeen>;
  /** Starts of this call after which the server was never seen to answer, by node. Left out: none. */
  readonly startsInVain?: ReadonlyMap<string, StartsInVain>;
}

export interface FirstSeen {
  /** Where its WAL was. */
  readonly lsn: number;
  /** How long ago that was, or the end of the last checkpoint that this call asked it for, by the caller's clock. */
  readonly askedAgoMs: number;
}

export interface StartsInVain {
  readonly times: number;
  /** The end of the server's own log, without secrets; empty where it was not read. */
  readonly said: string;
}

export type PostgresAct =
  | {
      readonly act: 'relax-synchronous';
      readonly host: string;
      readonly node: string;
      readonly names: string;
      readonly drained: string;
    }
  | { readonly act: 'restore-synchronous'; readonly host: string; readonly node: string }
  | { readonly act: 'mark-drained'; readonly host: string; readonly node: string }
  | { readonly act: 'release'; readonly host: string; readonly node: string }
  | { readonly act: 'stop'; readonly host: string; readonly node: string }
  | { readonly act: 'start'; readonly host: string; readonly node: string }
  | { readonly act: 'repoint'; readonly host: string; readonly node: string; readonly upstream: string }
  | { readonly act: 'create-slots'; readonly host: string; readonly node: string; readonly slots: readonly string[] }
  | { readonly act: 'drop-slots'; readonly host: string; readonly node: string; readonly slots: readonly string[] }
  | {
      readonly act: 'record-position';
      readonly host: string;
      readonly node: string;
      readonly target: string;
      readonly lsn: number;
      readonly round: number;
    }
  | { readonly act: 'checkpoint'; readonly host: string; readonly node: string }
  /** Stops it and, once it has ended within the limit, marks it as a standby of `upstream`. */
  | {
      readonly act: 'stop-active';
      readonly host: string;
      readonly node: string;
      readonly limitMs: number;
      readonly upstream: string;
    }
  | { readonly act: 'stop-at-once'; readonly host: string; readonly node: string }
  /** `unlessPromoting`: decided because no promotion was announced; the host refuses it when one has been since. */
  | { readonly act: 'return-active'; readonly host: string; readonly node: string; readonly unlessPromoting?: true }
  | { readonly act: 'mark-standby'; readonly host: string; readonly node: string; readonly upstream: string }
  | { readonly act: 'unmark-standby'; readonly host: string; readonly node: string }
  /** Writes on the old active node's host that a promotion may have begun; nothing is promoted before that. */
  | { readonly act: 'announce-promotion'; readonly host: string; readonly node: string }
  | {
      readonly act: 'promote';
      readonly host: string;
      readonly node: string;
      readonly systemIdentifier: string;
      readonly timeline: number;
      /** Where its replay stood still: a standby that has replayed more since is fed by somebody who writes. */
      readonly replayedLsn: number | null;
      /** It was seen to receive: from the old active node, which somebody started as the standby that it is marked as. */
      readonly receives: boolean;
    }
  | { readonly act: 'end-switchover'; readonly host: string; readonly node: string };
