/** One window in which places kill, and what it left: by the hosts, by PostgreSQL, by the client and by the log. */
import { setTimeout as pause } from 'node:timers/promises';
import { breakRelease, postgresBinaries, withClient, type LedgerEntry, type PracticeNode } from '@understudy/testing/outside';
import { notByTheOwner, recordedTwice } from '../distributed/two-orchestrators.js';
import type { RecordedEvent } from '../distributed/rollout.js';
import { openWindow, type PairWindow } from '../distributed/window.js';
import { doneTwice, factsOf, journalOf, lostWrites, PREPARATIONS } from '../distributed/witness.js';
import { PLANS, type Cell, type PlanName } from './cells.js';
import type { Kill } from './deaths.js';
import type { Ground } from './ground.js';
import { lookProblems, seenIn, switchoversOf, type Look, type Writable } from './looks.js';
import { watchWritable } from './writable.js';

/** Between the plan and the opening the cells are put in place. */
const OPENS_IN_MS = 4_000;
const LOOK_EVERY_MS = 200;
const WINDOW_LIMIT_MS = 2_400_000;
/** The switchover's own time, the start of a process, and the adoption lie in an interruption. */
const INTERRUPTION_BUDGET_MS = 120_000;
/** So that a step has the time for a start of the process, also where the machine is busy: deadlines are made of what is expected. */
const EXPECTED_MS = 60_000;
const WINDOW_MINUTES = 120;

export interface WindowRun {
  readonly plan: PlanName;
  readonly cells: readonly Cell[];
  /** Used once per ground. */
  readonly slug: string;
}

export interface WindowEnd {
  readonly kills: readonly Kill[];
  readonly doubleActs: readonly string[];
  readonly lostWrites: number;
  readonly acknowledgedWrites: number;
  readonly writable: Writable;
  readonly promotions: number;
  /** Everything that is not as it should be, in sentences. */
  readonly problems: readonly string[];
  /** Where there are problems: what was recorded, and what the hosts' journals hold. */
  readonly evidence?: unknown;
}

/**
 * A window that could not be played to its end has that among its problems.
 * @param signal ends the window under way.
 * @throws when the window could not be opened.
 */
export async function playWindow(ground: Ground, run: WindowRun, signal: AbortSignal): Promise<WindowEnd> {
  const before = ground.kills.length;
  const window = await opened(ground, run);
  const watch = watchWritable(window.pair);
  let end: WindowEnd;
  try {
    const steps = await window.steps();
    const phases = Object.fromEntries(steps.map(({ stepId, phase }) => [stepId, phase]));
    ground.order({ slug: run.slug, cells: run.cells, phases });
    const closed = await untilClosed(ground, window, signal);
    const empty = ground.disarm();
    end = await judged(window, run, { closed, empty, looks: await watch.stop(), kills: ground.kills.slice(before) });
  } catch (error) {
    ground.disarm();
    end = brokenOff(ground.kills.slice(before), seenIn(await watch.stop(), []), String(error));
  }
  return end.problems.length === 0 ? end : { ...end, evidence: await evidenceOf(window) };
}

function opened(ground: Ground, { slug, plan }: WindowRun): Promise<PairWindow> {
  const phases = { switchoverTest: { enabled: true, andBack: true }, failback: { enabled: false } };
  const kinds = ['switchover', 'drain', 'patch', 'unpatch', 'reboot', 'join', 'release'];
  const durations = Object.fromEntries(kinds.map((kind) => [kind, EXPECTED_MS]));
  return openWindow(ground, {
    slug,
    opensInMs: OPENS_IN_MS,
    minutes: WINDOW_MINUTES,
    playbook: { durations, phases: { ...phases, soakMs: 500, interruptionBudgetMs: INTERRUPTION_BUDGET_MS } },
    prepare: ({ cluster }) => {
      if (plan === 'rollback') for (const node of cluster.nodes) breakRelease(node, postgresBinaries('newer').version);
    },
  });
}

function brokenOff(kills: readonly Kill[], writable: Writable, why: string): WindowEnd {
  return { kills, writable, doubleActs: [], lostWrites: 0, acknowledgedWrites: 0, promotions: 0, problems: [why] };
}

async function evidenceOf(window: PairWindow): Promise<unknown> {
  const journals = Object.fromEntries(window.nodes.map((node) => [node.slug, journalOf(node)]));
  return { journals, events: await window.events().catch(String) };
}

/** @throws past the limit, or when what is kept running could not be. */
async function untilClosed(ground: Ground, window: PairWindow, signal: AbortSignal): Promise<RecordedEvent> {
  for (const end = performance.now() + WINDOW_LIMIT_MS; performance.now() < end; await pause(LOOK_EVERY_MS)) {
    ground.check();
    signal.throwIfAborted();
    const events = await window.events().catch(() => []);
    const closed = events.find(({ type }) => type === 'RolloutClosed');
    if (closed) return closed;
    const held = events.findLast(({ type }) => type === 'RolloutHeld' || type === 'RolloutResumed');
    if (held?.type === 'RolloutHeld') throw new Error(`The rollout is held: ${JSON.stringify(held.body)}`);
  }
  throw new Error(`The rollout ${window.rolloutId} did not end within ${WINDOW_LIMIT_MS / 60_000} minutes.`);
}

interface Seen {
  readonly closed: RecordedEvent;
  readonly empty: readonly Cell[];
  readonly looks: readonly Look[];
  readonly kills: readonly Kill[];
}

async function judged(window: PairWindow, run: WindowRun, seen: Seen): Promise<WindowEnd> {
  const { plan } = run;
  const events = await window.events();
  const ledger = await window.endLoad();
  const facts = await factsOf(window.pair);
  const serving = facts.filter(({ standby }) => !standby);
  const doubleActs = doneTwice(window.nodes).filter((act) => !PREPARATIONS.test(act));
  const lost = serving.length === 1 ? await lostWrites(window.pair, ledger, serving[0]?.slug ?? '') : Number.NaN;
  const switchovers = events.filter(({ type, body }) => type === 'StepSucceeded' && /-switchover-/.test(String(body['stepId'])));
  const promotions = await promotionsOf(window, serving[0]?.slug);
  const version = PLANS[plan].result === 'succeeded' ? window.targetVersion : postgresBinaries('older').version;
  const { result } = seen.closed.body;
  const writable = seenIn(seen.looks, switchoversOf(events));
  const nodes = window.nodes.map(({ slug: node }) => node);
  const acknowledged = ledger.filter(({ kind }) => kind === 'ack').length;
  const rules: readonly (readonly [boolean, string])[] = [
    [
      result !== PLANS[plan].result,
      `It ended ${String(result)} and not ${PLANS[plan].result}: ${String(seen.closed.body['reason'])}`,
    ],
    ...seen.empty.map((cell) => [true, `No kill at ${cell.place} ${cell.at}.`] as const),
    ...doubleActs.map((act) => [true, `Done twice by the journal: ${act}`] as const),
    ...recordedTwice(events).map((what) => [true, `Recorded twice: ${what}`] as const),
    ...notByTheOwner(events).map((what) => [true, `Not by the owner: ${what}`] as const),
    ...lookProblems(writable, nodes).map((what) => [true, what] as const),
    [serving.length !== 1, `${serving.length} nodes accept writes at the end.`],
    [lost !== 0, `${lost} acknowledged writes are lost.`],
    [acknowledged === 0, 'The client had no write acknowledged.'],
    [moves(ledger) !== switchovers.length, `The client moved ${moves(ledger)} times in ${switchovers.length} switchovers.`],
    [promotions !== switchovers.length, `PostgreSQL was promoted ${promotions} times in ${switchovers.length} switchovers.`],
    ...facts.flatMap((node) => nodeProblems(node, version, 1 + switchovers.length)),
    ...jobProblems(window.nodes, plan),
    ...effectProblems(window, events, run),
  ];
  const problems = rules.filter(([isBroken]) => isBroken).map(([, sentence]) => sentence);
  const { kills } = seen;
  return { kills, writable, doubleActs, lostWrites: lost, acknowledgedWrites: acknowledged, promotions, problems };
}

function nodeProblems(
  node: { readonly slug: string; readonly version: string; readonly timeline: number },
  version: string,
  timeline: number,
): readonly (readonly [boolean, string])[] {
  return [
    [node.version !== version, `${node.slug} runs ${node.version} and not ${version}.`],
    [node.timeline !== timeline, `${node.slug} is on timeline ${node.timeline} and not ${timeline}.`],
  ];
}

/** One patch job per node that the plan patches, whatever happened to who started it. */
function jobProblems(nodes: readonly PracticeNode[], plan: PlanName): readonly (readonly [boolean, string])[] {
  return nodes.map((node) => {
    const expected = PLANS[plan].steps.filter((step) => /\/patch-/.test(step) && step.endsWith(`-${node.slug.at(-1)}`)).length;
    const jobs = journalOf(node).filter(({ kind, key }) => kind === 'jobs' && /-\d{2}-patch-/.test(key));
    return [jobs.length !== expected, `${node.slug} was patched ${jobs.length} times and not ${expected}.`];
  });
}

/** The steps that asked for an effect are those of the matrix, and those that send no act have none in the hosts' journals. */
function effectProblems(
  { nodes }: PairWindow,
  events: readonly RecordedEvent[],
  { plan, slug }: WindowRun,
): readonly (readonly [boolean, string])[] {
  const phases = new Map<string, string>();
  for (const { body } of events)
    for (const step of (body['plan'] as { steps?: readonly { stepId: string; phase: string }[] } | null | undefined)?.steps ?? [])
      phases.set(step.stepId, step.phase);
  const named = (stepId: string): string => `${phases.get(stepId)}/${stepId.slice(3).replace(`${slug}-`, '')}`;
  const asked = events.flatMap(({ type, body }) => {
    const effect = type === 'StepRequested' && ['verb', 'job', 'probe'].includes((body['ask'] as { ask: string }).ask);
    return effect ? [named(String(body['stepId']))] : [];
  });
  const found = [...new Set(asked)].join(', ');
  const { steps, withoutActs } = PLANS[plan];
  const acted = new Set(nodes.flatMap(journalOf).map(({ key }) => named(key.split('/')[1] ?? '')));
  return [
    [found !== steps.join(', '), `Steps with an effect were ${found}; the matrix has ${steps.join(', ')}.`],
    ...withoutActs.map((step) => [acted.has(step), `${step} has sent an act; the matrix leaves its acts out.`] as const),
  ];
}

/** By the history of its timeline: one line per promotion since the cluster was made. */
async function promotionsOf({ pair: { cluster } }: PairWindow, slug: string | undefined): Promise<number> {
  const node = cluster.nodes.find((candidate) => candidate.slug === slug);
  if (node === undefined) return Number.NaN;
  return withClient(node, cluster.secrets.driver, 'postgres', async (client) => {
    const { rows } = await client.query<{ lines: string | null }>(
      `select pg_read_file('pg_wal/' || max(name)) as lines from pg_ls_dir('pg_wal') as name where name ~ '^[0-9A-F]{8}[.]history$'`,
    );
    return (rows[0]?.lines ?? '').split('\n').filter((line) => /^\d+\t/.test(line)).length;
  });
}

function moves(ledger: readonly LedgerEntry[]): number {
  const servedBy = ledger.flatMap((entry) => (entry.kind === 'ack' ? [entry.node] : []));
  return servedBy.filter((node, index) => index > 0 && node !== servedBy[index - 1]).length;
}
