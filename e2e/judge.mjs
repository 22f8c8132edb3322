/**
 * Computes every figure of the demo's last line again: from the nodes, the load client's ledger and the exported events.
 * It imports nothing of the product's and shares no code with the demo; where both are wrong in the same way, it is by chance.
 *
 *   node e2e/judge.mjs EVIDENCE_FOLDER     (npm run demo -- --evidence DIR --judge e2e/judge.mjs)
 *
 * Prints one line per figure, and ends with 1 if any differs.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';

const CONNECT_WITHIN_MS = 3_000;
const ANSWER_WITHIN_MS = 10_000;

/** @returns {{figure: string, said: unknown, found: unknown, agrees: boolean}[]} */
export async function judge(folder) {
  const read = (name) => readFileSync(join(folder, name), 'utf8');
  const line = JSON.parse(read('last-line.json'));
  const connections = JSON.parse(read('connections.json'));
  const ledger = ndjson(read('ledger.ndjson'));
  const events = ndjson(read('events.ndjson'));
  const nodes = await Promise.all(connections.nodes.map((node) => ask(node, connections)));
  return [
    ...versionFigures(line, nodes, events),
    ...writeFigures(line, ledger, await lookUp(connections, nodes, ledger)),
    ...switchoverFigures(line, nodes, ledger, events),
    ...interruptionFigures(line, ledger, events, connections.loadIntervalMs),
    ...recordFigures(line, events, connections.rolloutId),
  ];
}

function figure(name, said, found, agrees = JSON.stringify(said) === JSON.stringify(found)) {
  return { figure: name, said, found, agrees };
}

function ndjson(text) {
  const lines = text.split('\n').filter((row) => row !== '');
  return lines.map((row) => JSON.parse(row));
}

// ---------------------------------------------------------------- the nodes

async function query(node, login, database, text, values = []) {
  const client = new pg.Client({
    host: node.host,
    port: node.port,
    user: login.user,
    password: login.password,
    database,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    query_timeout: ANSWER_WITHIN_MS,
  });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** A node that does not answer is an error: the judge runs while all of them should live. */
async function ask(node, { observer, database }) {
  const [row] = await query(node, observer, database, 'select version() as version, pg_is_in_recovery() as standby');
  const writable = row.standby
    ? null
    : await query(node, observer, database, 'select pg_walfile_name(pg_current_wal_lsn()) as segment');
  return {
    ...node,
    version: /^PostgreSQL ([0-9.]+)/.exec(row.version)?.[1] ?? null,
    standby: row.standby,
    // The first eight digits of a segment's name are its timeline; each promotion adds one, and a new cluster begins with 1.
    timeline: writable === null ? null : Number.parseInt(writable[0].segment.slice(0, 8), 16),
  };
}

function serving(nodes) {
  const writable = nodes.filter((node) => !node.standby);
  if (writable.length !== 1)
    throw new Error(`${writable.length} nodes accept writes: ${writable.map((node) => node.name).join(', ')}`);
  return writable[0];
}

async function lookUp(connections, nodes, ledger) {
  const numbers = acknowledged(ledger).map((entry) => entry.n);
  const rows = await query(
    serving(nodes),
    connections.application,
    connections.database,
    `select w.n from unnest($1::bigint[]) as w(n) where not exists (select from ${connections.table} t where t.n = w.n)`,
    [numbers],
  );
  return rows.length;
}

// ---------------------------------------------------------------- figures

function versionFigures(line, nodes, events) {
  const now = Object.fromEntries(nodes.map((node) => [node.name, node.version]));
  const before = { ...now };
  for (const step of plannedSteps(events)
    .filter((candidate) => candidate.kind === 'patch')
    .reverse())
    before[step.node] = step.fromVersion;
  return [figure('versionsAfter', line.versionsAfter, now), figure('versionsBefore', line.versionsBefore, before)];
}

function acknowledged(ledger) {
  return ledger.filter((entry) => entry.kind === 'ack');
}

function writeFigures(line, ledger, missing) {
  const acks = acknowledged(ledger);
  const distinct = new Set(acks.map((entry) => entry.n)).size;
  return [
    figure('acknowledgedWrites', line.acknowledgedWrites, distinct),
    figure('failedWrites', line.failedWrites, ledger.filter((entry) => entry.kind === 'fail').length),
    figure('lostWrites', line.lostWrites, missing),
  ];
}

/** Three witnesses: the record, the timeline of the node that serves, and the nodes that took the client's writes. */
function switchoverFigures(line, nodes, ledger, events) {
  const kinds = new Map(plannedSteps(events).map((step) => [step.stepId, step.kind]));
  const recorded = events.filter(
    (event) => event.type === 'StepSucceeded' && kinds.get(event.body.stepId) === 'switchover',
  ).length;
  const servedBy = acknowledged(ledger).map((entry) => entry.node);
  const moves = servedBy.filter((node, index) => index > 0 && node !== servedBy[index - 1]).length;
  return [
    figure('switchovers (record)', line.switchovers, recorded),
    figure('switchovers (timeline)', line.switchovers, serving(nodes).timeline - 1),
    figure('switchovers (client)', line.switchovers, moves),
  ];
}

function interruptionFigures(line, ledger, events, intervalMs) {
  const measured = events.find((event) => event.type === 'RolloutClosed')?.body.interruption;
  if (measured?.measured !== true)
    return [figure('interruptionMs', line.interruptionMs, null), figure('resolutionMs', line.resolutionMs, null)];
  const times = acknowledged(ledger)
    .map((entry) => entry.at)
    .filter((at) => at >= measured.fromMs && at <= measured.toMs);
  let longest = 0;
  let since = 0;
  for (let i = 1; i < times.length; i++) {
    if (times[i] - times[i - 1] <= longest) continue;
    longest = times[i] - times[i - 1];
    since = times[i - 1];
  }
  const connections = ledger.filter((entry) => entry.kind === 'connect');
  const nodes = new Set(connections.map((entry) => entry.node)).size;
  const pace = intervalMs + nineOfTen(acknowledged(ledger)) + nodes * nineOfTen(connections);
  const seen = longest > pace ? longest : 0;
  const own = seen === 0 ? pace : Math.max(pace, longest - knownOutage(ledger, since, since + longest));
  const apart = Math.abs(seen - measured.longestMs);
  return [
    figure('interruptionMs', line.interruptionMs, measured.longestMs),
    figure('resolutionMs', line.resolutionMs, measured.resolutionMs),
    figure(
      'interruption (client)',
      `${line.interruptionMs} +- ${line.resolutionMs}`,
      `${seen.toFixed(1)} +- ${own.toFixed(1)}`,
      apart <= own + measured.resolutionMs,
    ),
  ];
}

/** From the end of the first try in vain to the beginning of the last one the service certainly was away. */
function knownOutage(ledger, from, until) {
  const tries = ledger.filter((entry) => entry.kind === 'miss' && entry.at >= from && entry.at <= until);
  if (tries.length === 0) return until - from;
  return Math.max(0, tries.at(-1).at - tries.at(-1).tookMs - tries[0].at);
}

function nineOfTen(entries) {
  const sorted = entries.map((entry) => entry.tookMs).sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.9) - 1] ?? 0;
}

function recordFigures(line, events, rolloutId) {
  const closed = events.find((event) => event.type === 'RolloutClosed');
  const told = existsSync(line.report) && readFileSync(line.report, 'utf8').includes(rolloutId);
  return [
    figure('result', line.result, closed?.body.result ?? 'none'),
    figure('events', line.events, events.length),
    figure('chain', line.chain, chainOf(events)),
    figure('report', line.report, told ? line.report : 'no report about this rollout there', told),
  ];
}

function plannedSteps(events) {
  return events.flatMap((event) => event.body.plan?.steps ?? []);
}

// ---------------------------------------------------------------- the chain

/** SHA-256 over the hash of the event before (at first 32 zero bytes) and that of the content: every text with its length before it, big-endian. */
function chainOf(events) {
  let hash = Buffer.alloc(32);
  let version = 0;
  let position = 0;
  for (const event of events) {
    version += 1;
    const content = Buffer.concat([
      int64(event.position),
      text(event.stream),
      int32(event.version),
      text(event.type),
      int32(event.schemaVersion),
      text(event.time),
      text(JSON.stringify(event.metadata)),
      text(JSON.stringify(event.body)),
    ]);
    hash = createHash('sha256').update(hash).update(createHash('sha256').update(content).digest()).digest();
    const inOrder = event.version === version && event.position > position && event.stream === events[0].stream;
    if (!inOrder || hash.toString('hex') !== event.hash) return `broken at position ${event.position}`;
    position = event.position;
  }
  return 'intact';
}

function int64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function text(value) {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([int32(bytes.length), bytes]);
}

// ---------------------------------------------------------------- the command

async function main(folder) {
  if (folder === undefined) {
    process.stderr.write('usage: node e2e/judge.mjs EVIDENCE_FOLDER\n');
    return 2;
  }
  const figures = await judge(folder);
  for (const { figure: name, said, found, agrees } of figures) {
    process.stdout.write(
      `${agrees ? 'agrees' : 'WRONG '}  ${name}: said ${JSON.stringify(said)}, found ${JSON.stringify(found)}\n`,
    );
  }
  return figures.every(({ agrees }) => agrees) ? 0 : 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  process.exitCode = await main(process.argv[2]);
