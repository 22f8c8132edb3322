/** Seeds that once found something, by what they found. Each is a window that every later build has to pass. */
export interface NamedSeed {
  readonly seed: number;
  readonly found: string;
}

export const NAMED_SEEDS: readonly NamedSeed[] = [
  { seed: 162, found: 'a rollout past its window asked for evidence again and again, and told nobody' },
  { seed: 261, found: 'the same on the way back, with two events a second' },
  { seed: 144, found: 'on the way back a step of the way there was tried again' },
  { seed: 24, found: 'a way back that was held up could be ended by nobody' },
  { seed: 525, found: 'a drained node that somebody had started again was rebooted all the same' },
  { seed: 420, found: 'the same with the patch taken back under the running server' },
];
