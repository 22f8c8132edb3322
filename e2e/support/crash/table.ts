/** What a run of the matrix says at its end. Pure. */
import { isStarting, PHASE_PLACES, PLANS, STEP_PLACES, type Cell, type PlanName, type Victim } from './cells.js';
import type { WindowEnd } from './window.js';

export interface Played {
  readonly plan: PlanName;
  readonly cells: readonly Cell[];
  readonly end: WindowEnd;
}

/** Places by plans, `kills of cells`; then the sums. */
export function tableOf(windows: readonly Played[], victim: Victim): readonly string[] {
  const plans = (Object.keys(PLANS) as PlanName[]).filter((plan) => windows.some((window) => window.plan === plan));
  const places = [...STEP_PLACES, ...PHASE_PLACES].filter((place) => victim === 'orchestrator' || !isStarting(place));
  const of = (plan: PlanName, place: string): string => {
    const mine = windows.filter((window) => window.plan === plan);
    const cells = mine.flatMap((window) => window.cells).filter((cell) => cell.place === place).length;
    const kills = mine.flatMap(({ end }) => end.kills).filter(({ cell }) => cell.place === place).length;
    return cells === 0 ? '-' : `${kills} of ${cells}`;
  };
  const rows = places.map((place) => [place, ...plans.map((plan) => of(plan, place))]);
  const sums: readonly (readonly [string, (ends: readonly WindowEnd[]) => string])[] = [
    ['windows', (ends) => String(ends.length)],
    ['kills', (ends) => sum(ends, ({ kills }) => kills.length)],
    ['promotions', (ends) => sum(ends, ({ promotions }) => promotions)],
    ['double acts', (ends) => sum(ends, ({ doubleActs }) => doubleActs.length)],
    ['acknowledged writes', (ends) => sum(ends, ({ acknowledgedWrites }) => acknowledgedWrites)],
    ['lost writes', (ends) => sum(ends, ({ lostWrites }) => lostWrites)],
    ['looks at who accepts writes', (ends) => sum(ends, ({ writable }) => writable.looks)],
    ['answered, by the quieter node', (ends) => sum(ends, ({ writable: { answered } }) => leastOf(answered))],
    ['outside of switchovers', (ends) => sum(ends, ({ writable }) => writable.calm)],
    ['of these with a writer', (ends) => sum(ends, ({ writable }) => writable.calmWithWriter)],
    ['two writable nodes', (ends) => sum(ends, ({ writable }) => writable.twoAtOnce.length)],
  ];
  const ends = (plan: PlanName): readonly WindowEnd[] => windows.filter((window) => window.plan === plan).map(({ end }) => end);
  const totals = sums.map(([name, total]) => [name, ...plans.map((plan) => total(ends(plan)))]);
  return aligned([['place', ...plans], ...rows, [''], ...totals]);
}

function leastOf(answered: Readonly<Record<string, number>>): number {
  return Object.keys(answered).length === 0 ? 0 : Math.min(...Object.values(answered));
}

function sum(ends: readonly WindowEnd[], of: (end: WindowEnd) => number): string {
  return String(ends.reduce((total, end) => total + of(end), 0));
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const width = Math.max(...rows.map(([name = '']) => name.length)) + 2;
  return rows.map(([name = '', ...cells]) => `${name.padEnd(width)}${cells.map((cell) => cell.padStart(12)).join('')}`.trimEnd());
}
