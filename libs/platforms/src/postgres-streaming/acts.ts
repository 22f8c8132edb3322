import type { Host } from '@understudy/hosts';
import type { Secret, VerbRequest } from '../platform.js';
import type { ActOutcome } from '../verb-loop.js';
import { quoteConninfo, quoteSetting } from '../postgres/conninfo.js';
import type { QueryResult } from '../postgres/connections.js';
import { nodeCommand, readDisk } from './disk.js';
import { formatLsn } from '../postgres/lsn.js';
import { sessionNode, type Session, type SessionNode } from './observe.js';
import type { Disk, PostgresAct, PostgresSnapshot } from './snapshot.js';
import { answering, nodeNamed, upstreamOf } from './topology.js';

/** Exit code of the host program: the act's precondition is gone, nothing was changed. */
const PRECONDITION_GONE = 3;
/** What PostgreSQL may take for a promotion, within the limit of one act. */
const PROMOTION_WAIT_S = 8;

/** One act about to be performed: what to do, its key, its time, and the picture that it was decided on. */
export interface ActCall {
  readonly session: Session;
  readonly request: VerbRequest;
  readonly snapshot: PostgresSnapshot;
  readonly key: string;
  readonly deadlineMs: number;
  /** Told what an act itself saw on its node's disk when it had been done. */
  readonly onDisk: (node: string, disk: Disk) => void;
}

/** Performs one act, entered in the journal of the host that it changes. Never throws for what happens there. */
export function performAct(act: PostgresAct, call: ActCall): Promise<ActOutcome> {
  const node = sessionNode(call.session, act.node);
  switch (act.act) {
    case 'start':
    case 'mark-drained':
    case 'release':
    case 'restore-synchronous':
    case 'unmark-standby':
    case 'announce-promotion':
    case 'end-switchover':
      return onHost(call, node, act.act, []);
    case 'return-active':
      return onHost(call, node, act.act, act.unlessPromoting ? ['unless-promoting'] : []);
    case 'stop':
    case 'stop-at-once':
      return onHost(call, node, act.act, [String(Math.max(0, call.deadlineMs - 500))]);
    case 'relax-synchronous':
      return onHost(call, node, act.act, [act.drained, act.names.replaceAll("'", "''")]);
    case 'repoint':
    case 'mark-standby':
      return point(call, node, act, []);
    case 'stop-active':
      return point(call, node, act, [String(Math.min(act.limitMs, call.deadlineMs))]);
    case 'create-slots':
      return overSql(call, node, CREATE_SLOTS, [act.slots]);
    case 'drop-slots':
      return overSql(call, node, DROP_SLOTS, [act.slots]);
    case 'record-position':
      return onHost(call, node, act.act, [call.request.key, act.target, formatLsn(act.lsn), String(act.round)]);
    case 'checkpoint':
      return overSql(call, node, 'checkpoint', []);
    case 'promote':
      return overSql(call, node, PROMOTE, [
        act.systemIdentifier,
        act.timeline,
        PROMOTION_WAIT_S,
        act.replayedLsn === null ? null : formatLsn(act.replayedLsn),
        act.receives,
      ]);
  }
}

const CREATE_SLOTS = `select pg_create_physical_replication_slot(name, true) from unnest($1::name[]) as name
  where name not in (select slot_name from pg_replication_slots)`;
const DROP_SLOTS = `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = any($1::name[]) and not active`;

/**
 * PostgreSQL itself checks that this is still the standby that was seen: same data, no later timeline, nothing replayed since,
 * and nobody that it receives from who was not there. Whoever slept between the journal and this statement promotes nothing
 * beside somebody else.
 */
const PROMOTE = `select pg_promote(true, $3) as promoted where pg_is_in_recovery()
  and (select system_identifier::text from pg_control_system()) = $1
  and (select timeline_id from pg_control_checkpoint()) <= $2
  and pg_last_wal_replay_lsn() is not distinct from $4::pg_lsn
  and ($5 or not exists (select from pg_stat_wal_receiver where status = 'streaming'))`;

async function onHost(
  call: ActCall,
  node: SessionNode,
  verb: string,
  extra: readonly string[],
  stdin?: string,
): Promise<ActOutcome> {
  const result = await node.host.journal.act({
    key: call.key,
    fence: call.request.fence,
    argv: nodeCommand(node.settings, node.host, verb, ...extra),
    ...(stdin === undefined ? {} : { stdin }),
    deadlineMs: call.deadlineMs,
  });
  switch (result.status) {
    case 'fenced':
      return { status: 'fenced', seen: result.seen };
    case 'unknown':
      return { status: 'unknown', detail: result.reason };
    case 'ended':
      // What was recorded under the key long ago says nothing about now.
      if (result.code === 0 && result.stdout !== '' && !result.repeated)
        call.onDisk(node.settings.node, { ...readDisk(result.stdout), installedVersion: node.installedVersion ?? null });
      if (result.code === 0) return { status: 'ended', detail: 'done' };
      if (result.code === PRECONDITION_GONE) return { status: 'refused', detail: result.stderr.trim() };
      return { status: 'ended', detail: `ended with ${result.code}: ${result.stderr.trim().slice(0, 300)}` };
  }
}

/** Points a node's files at its new upstream; the password goes into a file that only PostgreSQL's account reads. */
function point(
  call: ActCall,
  node: SessionNode,
  act: { readonly act: 'repoint' | 'mark-standby' | 'stop-active'; readonly upstream: string },
  extra: readonly string[],
): Promise<ActOutcome> {
  const secret = call.session.target.secrets['replication'];
  if (secret === undefined) return Promise.resolve({ status: 'refused', detail: 'no credential for "replication" is defined' });
  return onHost(call, node, act.act, [...extra, standbyLines(call, node, act.upstream, secret)], passfileLine(secret));
}

function standbyLines(call: ActCall, node: SessionNode, upstream: string, secret: Secret): string {
  const to = sessionNode(call.session, upstream).settings;
  const seen = nodeNamed(call.snapshot, node.settings.node);
  const before = seen === undefined ? null : upstreamOf(seen);
  // Synchronous standbys are named by this: it stays what it was, or is what PostgreSQL would say by itself.
  const name = before?.applicationName ?? ((seen && answering(seen)?.clusterName) || node.settings.node);
  const pairs = [
    `host=${quoteConninfo(to.address)}`,
    `port=${to.port}`,
    `user=${quoteConninfo(secret.user)}`,
    `application_name=${quoteConninfo(name)}`,
    `passfile='@DATA@/understudy.pgpass'`,
    ...(before?.link ? [before.link] : []),
  ];
  return [
    `primary_conninfo = ${quoteSetting(pairs.join(' '))}`,
    `primary_slot_name = ${quoteSetting(node.settings.slot)}`,
    `recovery_target_timeline = 'latest'`,
  ].join('\n');
}

/** Format of libpq's password file: colons and backslashes in a field are escaped (section 32.16 of PostgreSQL's manual). */
function passfileLine(secret: Secret): string {
  const field = (text: string): string => text.replace(/[\\:]/g, '\\$&');
  return `*:*:*:${field(secret.user)}:${field(secret.password)}\n`;
}

async function overSql(call: ActCall, node: SessionNode, text: string, values: readonly unknown[]): Promise<ActOutcome> {
  const entered = await begin(call, node.host);
  if (entered !== undefined) return entered;
  const answer = await call.session.connections.query<Record<string, unknown>>(node.settings, text, values, call.deadlineMs);
  return end(call, node.host, answer);
}

/** Enters an act that goes over SQL. Answers an outcome when it must not be sent. */
async function begin(call: ActCall, host: Host): Promise<ActOutcome | undefined> {
  const { key, request, deadlineMs } = call;
  const entered = await host.journal.begin({ key, fence: request.fence, deadlineMs });
  switch (entered.status) {
    case 'begun':
      return undefined;
    case 'known':
      return { status: 'ended', detail: `was performed before (${entered.code})` };
    case 'unknown':
      return { status: 'unknown', detail: entered.reason };
    case 'fenced':
      return { status: 'fenced', seen: entered.seen };
  }
}

async function end(call: ActCall, host: Host, answer: QueryResult<object>): Promise<ActOutcome> {
  const { key, request, deadlineMs } = call;
  if (answer.status === 'unreachable') return { status: 'unknown', detail: answer.reason };
  await host.journal.end({ key, fence: request.fence, deadlineMs }, answer.status === 'rows' ? 0 : 1);
  if (answer.status === 'refused') return { status: 'refused', detail: `${answer.reason} (${answer.code})` };
  return { status: 'ended', detail: answer.rows.length === 0 ? 'nothing to do' : JSON.stringify(answer.rows[0]) };
}
