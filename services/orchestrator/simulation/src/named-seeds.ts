/**
 * Seeds that find something once found when it is planted again: windows that every later build has to pass. `npm run sim --
 * --planted` plants each in a copy and runs its seed there too: one that does not find it any more fails that run, for a seed
 * keeps its meaning only as long as what befalls a window is drawn as it is now. Its table then says which seed takes its place.
 */
export interface NamedSeed {
  readonly seed: number;
  readonly found: string;
  /** The patch in `planted/` that plants it again. */
  readonly planted: string;
}

export const NAMED_SEEDS: readonly NamedSeed[] = [
  {
    seed: 119,
    found: 'a drain counted a receiver that hung in place of the synchronous standby that it took away',
    planted: 'found-counts-a-receiver-that-hangs',
  },
  { seed: 168, found: 'on the way back a step of the way there was tried again', planted: 'found-forward-on-the-way-back' },
  { seed: 1, found: 'a join counted as done where the node was a second writer', planted: 'found-member-of-a-split-brain' },
  { seed: 86, found: 'a drained node that somebody had started again was patched or rebooted', planted: 'found-runs-again' },
];
