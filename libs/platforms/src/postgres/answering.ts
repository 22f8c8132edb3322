/**
 * What one PostgreSQL server says over SQL, as plain data. Every driver of a product that runs PostgreSQL reads it.
 *
 * Positions in the WAL are numbers of bytes (exact up to 2^53, nine petabytes of WAL).
 */
export type Server =
  | Answering
  /** It accepts no session now and says why. */
  | { readonly says: 'starting' | 'stopping' }
  /** It runs, and lets us in no session: too many clients, a wrong login, a missing database. */
  | { readonly says: 'refuses'; readonly reason: string }
  | { readonly says: 'nothing'; readonly reason: string };

/** Why a server gave no look, in words; empty where it did. */
export function silenceOf(server: Server): string {
  switch (server.says) {
    case 'answers':
      return '';
    case 'nothing':
    case 'refuses':
      return server.reason;
    default:
      return `it is ${server.says}`;
  }
}

export interface Answering {
  readonly says: 'answers';
  readonly inRecovery: boolean;
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Since when it runs, by its own clock. */
  readonly upForMs: number;
  readonly version: string;
  /** The version of the package that it was built as, where the distributor writes it into the version. */
  readonly packageVersion?: string;
  readonly clusterName: string;
  /** Written so far; null on a standby. */
  readonly currentLsn: number | null;
  readonly receivedLsn: number | null;
  readonly replayedLsn: number | null;
  readonly replayPaused: boolean;
  readonly applyDelayMs: number;
  readonly synchronousNames: string;
  readonly upstream: Upstream | null;
  readonly receiver: { readonly status: string; readonly host: string | null; readonly port: number | null } | null;
  readonly senders: readonly Sender[];
  readonly slots: readonly Slot[];
  /** Positions of `CHECKPOINT_SHUTDOWN` records of stopped nodes that this standby has replayed. */
  readonly replayedShutdowns: readonly number[];
  /** It has shown a checkpoint's record among those asked for: what `replayedShutdowns` needs works here. */
  readonly showsRecords: boolean;
}

export interface Sender {
  readonly pid: number;
  readonly applicationName: string;
  /** `streaming`, `catchup`, `startup`, `backup`, `stopping`. */
  readonly state: string;
  /** Confirmed by the other side to be safe there; null before its first answer. */
  readonly confirmedLsn: number | null;
  readonly syncState: string;
  readonly slot: string | null;
}

export interface Slot {
  readonly name: string;
  readonly kind: string;
  readonly active: boolean;
  readonly walStatus: string | null;
}

/** `primary_conninfo` reduced to keywords that hold no secret, and the slot. */
export interface Upstream {
  readonly host: string | null;
  readonly port: number | null;
  readonly applicationName: string | null;
  readonly slot: string | null;
  /** How the link is secured and kept alive (`sslmode=... keepalives=...`): kept when the node is pointed elsewhere. */
  readonly link: string;
}
