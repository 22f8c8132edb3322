import { setTimeout as delay } from 'node:timers/promises';
import type { CheckResult } from '@understudy/cluster';
import type { Answering } from './answering.js';
import type { Connections, ServerPlace } from './connections.js';
import { collectServerFacts, type ServerOnHost } from './facts.js';
import { parseSynchronousNames } from './synchronous-names.js';

/** Raised on purpose at the end of the trial write, so that it is rolled back: seeing it is success. */
const ROLLED_BACK = 'UN001';
const TRIAL_LIMIT_MS = 5_000;
const ARCHIVE_POLL_MS = 100;

/** One query, answered. */
export async function readCheck(connections: Connections, place: ServerPlace, deadlineMs: number): Promise<CheckResult> {
  const answer = await connections.query<{ n: string }>(
    place,
    'select count(*)::text as n from pg_class',
    [],
    Math.min(deadlineMs, TRIAL_LIMIT_MS),
  );
  const passed = answer.status === 'rows' && Number(answer.rows[0]?.n) > 0;
  return {
    check: 'reads',
    node: place.node,
    passed,
    detail: answer.status === 'rows' ? 'A query was answered.' : `A query failed: ${answer.reason}.`,
  };
}

/**
 * What would stop the node from serving as the active one did, by the values that a reload or promotion would bring.
 * @param members in small letters: how members of the cluster may be called in `synchronous_standby_names`.
 */
export async function readinessChecks(
  connections: Connections,
  here: ServerOnHost,
  members: ReadonlySet<string>,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const node = here.settings.node;
  const collected = await collectServerFacts(connections, here, (value) => `secret of ${value.length} characters`, deadlineMs);
  if (collected.status !== 'collected')
    return [{ check: 'settings', node, passed: null, detail: `The settings could not be read: ${collected.reason}.` }];
  const { facts } = collected;
  const value = (area: string, name: string): string | undefined =>
    facts.find((fact) => fact.area === area && fact.name === name)?.value;
  const readOnly = value('setting', 'default_transaction_read_only');
  const wanted = parseSynchronousNames(value('setting', 'synchronous_standby_names') ?? '');
  const reachable =
    wanted.needed === 0 ||
    wanted.names.includes('*') ||
    wanted.names.filter((name) => members.has(name.toLowerCase())).length >= wanted.needed;
  const libraries = await missingLibraries(connections, here.settings, deadlineMs);
  const archiving = value('archiving', 'WAL') ?? 'unknown';
  return [
    { check: 'writes-by-default', node, passed: readOnly === 'off', detail: `default_transaction_read_only is ${readOnly}.` },
    {
      check: 'synchronous-names',
      node,
      passed: reachable,
      detail: reachable
        ? 'synchronous_standby_names can be met by the cluster.'
        : 'synchronous_standby_names names standbys that this cluster has not got: every commit would wait once this node serves.',
    },
    {
      check: 'libraries',
      node,
      passed: libraries === null ? null : libraries.length === 0,
      detail:
        libraries === null
          ? 'The libraries could not be looked at.'
          : libraries.length === 0
            ? 'Every library that the database uses loads.'
            : `These libraries do not load: ${libraries.join(', ')}.`,
    },
    { check: 'archiving', node, passed: !/^(dead|failing)/.test(archiving), detail: `Archiving is ${archiving}.` },
  ];
}

async function missingLibraries(
  connections: Connections,
  place: ServerPlace,
  deadlineMs: number,
): Promise<readonly string[] | null> {
  const answer = await connections.query<{ library: string }>(
    place,
    'select distinct probin as library from pg_proc where probin is not null',
    [],
    deadlineMs,
  );
  if (answer.status !== 'rows') return null;
  const missing: string[] = [];
  for (const { library } of answer.rows) {
    const loaded = await connections.query(place, `load '${library.replaceAll("'", "''")}'`, [], deadlineMs);
    if (loaded.status !== 'rows') missing.push(library);
  }
  return missing;
}

/**
 * What only the active node can show: a write, a commit as clients make it, and a segment in the archive.
 * @param seen what it said of its standbys in the look just before.
 */
export async function activeChecks(
  connections: Connections,
  place: ServerPlace,
  seen: Pick<Answering, 'synchronousNames' | 'senders'>,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const writes = await trialWrite(connections, place, deadlineMs);
  const commits = await trialCommit(connections, place, seen, deadlineMs);
  return [writes, commits, await trialArchive(connections, place, deadlineMs)];
}

/** A row in a table of its own, rolled back: nothing stays, and a default that forbids writes is found. */
async function trialWrite(connections: Connections, place: ServerPlace, deadlineMs: number): Promise<CheckResult> {
  const trial = `do $$ begin create table understudy_trial (at timestamptz); insert into understudy_trial values (now()); raise exception 'rolled back' using errcode = '${ROLLED_BACK}'; end $$`;
  const answer = await connections.query(place, trial, [], Math.min(deadlineMs, TRIAL_LIMIT_MS));
  const passed = answer.status === 'refused' && answer.code === ROLLED_BACK;
  return {
    check: 'writes',
    node: place.node,
    passed,
    detail: passed
      ? 'A row was written, and rolled back.'
      : `A trial write failed: ${answer.status === 'rows' ? 'it was not rolled back' : answer.reason}.`,
  };
}

/** A commit that waits for standbys as clients' commits do; tried only where enough of them are there, or it would hang. */
async function trialCommit(
  connections: Connections,
  place: ServerPlace,
  seen: Pick<Answering, 'synchronousNames' | 'senders'>,
  deadlineMs: number,
): Promise<CheckResult> {
  const { needed } = parseSynchronousNames(seen.synchronousNames);
  const there = seen.senders.filter((sender) => sender.syncState === 'sync' || sender.syncState === 'quorum').length;
  const base = { check: 'commits', node: place.node };
  if (there < needed)
    return { ...base, passed: false, detail: `Commits wait for ${needed} synchronous standby(s) and ${there} are there.` };
  const text = "set local synchronous_commit = on; select pg_logical_emit_message(true, 'understudy', 'validation')";
  const answer = await connections.query(place, text, [], Math.min(deadlineMs, TRIAL_LIMIT_MS));
  return {
    ...base,
    passed: answer.status === 'rows',
    detail: answer.status === 'rows' ? 'A commit came back.' : `A commit failed: ${answer.reason}.`,
  };
}

/** Ends a WAL segment and waits until it is in the archive. */
async function trialArchive(connections: Connections, place: ServerPlace, deadlineMs: number): Promise<CheckResult> {
  const base = { check: 'archives', node: place.node };
  const begun = await connections.query<{ mode: string; file: string }>(
    place,
    "select current_setting('archive_mode') as mode, case when current_setting('archive_mode') <> 'off' then pg_walfile_name(pg_switch_wal()) end as file",
    [],
    Math.min(deadlineMs, TRIAL_LIMIT_MS),
  );
  if (begun.status !== 'rows') return { ...base, passed: null, detail: `The archiver could not be asked: ${begun.reason}.` };
  const { mode, file } = begun.rows[0] as { mode: string; file: string };
  if (mode === 'off') return { ...base, passed: true, detail: 'Archiving is off by setting.' };
  const until = performance.now() + Math.min(deadlineMs, TRIAL_LIMIT_MS);
  while (performance.now() < until) {
    const look = await connections.query<{ done: boolean }>(
      place,
      'select coalesce(last_archived_wal >= $1, false) as done from pg_stat_archiver',
      [file],
      TRIAL_LIMIT_MS,
    );
    if (look.status === 'rows' && look.rows[0]?.done === true)
      return { ...base, passed: true, detail: `WAL segment ${file} was archived.` };
    await delay(ARCHIVE_POLL_MS);
  }
  return {
    ...base,
    passed: false,
    detail: `WAL segment ${file} was not archived within ${Math.min(deadlineMs, TRIAL_LIMIT_MS)} ms. Look at the server's log and the archive's space.`,
  };
}
