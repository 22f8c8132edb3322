/**
 * Seeds that find something once found when it is planted again (`planted/found-*.patch`): windows that every later build has to
 * pass. A seed keeps its meaning for as long as what befalls a window is drawn as it is now; `npm run sim -- --planted found`
 * says which ones find them today.
 */
export interface NamedSeed {
  readonly seed: number;
  readonly found: string;
}

export const NAMED_SEEDS: readonly NamedSeed[] = [
  { seed: 59, found: 'on the way back a step of the way there was tried again' },
  { seed: 193, found: 'a join counted as done where the node was a second writer' },
  { seed: 312, found: 'a drain counted a receiver that hung in place of the synchronous standby that it took away' },
  { seed: 671, found: 'a drained node that somebody had started again had its patch taken back under it' },
];
