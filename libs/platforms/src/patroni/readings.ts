import type { ClusterView, DynamicConfig, MemberSender, MemberState, Tags, ViewedMember } from './snapshot.js';
import { objectOf } from './transport.js';

/**
 * Pure readers of what Patroni's REST API answers (`api.py`, `cluster_as_json` in `utils.py`; 3.0 to 4.1). A field of
 * another shape is read as left out; a body that cannot be read at all is undefined, never a guess.
 */

type Fields = Readonly<Record<string, unknown>>;

/**
 * `GET /patroni`.
 * @param atMs when it was answered, by the member's clock; null: not known.
 * @returns a sentence instead when it is about another cluster or member.
 */
export function readMember(
  body: string,
  scope: string,
  member: string,
  atMs: number | null = null,
): MemberState | string | undefined {
  const fields = objectOf(body);
  const state = text(fields?.['state']);
  const role = text(fields?.['role']);
  if (fields === undefined || state === null || role === null) return undefined;
  const patroni = object(fields['patroni']);
  const [itsScope, itsName] = [text(patroni['scope']), text(patroni['name'])];
  if (itsScope !== null && itsScope !== scope) return `it belongs to the cluster "${itsScope}", not to "${scope}"`;
  if (itsName !== null && itsName !== member) return `it is the member "${itsName}", not "${member}"`;
  return {
    state,
    role,
    timeline: number(fields['timeline']),
    serverVersion: versionOf(number(fields['server_version'])),
    ...positions(object(fields['xlog'])),
    replicationState: text(fields['replication_state']),
    senders: list(fields['replication']).map(readSender),
    isSynchronous: fields['sync_standby'] === true || fields['quorum_standby'] === true,
    isPaused: fields['pause'] === true,
    pendingRestart: fields['pending_restart'] === true,
    scheduledRestart: fields['scheduled_restart'] !== undefined,
    isUnlocked: fields['cluster_unlocked'] === true,
    isFailsafeActive: fields['failsafe_mode_is_active'] === true,
    isWatchdogFailed: fields['watchdog_failed'] === true,
    tags: readTags(fields['tags']),
    systemIdentifier: text(fields['database_system_identifier']),
    patroniVersion: text(patroni['version']),
    storeUnseenMs: storeUnseenMs(number(fields['dcs_last_seen']), atMs),
  };
}

/** `dcs_last_seen` (since 3.0): seconds since 1970; 0 before it was ever seen. */
function storeUnseenMs(seenAtS: number | null, atMs: number | null): number | null {
  return seenAtS === null || seenAtS === 0 || atMs === null ? null : Math.max(0, atMs - seenAtS * 1_000);
}

function positions(xlog: Fields): Pick<MemberState, 'location' | 'received' | 'replayed' | 'replayPaused'> {
  return {
    location: number(xlog['location']),
    received: number(xlog['received_location']),
    replayed: number(xlog['replayed_location']),
    replayPaused: xlog['paused'] === true,
  };
}

function readSender(sender: Fields): MemberSender {
  return {
    member: text(sender['application_name']) ?? '',
    state: text(sender['state']) ?? '',
    syncState: text(sender['sync_state']) ?? '',
  };
}

/** `server_version_num`: 150018 is 15.18, 90624 is 9.6.24. */
function versionOf(value: number | null): string | null {
  if (value === null || value <= 0) return null;
  const rest = value % 10_000;
  if (value >= 100_000) return `${Math.floor(value / 10_000)}.${rest}`;
  return `${Math.floor(value / 10_000)}.${Math.floor(rest / 100)}.${rest % 100}`;
}

/** `GET /cluster`. */
export function readCluster(body: string): ClusterView | undefined {
  const fields = objectOf(body);
  if (fields === undefined || !Array.isArray(fields['members'])) return undefined;
  const scheduled = fields['scheduled_switchover'];
  return {
    members: list(fields['members']).map(readViewed),
    isPaused: fields['pause'] === true,
    scheduledSwitchover: scheduled === undefined ? null : describeScheduled(object(scheduled)),
  };
}

function readViewed(member: Fields): ViewedMember {
  return {
    name: text(member['name']) ?? '',
    role: text(member['role']) ?? '',
    state: text(member['state']) ?? '',
    timeline: number(member['timeline']),
    tags: readTags(member['tags']),
  };
}

function describeScheduled(scheduled: Fields): string {
  const [at, from, to] = ['at', 'from', 'to'].map((name) => text(scheduled[name]));
  return `from ${from ?? 'the leader'} to ${to ?? 'any member'} at ${at ?? 'an unknown time'}`;
}

const FLAGS_OFF: Tags = { nofailover: false, nosync: false, noloadbalance: false, replicatefrom: null };

/** A member with `failover_priority` 0 and no tag `nofailover` is one all the same (`tags.py`); so with `sync_priority`. */
function readTags(value: unknown): Tags {
  if (value === undefined) return FLAGS_OFF;
  const tags = object(value);
  const off = (flag: string, priority: string): boolean =>
    tags[flag] === undefined ? (number(tags[priority]) ?? 1) <= 0 : isOn(tags[flag]);
  return {
    nofailover: off('nofailover', 'failover_priority'),
    nosync: off('nosync', 'sync_priority'),
    noloadbalance: isOn(tags['noloadbalance']),
    replicatefrom: text(tags['replicatefrom']),
  };
}

/** `GET /config`: only what is decided by; defaults as in Patroni's documentation of the dynamic configuration. */
export function readConfig(body: string): DynamicConfig | undefined {
  const fields = objectOf(body);
  if (fields === undefined) return undefined;
  const seconds = (name: string, otherwise: number): number => (number(fields[name]) ?? otherwise) * 1_000;
  const mode = fields['synchronous_mode'];
  return {
    ttlMs: seconds('ttl', 30),
    loopWaitMs: seconds('loop_wait', 10),
    retryTimeoutMs: seconds('retry_timeout', 10),
    lagCeilingBytes: number(fields['maximum_lag_on_failover']) ?? 1_048_576,
    synchronousMode: String(mode).toLowerCase() === 'quorum' ? 'quorum' : isOn(mode) ? 'on' : 'off',
    isSynchronousStrict: isOn(fields['synchronous_mode_strict']),
    isFailsafe: isOn(fields['failsafe_mode']),
    isStandbyCluster: Object.keys(object(fields['standby_cluster'])).length > 0,
  };
}

/** As YAML and Patroni's `parse_bool` take it. */
function isOn(value: unknown): boolean {
  return value === true || value === 1 || (typeof value === 'string' && /^(true|on|yes|1)$/i.test(value));
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, 200) : null;
}

/** A finite number; Patroni writes "unknown" where it does not know. */
function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function object(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(object) : [];
}
