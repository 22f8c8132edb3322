/**
 * The node journal: every mutating act on a host is entered here before and after, under a key that runs once and
 * an epoch that never goes back. One POSIX sh program on the host keeps it, reached through the host's access.
 */

/** Who may act: the log (a restored or foreign log is another authority) and the position of the adoption in it. */
export interface Fence {
  readonly logId: string;
  /** The log position of the owner's `RolloutAdopted`. */
  readonly epoch: number;
}

export interface ActRequest {
  /** `<step key>/<act name>/<n>`; a key that was begun never runs again. */
  readonly key: string;
  readonly fence: Fence;
  readonly argv: readonly [string, ...string[]];
  readonly stdin?: string;
  readonly deadlineMs: number;
}

export type ActResult =
  /** The act ran to its end now, or earlier under this key (`repeated`): its recorded exit code and output. */
  | {
      readonly status: 'ended';
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
      readonly repeated: boolean;
    }
  /** Begun and no end recorded, or the link was lost: observe before anything else. */
  | { readonly status: 'unknown'; readonly reason: string }
  /** The host has seen a higher epoch, or another log: this orchestrator is no longer the owner. Nothing was done. */
  | { readonly status: 'fenced'; readonly seen: Fence };

/** An act that is performed over another channel than the host's access (SQL, a platform's API) and entered here around it. */
export interface OutsideAct {
  readonly key: string;
  readonly fence: Fence;
  readonly deadlineMs: number;
}

export type BeginResult =
  /** Entered and synced now: the caller performs the act once, then calls `end`. */
  | { readonly status: 'begun' }
  /** The key was begun and ended before: do not perform it again. */
  | { readonly status: 'known'; readonly code: number }
  /** Begun before and no end recorded, or the link was lost: observe before anything else, perform nothing. */
  | { readonly status: 'unknown'; readonly reason: string }
  /** As for `ActResult`. Nothing was entered. */
  | { readonly status: 'fenced'; readonly seen: Fence };

export interface JournalEntry {
  readonly key: string;
  readonly epoch: number;
  readonly begunAt: string;
  readonly ended?: { readonly at: string; readonly code: number };
}

export interface HostJournal {
  /** Lets `fence` in and every lower epoch out. Idempotent. `fenced` when a higher one was seen before. */
  raise(
    fence: Fence,
    deadlineMs: number,
  ): Promise<{ status: 'raised' } | { status: 'fenced'; seen: Fence } | { status: 'unknown'; reason: string }>;
  act(request: ActRequest): Promise<ActResult>;
  /** Enters an outside act before it is sent, under the same rules of key and epoch as `act`. */
  begin(act: OutsideAct): Promise<BeginResult>;
  /** Records how an outside act ended (0 = it said so itself). A late or repeated end changes nothing that is recorded. */
  end(act: OutsideAct, code: number): Promise<{ status: 'recorded' } | { status: 'unknown'; reason: string }>;
  /** Entries whose key starts with `prefix`, oldest first. */
  entries(
    prefix: string,
    deadlineMs: number,
  ): Promise<{ status: 'read'; entries: readonly JournalEntry[] } | { status: 'unknown'; reason: string }>;
}
