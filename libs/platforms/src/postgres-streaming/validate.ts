import { setTimeout as delay } from 'node:timers/promises';
import type { CheckResult } from '@understudy/cluster';
import { collectFacts } from './facts.js';
import { observePostgres, type Session, type SessionNode } from './observe.js';
import type { PostgresNode, PostgresSnapshot } from './snapshot.js';
import { answering, lagBytes, nodeNamed, parseSynchronousNames, streamsFrom, writableOnes } from './topology.js';

/** Raised on purpose at the end of the trial write, so that it is rolled back: seeing it is success. */
const ROLLED_BACK = 'UN001';
const TRIAL_LIMIT_MS = 5_000;
const ARCHIVE_POLL_MS = 100;

/** The minimum that a node must pass before it serves or is called done. */
export async function validatePostgres(
  session: Session,
  name: string,
  asActive: boolean,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const snapshot = await observePostgres(session, Math.min(deadlineMs, TRIAL_LIMIT_MS));
  const node = nodeNamed(snapshot, name);
  const here = session.nodes.find((candidate) => candidate.settings.node === name);
  if (node === undefined || here === undefined)
    return [{ check: 'known', node: name, passed: false, detail: `There is no node ${name}.` }];
  const state = stateChecks(snapshot, node, asActive);
  if (answering(node) === undefined) return state;
  const reads = await readCheck(session, here, deadlineMs);
  const readiness = await readinessChecks(session, here, deadlineMs);
  if (!asActive) return [...state, reads, ...readiness];
  return [...state, reads, ...readiness, ...(await activeChecks(session, here, node, deadlineMs))];
}

/** Pure: what the picture itself shows. */
export function stateChecks(snapshot: PostgresSnapshot, node: PostgresNode, asActive: boolean): readonly CheckResult[] {
  const server = answering(node);
  const check = (label: string, passed: boolean | null, detail: string): CheckResult => ({
    check: label,
    node: node.node,
    passed,
    detail,
  });
  if (server === undefined)
    return [
      check(
        'answers',
        false,
        `The server does not answer: ${node.server.says === 'nothing' ? node.server.reason : node.server.says}.`,
      ),
    ];
  const installed = node.disk.seen ? node.disk.installedVersion : null;
  const same = installed === null ? null : installed === server.version;
  const common = [
    check('answers', true, 'The server answers.'),
    check(
      'version',
      same,
      same === true
        ? `${server.version} runs and is installed.`
        : `${server.version} runs, ${installed ?? 'an unknown version'} is installed. Restart it to run what is installed.`,
    ),
  ];
  return [...common, ...(asActive ? activeState(snapshot, node) : standbyState(snapshot, node))].map((result) => ({
    ...result,
    node: node.node,
  }));
}

function activeState(snapshot: PostgresSnapshot, node: PostgresNode): readonly CheckResult[] {
  const actives = writableOnes(snapshot);
  const alone = actives.length === 1 && actives[0] === node;
  return [
    {
      check: 'sole-active',
      passed: alone,
      detail: alone
        ? 'It accepts writes, and no other node does.'
        : `Nodes that accept writes: ${actives.map((other) => other.node).join(', ') || 'none'}.`,
    },
  ];
}

function standbyState(snapshot: PostgresSnapshot, node: PostgresNode): readonly CheckResult[] {
  const [active] = writableOnes(snapshot);
  const streams = active !== undefined && streamsFrom(node, active);
  const lag = active === undefined ? null : lagBytes(node, active);
  const timeline = answering(node)?.timeline;
  return [
    {
      check: 'streaming',
      passed: streams,
      detail: streams ? `It streams from ${active.node}.` : 'It does not stream from the active node.',
    },
    {
      check: 'timeline',
      passed: active === undefined ? null : timeline === answering(active)?.timeline,
      detail: `It is on timeline ${timeline}; the active node on ${active === undefined ? 'an unknown one' : answering(active)?.timeline}.`,
    },
    {
      check: 'lag',
      passed: lag === null ? null : lag <= snapshot.lagCeilingBytes,
      detail: `${lag ?? 'An unknown number of'} bytes behind; the ceiling is ${snapshot.lagCeilingBytes}.`,
    },
  ];
}

async function readCheck(session: Session, here: SessionNode, deadlineMs: number): Promise<CheckResult> {
  const answer = await session.connections.query<{ n: string }>(
    here.settings,
    'select count(*)::text as n from pg_class',
    [],
    Math.min(deadlineMs, TRIAL_LIMIT_MS),
  );
  const passed = answer.status === 'rows' && Number(answer.rows[0]?.n) > 0;
  return {
    check: 'reads',
    node: here.settings.node,
    passed,
    detail: answer.status === 'rows' ? 'A query was answered.' : `A query failed: ${answer.reason}.`,
  };
}

/** What would stop the node from serving as the active one did, by the values that a reload or promotion would bring. */
async function readinessChecks(session: Session, here: SessionNode, deadlineMs: number): Promise<readonly CheckResult[]> {
  const node = here.settings.node;
  const collected = await collectFacts(
    { ...session, nodes: [here] },
    (value) => `secret of ${value.length} characters`,
    deadlineMs,
  );
  const { facts, missing } = collected[0] as (typeof collected)[number];
  const value = (area: string, name: string): string | undefined =>
    facts.find((fact) => fact.area === area && fact.name === name)?.value;
  if (facts.length === 0)
    return [{ check: 'settings', node, passed: null, detail: `The settings could not be read: ${missing.join('; ')}.` }];
  const readOnly = value('setting', 'default_transaction_read_only');
  const wanted = parseSynchronousNames(value('setting', 'synchronous_standby_names') ?? '');
  const members = membersAsNames(session);
  const reachable =
    wanted.needed === 0 ||
    wanted.names.includes('*') ||
    wanted.names.filter((name) => members.has(name.toLowerCase())).length >= wanted.needed;
  const libraries = await missingLibraries(session, here, deadlineMs);
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

/** How members of this cluster may be called in `synchronous_standby_names`. */
function membersAsNames(session: Session): ReadonlySet<string> {
  return new Set(
    session.nodes.flatMap(({ settings }) => [
      settings.node.toLowerCase(),
      settings.slot,
      settings.node.toLowerCase().replaceAll('-', '_'),
    ]),
  );
}

async function missingLibraries(session: Session, here: SessionNode, deadlineMs: number): Promise<readonly string[] | null> {
  const answer = await session.connections.query<{ library: string }>(
    here.settings,
    'select distinct probin as library from pg_proc where probin is not null',
    [],
    deadlineMs,
  );
  if (answer.status !== 'rows') return null;
  const missing: string[] = [];
  for (const { library } of answer.rows) {
    const loaded = await session.connections.query(here.settings, `load '${library.replaceAll("'", "''")}'`, [], deadlineMs);
    if (loaded.status !== 'rows') missing.push(library);
  }
  return missing;
}

async function activeChecks(
  session: Session,
  here: SessionNode,
  node: PostgresNode,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const writes = await trialWrite(session, here, deadlineMs);
  const commits = await trialCommit(session, here, node, deadlineMs);
  return [writes, commits, await trialArchive(session, here, deadlineMs)];
}

/** A row in a table of its own, rolled back: nothing stays, and a default that forbids writes is found. */
async function trialWrite(session: Session, here: SessionNode, deadlineMs: number): Promise<CheckResult> {
  const trial = `do $$ begin create table understudy_trial (at timestamptz); insert into understudy_trial values (now()); raise exception 'rolled back' using errcode = '${ROLLED_BACK}'; end $$`;
  const answer = await session.connections.query(here.settings, trial, [], Math.min(deadlineMs, TRIAL_LIMIT_MS));
  const passed = answer.status === 'refused' && answer.code === ROLLED_BACK;
  return {
    check: 'writes',
    node: here.settings.node,
    passed,
    detail: passed
      ? 'A row was written, and rolled back.'
      : `A trial write failed: ${answer.status === 'rows' ? 'it was not rolled back' : answer.reason}.`,
  };
}

/** A commit that waits for standbys as clients' commits do; tried only where enough of them are there, or it would hang. */
async function trialCommit(session: Session, here: SessionNode, node: PostgresNode, deadlineMs: number): Promise<CheckResult> {
  const server = answering(node);
  const needed = parseSynchronousNames(server?.synchronousNames ?? '').needed;
  const there = (server?.senders ?? []).filter((sender) => sender.syncState === 'sync' || sender.syncState === 'quorum').length;
  const base = { check: 'commits', node: here.settings.node };
  if (there < needed)
    return { ...base, passed: false, detail: `Commits wait for ${needed} synchronous standby(s) and ${there} are there.` };
  const text = "set local synchronous_commit = on; select pg_logical_emit_message(true, 'understudy', 'validation')";
  const answer = await session.connections.query(here.settings, text, [], Math.min(deadlineMs, TRIAL_LIMIT_MS));
  return {
    ...base,
    passed: answer.status === 'rows',
    detail: answer.status === 'rows' ? 'A commit came back.' : `A commit failed: ${answer.reason}.`,
  };
}

/** Ends a WAL segment and waits until it is in the archive. */
async function trialArchive(session: Session, here: SessionNode, deadlineMs: number): Promise<CheckResult> {
  const base = { check: 'archives', node: here.settings.node };
  const begun = await session.connections.query<{ mode: string; file: string }>(
    here.settings,
    "select current_setting('archive_mode') as mode, case when current_setting('archive_mode') <> 'off' then pg_walfile_name(pg_switch_wal()) end as file",
    [],
    Math.min(deadlineMs, TRIAL_LIMIT_MS),
  );
  if (begun.status !== 'rows') return { ...base, passed: null, detail: `The archiver could not be asked: ${begun.reason}.` };
  const { mode, file } = begun.rows[0] as { mode: string; file: string };
  if (mode === 'off') return { ...base, passed: true, detail: 'Archiving is off by setting.' };
  const until = session.target.now() + Math.min(deadlineMs, TRIAL_LIMIT_MS);
  while (session.target.now() < until) {
    const look = await session.connections.query<{ done: boolean }>(
      here.settings,
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
