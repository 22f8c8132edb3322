/** `npm run crash`: kills the product at its named places in real windows, and looks afterwards whether anything was done twice or lost. */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { processesNaming } from '../demo.js';
import { REPOSITORY } from '../product.js';
import { Ground } from './ground.js';
import { HELP, readOptions, type Turn, type Wanted } from './options.js';
import { buildOf, Results } from './results.js';
import { tableOf, type Played } from './table.js';
import { playWindow, type WindowEnd } from './window.js';

const startedAt = performance.now();
const interrupted = new AbortController();

function say(text: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(8)} s  ${text}\n`);
}

/** What all that play windows side by side have in common. */
interface Run {
  readonly wanted: Wanted;
  readonly results: Results;
  readonly folder: string;
  readonly left: Turn[];
  readonly played: Played[];
  readonly problems: string[];
}

async function run(wanted: Wanted): Promise<boolean> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-crash-'));
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  const kept = wanted.results === undefined ? undefined : resolve(wanted.results);
  const results = new Results(kept, kept === undefined ? '' : buildOf(REPOSITORY), wanted);
  const run: Run = { wanted, results, folder, left: [], played: [], problems: [] };
  for (const turn of wanted.turns) {
    const end = results.known(turn);
    if (end === undefined) run.left.push(turn);
    else run.played.push({ ...turn, end });
  }
  const known = run.played.length === 0 ? '' : `; ${run.played.length} windows were played before`;
  say(`${run.left.length} windows, ${run.left.flatMap(({ cells }) => cells).length} kills of the ${wanted.victim}${known}`);
  try {
    const players = Array.from({ length: Math.min(wanted.atOnce, run.left.length) }, (_, index) => play(run, index));
    await Promise.all(players);
  } finally {
    run.problems.push(...endAll(folder));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  return told(run);
}

/** Plays one window after the other, on one ground for as long as that is sound. */
async function play(run: Run, player: number): Promise<void> {
  let ground: Ground | undefined;
  for (let turn = run.left.shift(), times = 1; turn !== undefined; turn = run.left.shift(), times += 1) {
    if (interrupted.signal.aborted) {
      run.problems.push(`${nameOf(turn)} was not played.`);
      continue;
    }
    const folder = join(run.folder, `ground-${player}-${times}`);
    ground ??= await started(run, folder).catch((error: unknown) => void run.problems.push(`${nameOf(turn)}: ${String(error)}`));
    if (ground !== undefined && !(await playTurn(run, ground, turn))) {
      await ended(run, ground);
      ground = undefined;
    }
  }
  if (ground !== undefined) await ended(run, ground);
}

function started({ wanted }: Run, folder: string): Promise<Ground> {
  mkdirSync(folder, { mode: 0o711 });
  return Ground.start(folder, wanted.victim, say);
}

async function ended(run: Run, ground: Ground): Promise<void> {
  run.problems.push(...(await ground.stop()));
}

/** False when the ground must not be used again. */
async function playTurn(run: Run, ground: Ground, turn: Turn): Promise<boolean> {
  const slug = nameOf(turn);
  say(`${slug}: ${turn.cells.length} cells`);
  const end = await playWindow(ground, { plan: turn.plan, cells: turn.cells, slug }, interrupted.signal).catch(notOpened);
  const left = await ground.undo.run();
  run.played.push({ ...turn, end });
  if (!interrupted.signal.aborted) run.results.keep(turn, end);
  const { kills, promotions, acknowledgedWrites, lostWrites, problems } = end;
  const done = run.played.length;
  say(
    `${slug}: ${kills.length} kills, ${promotions} promotions, ${acknowledgedWrites} writes, ${lostWrites} lost, ${problems.length} problems (window ${done} of ${run.wanted.turns.length})`,
  );
  for (const problem of problems) say(`${slug}: WRONG: ${problem}`);
  run.problems.push(...[...problems, ...left].map((problem) => `${slug}: ${problem}`));
  return problems.length === 0 && left.length === 0;
}

function notOpened(error: unknown): WindowEnd {
  const writable = { looks: 0, answered: {}, calm: 0, calmWithWriter: 0, twoAtOnce: [] };
  const none = { kills: [], doubleActs: [], lostWrites: 0, acknowledgedWrites: 0, promotions: 0, writable };
  return { ...none, problems: [`The window could not be opened: ${String(error)}`] };
}

function nameOf({ plan, number }: Turn): string {
  return `${plan}-${number}`;
}

function told({ wanted, results, played, problems }: Run): boolean {
  for (const line of ['', ...tableOf(played, wanted.victim), '']) process.stdout.write(`${line}\n`);
  for (const problem of problems) process.stdout.write(`WRONG: ${problem}\n`);
  const failures = wanted.turns.map((turn) => results.failures(turn)).reduce((sum, times) => sum + times, 0);
  if (failures > 0) say(`windows that failed, in this run or before: ${failures}; they are kept beside the others`);
  const isGood = problems.length === 0 && played.length === wanted.turns.length;
  say(isGood ? 'every cell was taken, and nothing was done twice or lost' : `${problems.length} problems`);
  return isGood;
}

/** Detached jobs and nodes of a run that broke off are ended by the folder's name; a good run leaves none. */
function endAll(folder: string): readonly string[] {
  return [...new Set(processesNaming(folder))]
    .filter(wasKilled)
    .map((pid) => `Process ${pid} was left running and has been ended.`);
}

/** False for one that has ended by itself since it was found. */
function wasKilled(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

async function main(): Promise<number> {
  const wanted = readOptions(process.argv.slice(2));
  if (wanted === 'help') {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if ('wrong' in wanted) {
    process.stderr.write(`${wanted.wrong} See npm run crash -- --help.\n`);
    return 2;
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)));
  return (await run(wanted)) ? 0 : 1;
}

process.exit(await main());
