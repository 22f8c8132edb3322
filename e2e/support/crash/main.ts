/** `npm run crash`: kills the product at its named places in real windows, and looks afterwards whether anything was done twice or lost. */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { processesNaming } from '../demo.js';
import { PLANS, windowsOf, type Cell, type Extent, type PlanName, type Victim } from './cells.js';
import { Ground } from './ground.js';
import { tableOf, type Played } from './table.js';
import { playWindow } from './window.js';

const HELP = `Kills the product with -9 at its named places, in real windows over a real PostgreSQL pair under a client's writes.

  npm run crash -- [options]

                        each step that has an effect once, and a place in each phase, in one window per plan (what CI does)
  --all                 the whole product: every place of every such step, every place of every phase; ten windows per plan
  --double              two kills each: the second one during the way back from the first; ten windows per plan
  --plan happy|rollback only that plan (default: both). rollback: the newer release does not start
  --victim NAME         who dies: orchestrator (default), or store: the PostgreSQL that holds the logs, at the same places
  --turn N|N-M          only the windows of these numbers, from 1
  --help                this text

A cell fires once and counts only if the place's name was written before the victim died of signal 9; a cell that was not taken
fails. After each window: the right end, each act once by the hosts' journals and by PostgreSQL's timelines, no acknowledged write
lost, never two nodes that accept writes. The last lines are a table of places by plans. Exit code 0: all of it held.`;

interface Wanted {
  readonly extent: Extent;
  readonly plans: readonly PlanName[];
  readonly victim: Victim;
  /** Numbers of windows, both included. */
  readonly turns: readonly [number, number];
}

type Values = Readonly<{ all: boolean; double: boolean; plan?: string; victim?: string; turn?: string }>;

/** What was asked for; `wrong` = why it cannot be. */
function read(argv: readonly string[]): Wanted | 'help' | { readonly wrong: string } {
  try {
    const flag = { type: 'boolean', default: false } as const;
    const text = { type: 'string' } as const;
    const options = { all: flag, double: flag, help: flag, plan: text, victim: text, turn: text };
    const { values } = parseArgs({ args: [...argv], options });
    if (values.help) return 'help';
    const wrong = refusal(values);
    return wrong === undefined ? wantedBy(values) : { wrong };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

/** The first thing that cannot be meant, in words. */
function refusal({ all, double, plan, victim, turn }: Values): string | undefined {
  const rules: readonly (readonly [boolean, string])[] = [
    [
      plan !== undefined && !Object.hasOwn(PLANS, plan),
      `There is no plan "${plan}". There are: ${Object.keys(PLANS).join(', ')}.`,
    ],
    [victim !== undefined && victim !== 'orchestrator' && victim !== 'store', `Nobody called "${victim}" can be killed here.`],
    [victim === 'store' && double, '--double is about starts of the orchestrator.'],
    [all && double, '--all and --double are two runs.'],
    [turn !== undefined && !/^[1-9]\d?(-[1-9]\d?)?$/.test(turn), `--turn takes numbers from 1, as 3 or 3-5, not "${turn}".`],
  ];
  return rules.find(([isBroken]) => isBroken)?.[1];
}

function wantedBy({ all, double, plan, victim, turn }: Values): Wanted {
  return {
    extent: double ? 'double' : all ? 'all' : 'ci',
    plans: (Object.keys(PLANS) as PlanName[]).filter((name) => plan === undefined || name === plan),
    victim: victim === 'store' ? 'store' : 'orchestrator',
    turns: turnsOf(turn),
  };
}

function turnsOf(turn = '1-99'): readonly [number, number] {
  const [first = '', last = first] = turn.split('-');
  return [Number(first), Number(last)];
}

const startedAt = performance.now();
const interrupted = new AbortController();

function say(text: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(8)} s  ${text}\n`);
}

interface Turn {
  readonly plan: PlanName;
  readonly number: number;
  readonly cells: readonly Cell[];
}

async function run(wanted: Wanted): Promise<boolean> {
  const turns = wanted.plans
    .flatMap((plan) =>
      windowsOf(plan, wanted.extent, wanted.victim).map((cells, index): Turn => ({ plan, number: index + 1, cells })),
    )
    .filter(({ number }) => number >= wanted.turns[0] && number <= wanted.turns[1])
    .sort((one, other) => one.number - other.number);
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-crash-'));
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  const played: Played[] = [];
  const problems: string[] = [];
  let ground: Ground | undefined;
  try {
    ground = await Ground.start(folder, wanted.victim, say);
    say(
      `the product serves; ${turns.length} windows, ${turns.flatMap(({ cells }) => cells).length} kills of the ${wanted.victim}`,
    );
    for (const turn of turns) {
      problems.push(...(await playTurn(ground, turn, played)));
    }
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    problems.push(...((await ground?.stop()) ?? []), ...endAll(folder));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  for (const line of ['', ...tableOf(played, wanted.victim), '']) process.stdout.write(`${line}\n`);
  for (const problem of problems) process.stdout.write(`WRONG: ${problem}\n`);
  say(problems.length === 0 ? 'every cell was taken, and nothing was done twice or lost' : `${problems.length} problems`);
  return problems.length === 0 && played.length === turns.length;
}

async function playTurn(ground: Ground, { plan, number, cells }: Turn, played: Played[]): Promise<readonly string[]> {
  const slug = `${plan}-${number}`;
  say(`window ${slug}: ${cells.length} cells`);
  const end = await playWindow(ground, { plan, cells, slug }, interrupted.signal);
  played.push({ plan, cells, end });
  const left = await ground.undo.run();
  const { kills, promotions, acknowledgedWrites, lostWrites, problems } = end;
  say(
    `window ${slug}: ${kills.length} kills, ${promotions} promotions, ${acknowledgedWrites} writes, ${lostWrites} lost, ${problems.length} problems`,
  );
  return [...problems, ...left].map((problem) => `${slug}: ${problem}`);
}

/** Detached jobs and nodes of a run that broke off are ended by the folder's name; a good run leaves none. */
function endAll(folder: string): readonly string[] {
  return [...new Set(processesNaming(folder))].map((pid) => {
    process.kill(pid, 'SIGKILL');
    return `Process ${pid} was left running and has been ended.`;
  });
}

async function main(): Promise<number> {
  const wanted = read(process.argv.slice(2));
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
