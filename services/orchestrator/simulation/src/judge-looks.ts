import type { StepLook } from './gates.js';
import type { Judge } from './judge.js';
import type { RolloutRecord, StepRecord } from './record.js';

/**
 * Decisions, compared with what the look that they were made on showed: here it does not matter who brought it about, nor when.
 */

/** A step is looked at so often past its deadline, by the clock of who looks, before that is an event. */
const LOOKS_PAST_DEADLINE = 3;
const OUT_OF_SERVICE: readonly string[] = ['patch', 'unpatch', 'reboot'];

export function judgeLook(judge: Judge, kept: RolloutRecord, look: StepLook): void {
  judge.window.trace(() => `LOOK at ${look.requested?.key ?? look.stepId} by ${look.incarnation}, at ${look.at} by its clock`);
  const found = kept.step(look.stepId);
  if (found === undefined) return;
  found.look = look;
  const { requested, at } = look;
  if (requested === null || look.incarnation !== kept.owner?.incarnation || at <= requested.deadlineAt) return;
  // Of a clock that was put back: it says nothing until it is past what was recorded by it.
  if (Date.parse(at) <= kept.newestMs) return;
  kept.looksInVain += 1;
  judge.when(
    kept.looksInVain > LOOKS_PAST_DEADLINE,
    '7',
    () => `${look.stepId} is looked at again and again past its deadline, and the log does not say so.`,
  );
}

/** A node that runs is neither patched nor rebooted, whoever started it. */
export function judgeShownBefore(judge: Judge, kept: RolloutRecord, { step, look }: StepRecord): void {
  if (look === null || look.incarnation !== kept.owner?.incarnation || !OUT_OF_SERVICE.includes(step.kind)) return;
  judge.when(
    look.shown.answering.includes(step.node ?? ''),
    '2',
    () => `${step.stepId} is asked for on a look that shows ${step.node} running.`,
  );
}

/** Where the cluster is split, no node counts as a member again, whoever split it. */
export function judgeShownAfter(judge: Judge, kept: RolloutRecord, { step, look }: StepRecord): void {
  if (look === null || look.incarnation !== kept.owner?.incarnation || step.kind !== 'join') return;
  const { writers } = look.shown;
  judge.when(
    writers.length > 1,
    '9',
    () => `${step.stepId} is said to have succeeded on a look that shows ${writers.join(' and ')} taking writes.`,
  );
}
