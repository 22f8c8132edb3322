import { resolve } from 'node:path';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { postgresBinaries } from '@understudy/runtime';
import { startLoad, type LoadWorker } from '../load/worker.js';
import type { LedgerEntry } from '../load/gaps.js';
import { buildPracticeCluster, cleanUp, type PracticeCluster } from '../pair/index.js';
import type { RecordedEvent, Verification } from '../rest/documents.js';
import { follow } from '../rest/sse.js';
import { scenarios, type Scenario, type Stage } from '../scenarios/index.js';
import { LiveView, type Screen } from '../view/live.js';
import { Narrator } from '../view/narrate.js';
import type { DemoArgs } from './args.js';
import type { Cleanup } from './cleanup.js';
import { LOAD_INTERVAL_MS, loadOptions, lostWrites, prepareLoad, versions } from './database.js';
import { judge, keepEvidence } from './evidence.js';
import { startProduct, type Product, type StartProduct } from './product.js';
import { register } from './register.js';
import {
  chainWords,
  closedOf,
  compare,
  LEAST_ACKNOWLEDGED_WRITES,
  problemsOf,
  shortReport,
  switchoversOf,
  type Compared,
  type LastLine,
} from './verdict.js';
import { makeWorkspace } from './workspace.js';

export interface DemoRun {
  readonly args: DemoArgs;
  readonly screen: Screen;
  readonly cleanup: Cleanup;
  readonly signal: AbortSignal;
  /** How the product is started; default: in one process. */
  readonly startProduct?: StartProduct;
}

export interface DemoEnd {
  readonly line: LastLine;
  readonly problems: readonly string[];
}

/** The rollout may take this long, from the window's opening to its close. */
const ROLLOUT_WITHIN_MS = 300_000;
const ENOUGH_WRITES_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** What the demo works with once everything runs. */
interface Theatre {
  readonly product: Product;
  readonly cluster: PracticeCluster;
  readonly load: LoadWorker;
  readonly ledgerFile: string;
  readonly stage: Stage;
}

/** Builds, drives and measures one scenario. What it starts is promised to `cleanup`; the caller runs that, always. */
export async function runDemo(run: DemoRun): Promise<DemoEnd> {
  const scenario = scenarios[run.args.scenario]();
  const narrator = new Narrator();
  let load: LoadWorker | undefined;
  const view = new LiveView(run.screen, () => statusLine(narrator, load));
  run.cleanup.defer('live view', async () => view.stop());
  view.print(`understudy demo: ${scenario.name} (${scenario.headline})\n`);
  view.start();
  const theatre = await setUp(run, scenario, view, (started) => (load = started));
  await scenario.prepare?.(theatre.stage);
  const versionsBefore = await versions(theatre.cluster);
  const rolloutId = await register(theatre.stage);
  view.note('window open; everything from here on is what the product recorded, as it happens\n');
  await followRollout(run, theatre, rolloutId, scenario, narrator, view);
  const ledger = await endLoad(theatre.load, run.signal);
  const end = await conclude(run, scenario, theatre, { rolloutId, ledger, versionsBefore });
  view.stop();
  for (const text of end.epilogue) view.print(text);
  view.print(`\n${shortReport(end.line, end.compared, view.elapsedMs()).join('\n')}`);
  return { line: end.line, problems: end.problems };
}

async function setUp(run: DemoRun, scenario: Scenario, view: LiveView, started: (load: LoadWorker) => void): Promise<Theatre> {
  const { args, cleanup, signal } = run;
  const folder = makeWorkspace(cleanup);
  const older = postgresBinaries('older');
  const newer = postgresBinaries('newer');
  const pairFolder = join(folder, 'pair');
  cleanup.defer('practice cluster', () => cleanUp(pairFolder));
  const start = run.startProduct ?? startProduct;
  const starting = start(join(folder, 'product'), join(folder, 'product.log'), signal);
  cleanup.defer('product', starting.stop);
  const cluster = await buildPracticeCluster({
    folder: pairFolder,
    nodes: scenario.nodes(args),
    releases: [
      { version: older.version, nativeFolder: older.folder },
      { version: newer.version, nativeFolder: newer.folder },
    ],
    ...(scenario.declaredHaLayer === undefined ? {} : { declaredHaLayer: scenario.declaredHaLayer }),
  });
  signal.throwIfAborted();
  view.note(
    `practice cluster: ${cluster.nodes.map((node) => node.slug).join(', ')} on PostgreSQL ${older.version}; ${newer.version} lies ready`,
  );
  await prepareLoad(cluster);
  const ledgerFile = join(folder, 'ledger.ndjson');
  const load = startLoad(loadOptions(cluster, ledgerFile));
  started(load);
  cleanup.defer('load client', async () => void (await load.stop().catch(() => undefined)));
  view.note(`load client: one write every ${LOAD_INTERVAL_MS} ms, from a process of its own`);
  const product = await starting.ready();
  view.note(`product: ${product.words}`);
  const stage: Stage = {
    args,
    cluster,
    api: product.api,
    ...(product.process === undefined ? {} : { product: product.process }),
    targetVersion: newer.version,
    say: (text) => view.note(text),
  };
  return { product, cluster, load, ledgerFile, stage };
}

async function followRollout(
  run: DemoRun,
  theatre: Theatre,
  rolloutId: string,
  scenario: Scenario,
  narrator: Narrator,
  view: LiveView,
): Promise<void> {
  const late = AbortSignal.timeout(ROLLOUT_WITHIN_MS);
  let closed = false;
  let reactions: Promise<void> = Promise.resolve();
  await follow(theatre.product.api, `/v1/rollouts/${rolloutId}/events`, AbortSignal.any([run.signal, late]), (sent) => {
    const event = JSON.parse(sent.data) as RecordedEvent;
    for (const line of narrator.tell(event)) view.event(line);
    reactions = reactions.then(() => scenario.onEvent?.(theatre.stage, event));
    closed = event.type === 'RolloutClosed';
    return !closed;
  });
  run.signal.throwIfAborted();
  await reactions;
  if (!closed) throw new Error(`The rollout ${rolloutId} did not end within ${ROLLOUT_WITHIN_MS / 1000} s.`);
}

/** Lets the client write until there is enough to measure, then ends it. */
async function endLoad(load: LoadWorker, signal: AbortSignal): Promise<readonly LedgerEntry[]> {
  const until = Date.now() + ENOUGH_WRITES_WITHIN_MS;
  while (load.progress().acknowledged < LEAST_ACKNOWLEDGED_WRITES && Date.now() < until)
    await pause(LOOK_EVERY_MS, undefined, { signal });
  return load.stop();
}

interface Concluded extends DemoEnd {
  readonly compared: Compared;
  readonly epilogue: readonly string[];
}

interface Played {
  readonly rolloutId: string;
  readonly ledger: readonly LedgerEntry[];
  readonly versionsBefore: Readonly<Record<string, string | null>>;
}

async function conclude(run: DemoRun, scenario: Scenario, theatre: Theatre, played: Played): Promise<Concluded> {
  const { rolloutId, ledger, versionsBefore } = played;
  const { api } = theatre.product;
  const eventsNdjson = await api.text(`/v1/rollouts/${rolloutId}/events`, 'application/x-ndjson');
  const events = eventsNdjson
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as RecordedEvent);
  const report = resolve(run.args.report ?? `understudy-report-${rolloutId}.html`);
  writeFileSync(report, await api.text(`/v1/rollouts/${rolloutId}/report`, 'text/html'));
  const verification = await api.get<Verification>(`/v1/rollouts/${rolloutId}/verify`);
  const versionsAfter = await versions(theatre.cluster);
  const closed = closedOf(events);
  const compared = compare(closed, ledger, LOAD_INTERVAL_MS);
  const line: LastLine = {
    scenario: scenario.name,
    result: closed?.result ?? 'none',
    versionsBefore,
    versionsAfter,
    interruptionMs: compared.probe?.longestMs ?? null,
    resolutionMs: compared.probe?.resolutionMs ?? null,
    switchovers: switchoversOf(events),
    acknowledgedWrites: ledger.filter((entry) => entry.kind === 'ack').length,
    failedWrites: ledger.filter((entry) => entry.kind === 'fail').length,
    lostWrites: await lostWrites(theatre.cluster, ledger),
    events: events.length,
    chain: chainWords(verification),
    report,
  };
  const ended = { rolloutId, events, ledger, versionsBefore, versionsAfter };
  const problems = [
    ...problemsOf(line, scenario.expectedResult, compared),
    ...(await scenario.problems(theatre.stage, ended)),
    ...(await examined(run.args, theatre, { rolloutId, eventsNdjson, line })),
  ];
  return { line, problems, compared, epilogue: scenario.epilogue?.(ended) ?? [] };
}

async function examined(
  args: DemoArgs,
  theatre: Theatre,
  facts: { readonly rolloutId: string; readonly eventsNdjson: string; readonly line: LastLine },
): Promise<readonly string[]> {
  if (args.evidence === undefined) return [];
  keepEvidence({ folder: args.evidence, cluster: theatre.cluster, ledgerFile: theatre.ledgerFile, ...facts });
  return args.judge === undefined ? [] : judge(args.judge, args.evidence);
}

function statusLine(narrator: Narrator, load: LoadWorker | undefined): string {
  const { phase, step } = narrator.now();
  if (load === undefined) return 'building the practice cluster and starting the product';
  const { acknowledged, failed, servedBy, silentMs } = load.progress();
  const client = `${acknowledged} writes${failed === 0 ? '' : `, ${failed} failed`}${silentMs > 100 ? `, waiting ${Math.round(silentMs)} ms` : ''}`;
  return `${phase}${step === null ? '' : `: ${step}`}  |  ${servedBy ?? 'nobody'} serves  |  client ${client}`;
}
