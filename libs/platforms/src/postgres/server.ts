import type { Answering, Sender, Server, Slot } from './answering.js';
import type { Connections, ServerPlace } from './connections.js';
import { parseConninfo, reduceConninfo } from './conninfo.js';
import { formatLsn, parseLsn } from './lsn.js';

/**
 * Everything in one statement, so that it is one picture. A WAL sender's confirmed position is what PostgreSQL itself
 * waits for at shutdown: the flushed one, or the written one where none is reported (`WalSndDone`, replication/walsender.c).
 */
const LOOK = `
select pg_is_in_recovery() as in_recovery,
  (select system_identifier::text from pg_control_system()) as system_identifier,
  case when pg_is_in_recovery()
    then greatest((select timeline_id from pg_control_checkpoint()), (select received_tli from pg_stat_wal_receiver))
    else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as timeline,
  floor(extract(epoch from clock_timestamp() - pg_postmaster_start_time()) * 1000)::text as up_for_ms,
  current_setting('server_version') as version,
  current_setting('cluster_name') as cluster_name,
  case when not pg_is_in_recovery() then pg_current_wal_lsn()::text end as current_lsn,
  pg_last_wal_receive_lsn()::text as received_lsn,
  pg_last_wal_replay_lsn()::text as replayed_lsn,
  case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as replay_paused,
  (select setting::bigint from pg_settings where name = 'recovery_min_apply_delay') as apply_delay_ms,
  current_setting('synchronous_standby_names') as synchronous_names,
  current_setting('primary_conninfo') as conninfo,
  current_setting('primary_slot_name') as slot_name,
  (select json_build_object('status', status, 'host', sender_host, 'port', sender_port) from pg_stat_wal_receiver) as receiver,
  (select coalesce(json_agg(json_build_object('pid', r.pid, 'applicationName', r.application_name, 'state', r.state,
     'confirmed', coalesce(r.flush_lsn, r.write_lsn)::text, 'syncState', r.sync_state, 'slot', s.slot_name)), '[]')
   from pg_stat_replication r left join pg_replication_slots s on s.active_pid = r.pid) as senders,
  (select coalesce(json_agg(json_build_object('name', slot_name, 'kind', slot_type, 'active', active, 'walStatus', wal_status)), '[]')
   from pg_replication_slots) as slots`;

/** Reads one WAL record by its position, with the extension pg_walinspect; only what this standby has replayed exists for it. */
const REPLAYED_RECORD = `
select record_type from pg_get_wal_record_info($1::pg_lsn) where start_lsn = $1::pg_lsn and end_lsn <= pg_last_wal_replay_lsn()
  and resource_manager = 'XLOG'`;

interface Look {
  readonly in_recovery: boolean;
  readonly system_identifier: string;
  readonly timeline: number;
  readonly up_for_ms: string;
  readonly version: string;
  readonly cluster_name: string;
  readonly current_lsn: string | null;
  readonly received_lsn: string | null;
  readonly replayed_lsn: string | null;
  readonly replay_paused: boolean;
  readonly apply_delay_ms: string;
  readonly synchronous_names: string;
  readonly conninfo: string;
  readonly slot_name: string;
  readonly receiver: Answering['receiver'];
  readonly senders: readonly (Omit<Sender, 'confirmedLsn'> & { confirmed: string | null })[];
  readonly slots: readonly Slot[];
}

/** Asks a node's server. Never throws. */
export async function observeServer(connections: Connections, node: ServerPlace, deadlineMs: number): Promise<Server> {
  const answer = await connections.query<Look>(node, LOOK, [], deadlineMs);
  if (answer.status === 'rows') return readLook(answer.rows[0] as Look);
  if (answer.status === 'refused' && answer.code === '57P03') {
    return { says: /shutting down/.test(answer.reason) ? 'stopping' : 'starting' };
  }
  if (answer.status === 'refused' && answer.code.startsWith('57P')) return { says: 'stopping' };
  if (answer.status === 'refused') return { says: 'refuses', reason: `${answer.reason} (${answer.code})` };
  return { says: 'nothing', reason: answer.reason };
}

function readLook(look: Look): Answering {
  const lsn = (text: string | null): number | null => (text === null ? null : parseLsn(text));
  return {
    says: 'answers',
    inRecovery: look.in_recovery,
    systemIdentifier: look.system_identifier,
    timeline: look.timeline,
    upForMs: Number(look.up_for_ms),
    version: look.version.split(' ')[0] as string,
    ...distribution(look.version),
    clusterName: look.cluster_name,
    currentLsn: lsn(look.current_lsn),
    receivedLsn: lsn(look.received_lsn),
    replayedLsn: lsn(look.replayed_lsn),
    replayPaused: look.replay_paused,
    applyDelayMs: Number(look.apply_delay_ms),
    synchronousNames: look.synchronous_names,
    upstream: look.conninfo === '' ? null : { ...reduceConninfo(parseConninfo(look.conninfo)), slot: look.slot_name || null },
    receiver: look.receiver,
    senders: look.senders.map(({ confirmed, ...sender }) => ({ ...sender, confirmedLsn: lsn(confirmed) })),
    slots: look.slots,
    replayedShutdowns: [],
    showsRecords: false,
  };
}

/** Debian and its kin write their package's version in brackets: `15.18 (Debian 15.18-0+deb12u1)`. */
function distribution(version: string): { readonly packageVersion?: string } {
  const found = /\((?:Debian|Ubuntu) ([^\s()]{1,100})\)/.exec(version)?.[1];
  return found === undefined ? {} : { packageVersion: found };
}

/** Which record of the log itself (a checkpoint's, as a rule) this standby has replayed at that position; null: none that it can show. */
export async function replayedRecord(
  connections: Connections,
  node: ServerPlace,
  lsn: number,
  deadlineMs: number,
): Promise<string | null> {
  const answer = await connections.query<{ record_type: string }>(node, REPLAYED_RECORD, [formatLsn(lsn)], deadlineMs);
  return answer.status === 'rows' ? (answer.rows[0]?.record_type ?? null) : null;
}
