/**
 * Rare situations that a run of many windows must have reached, each with the least number in 2,000 windows: a generator of
 * faults that has gone blind is noticed here, not by its silence.
 */
export interface Goal {
  /** As the window counts it. */
  readonly saw: string;
  /** For a person. */
  readonly what: string;
  readonly least: number;
}

export const GOALS: readonly Goal[] = [
  { saw: 'adopted by another', what: 'another process took over', least: 20 },
  { saw: 'adopted by the next start', what: 'the next start of the same instance took over', least: 20 },
  { saw: 'fenced by a host', what: 'a process that was replaced was shut out by a host', least: 1 },
  { saw: 'refused: NOT_OWNER', what: 'a process that was replaced learnt of it from the log', least: 2 },
  { saw: 'refused: HOST_CLAIMED', what: 'a rollout waited for the host of another', least: 1 },
  { saw: 'two nodes take writes', what: 'somebody else split the cluster', least: 20 },
  { saw: 'a deadline was missed', what: 'a step missed its deadline, and was looked at', least: 50 },
  { saw: 'a later attempt succeeded', what: 'what was seen not to have happened was done again', least: 50 },
  { saw: 'performed: frozen', what: 'a freeze stopped a verb between two of its acts', least: 10 },
  { saw: 'performed: deadline', what: 'a verb ran into its deadline', least: 20 },
  { saw: 'performed: unreachable', what: 'a job may or may not have begun', least: 5 },
  { saw: 'stuck: verb', what: 'a verb could not be done from there', least: 50 },
  { saw: 'switchover unknown', what: 'nobody could tell what became of a switchover', least: 10 },
  { saw: 'switchover failed', what: 'a switchover went back, or stopped half way', least: 50 },
  { saw: 'patch failed', what: 'a patch job ended badly', least: 20 },
  { saw: 'patch unknown', what: 'nobody could tell what became of a patch', least: 5 },
  { saw: 'reboot unknown', what: 'a host did not come back from its reboot', least: 5 },
  { saw: 'reboot failed', what: 'a host was asked to reboot and did not', least: 10 },
  { saw: 'join failed', what: 'a patched server did not start', least: 50 },
  { saw: 'validate failed', what: 'a node did not pass its validation', least: 50 },
  { saw: 'soak failed', what: 'a node fell ill while it soaked', least: 10 },
  { saw: 'drain failed', what: 'a drain found the node serving, or could not be done', least: 5 },
  { saw: 'release failed', what: 'a node could not be released', least: 5 },
  { saw: 'unpatch succeeded', what: 'a patch was taken back', least: 50 },
  { saw: 'turned back by a person', what: 'a person had a patch taken back', least: 20 },
  { saw: 'too late to turn back', what: 'a rollback was asked for in time, and could not be done any more', least: 1 },
  { saw: 'own approval refused', what: 'somebody tried to approve his own rollout', least: 20 },
  { saw: 'compared without a node', what: 'drift was asked again while a node was out of service', least: 10 },
  { saw: 'held', what: 'a rollout waited for a person', least: 500 },
  { saw: 'closed: succeeded', what: 'a rollout succeeded', least: 300 },
  { saw: 'closed: rolled-back', what: 'a rollout was rolled back', least: 50 },
  { saw: 'closed: aborted', what: 'a rollout was aborted', least: 100 },
  { saw: 'closed: failed', what: 'a rollout failed', least: 50 },
  { saw: 'closed: refused', what: 'a rollout was refused', least: 50 },
  { saw: 'closed: needs-attention', what: 'a rollout ended with something left for a person', least: 50 },
];
