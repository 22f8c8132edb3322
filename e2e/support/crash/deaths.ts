/** Which deaths count as kills of the matrix. Pure. */
import type { Cell, Victim } from './cells.js';

/** How a victim ended: one of signal and code is null; both are where nobody saw it. */
export interface Death {
  readonly pid: number;
  readonly signal: string | null;
  readonly code: number | null;
}

/** A kill that counts: the place's name was written, and the victim then died of signal 9. */
export interface Kill {
  readonly cell: Cell;
  readonly pid: number;
}

/** @param cell whose name was written before this death. Answers why it does not count, in a sentence. */
export function killOf(victim: Victim, { pid, signal, code }: Death, cell: Cell | undefined): Kill | string {
  const who = victim === 'store' ? 'The store' : 'The product';
  const how = signal ?? (code === null ? 'nobody saw how' : `exit code ${code}`);
  if (cell === undefined) return `${who} (process ${pid}) ended by itself (${how}): no place was written.`;
  if (signal !== 'SIGKILL')
    return `${who} (process ${pid}) was to be killed at ${cell.id}, and did not die of signal 9 (${how}).`;
  return { cell, pid };
}
