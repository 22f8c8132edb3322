import type { CommandResult } from './access.js';

/** What is kept of each output where a command says nothing else. */
export const DEFAULT_OUTPUT_BYTES = 1024 * 1024;

export function unknown(reason: string): CommandResult {
  return { status: 'unknown', reason };
}
