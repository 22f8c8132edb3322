/** What `npm run crash` was asked for. Pure. */
import { parseArgs } from 'node:util';
import { PLANS, windowsOf, type Cell, type Extent, type PlanName, type Victim } from './cells.js';

export const HELP = `Kills the product with -9 at its named places, in real windows over a real PostgreSQL pair under a client's writes.

  npm run crash -- [options]

                        each step that has an effect once, and a place in each phase, in one window per plan (what CI does)
  --all                 the whole product: every place of every such step, every place of every phase; ten windows per plan
  --double              two kills each: the second one during the way back from the first; ten windows per plan
  --plan happy|rollback only that plan (default: both). rollback: the newer release does not start
  --victim NAME         who dies: orchestrator (default), or store: the PostgreSQL that holds the logs, at the same places
  --turn N|N-M          only the windows of these numbers, from 1
  --at-once N           windows that are played side by side, each with a product and a store of its own (default 1, at most 8; two
                        starve each other on two cores)
  --results FOLDER      what each window came to is kept there; a run of the same build that finds a good window there does not play
                        it again, one that failed it does
  --help                this text

A cell fires once and counts only if the place's name was written before the victim died of signal 9; a cell that was not taken
fails. After each window: the right end, each act once by the hosts' journals and by PostgreSQL's timelines, no acknowledged write
lost, a node that accepts writes whenever no switchover is under way, and never two. The last lines are a table of places by plans.
Exit code 0: all of it held.`;

export interface Wanted {
  readonly extent: Extent;
  readonly victim: Victim;
  /** In the order in which they are played. */
  readonly turns: readonly Turn[];
  readonly atOnce: number;
  /** A folder. */
  readonly results?: string;
}

/** A window to be played. */
export interface Turn {
  readonly plan: PlanName;
  /** From 1. */
  readonly number: number;
  readonly cells: readonly Cell[];
}

type Texts = Readonly<Partial<Record<'plan' | 'victim' | 'turn' | 'results', string>>>;
type Values = Texts & Readonly<{ all: boolean; double: boolean; 'at-once': string }>;

/** What was asked for; `wrong` = why it cannot be. */
export function readOptions(argv: readonly string[]): Wanted | 'help' | { readonly wrong: string } {
  try {
    const flag = { type: 'boolean', default: false } as const;
    const text = { type: 'string' } as const;
    const of = { plan: text, victim: text, turn: text, results: text, 'at-once': { ...text, default: '1' } };
    const { values } = parseArgs({ args: [...argv], options: { all: flag, double: flag, help: flag, ...of } });
    if (values.help) return 'help';
    const wrong = refusal(values);
    return wrong === undefined ? wantedBy(values) : { wrong };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

/** The first thing that cannot be meant, in words. */
function refusal({ all, double, plan, victim, turn, 'at-once': atOnce }: Values): string | undefined {
  const rules: readonly (readonly [boolean, string])[] = [
    [
      plan !== undefined && !Object.hasOwn(PLANS, plan),
      `There is no plan "${plan}". There are: ${Object.keys(PLANS).join(', ')}.`,
    ],
    [victim !== undefined && victim !== 'orchestrator' && victim !== 'store', `Nobody called "${victim}" can be killed here.`],
    [victim === 'store' && double, '--double is about starts of the orchestrator.'],
    [all && double, '--all and --double are two runs.'],
    [turn !== undefined && !/^[1-9]\d?(-[1-9]\d?)?$/.test(turn), `--turn takes numbers from 1, as 3 or 3-5, not "${turn}".`],
    [!/^[1-8]$/.test(atOnce), `--at-once takes a number from 1 to 8, not "${atOnce}".`],
  ];
  return rules.find(([isBroken]) => isBroken)?.[1];
}

function wantedBy({ all, double, plan, victim: name, turn, results, 'at-once': atOnce }: Values): Wanted {
  const extent: Extent = double ? 'double' : all ? 'all' : 'ci';
  const victim: Victim = name === 'store' ? 'store' : 'orchestrator';
  const [first, last] = numbersOf(turn);
  const turns = (Object.keys(PLANS) as PlanName[])
    .filter((each) => plan === undefined || each === plan)
    .flatMap((each) => windowsOf(each, extent, victim).map((cells, index): Turn => ({ plan: each, number: index + 1, cells })))
    .filter(({ number }) => number >= first && number <= last)
    .sort((one, other) => one.number - other.number);
  return { extent, victim, turns, atOnce: Number(atOnce), ...(results === undefined ? {} : { results }) };
}

function numbersOf(turn = '1-99'): readonly [number, number] {
  const [first = '', last = first] = turn.split('-');
  return [Number(first), Number(last)];
}
