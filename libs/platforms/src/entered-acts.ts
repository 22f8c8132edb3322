import type { Fence, Host } from '@understudy/hosts';
import type { ActOutcome } from './verb-loop.js';

/** Kept of an act's time for the two entries in the journal around what goes over another channel. */
const JOURNAL_SHARE_MS = 1_500;
/** Exit code in the journal for an outside act that was answered with no. */
const REFUSED = 1;

/** Under which key an act is entered, for whom, and until when, in milliseconds. */
export interface Entry {
  readonly key: string;
  readonly fence: Fence;
  readonly deadlineMs: number;
}

export type OutsideOutcome = Exclude<ActOutcome, { status: 'fenced' }>;

/** A command on a host, entered in the host's journal by the host itself. Never throws. */
export async function onHost(entry: Entry, host: Host, argv: readonly [string, ...string[]]): Promise<ActOutcome> {
  const result = await host.journal.act({ ...entry, argv });
  switch (result.status) {
    case 'fenced':
      return { status: 'fenced', seen: result.seen };
    case 'unknown':
      return { status: 'unknown', detail: result.reason };
    case 'ended':
      if (result.code === 0) return { status: 'ended', detail: 'done' };
      return { status: 'refused', detail: `ended with ${result.code}: ${result.stderr.trim().slice(0, 300)}` };
  }
}

/** Around an act over a protocol of the platform's: entered before it is sent, its end after. What was not answered has no end. */
export async function outside(
  entry: Entry,
  host: Host,
  perform: (limitMs: number) => Promise<OutsideOutcome>,
): Promise<ActOutcome> {
  const entered = await host.journal.begin(entry);
  switch (entered.status) {
    case 'known':
      return { status: 'ended', detail: `was performed before (${entered.code})` };
    case 'unknown':
      return { status: 'unknown', detail: entered.reason };
    case 'fenced':
      return { status: 'fenced', seen: entered.seen };
    case 'begun': {
      const outcome = await perform(Math.max(1_000, entry.deadlineMs - JOURNAL_SHARE_MS));
      if (outcome.status !== 'unknown') await host.journal.end(entry, outcome.status === 'ended' ? 0 : REFUSED);
      return outcome;
    }
  }
}
