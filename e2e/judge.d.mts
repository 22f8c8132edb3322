/** One figure of the demo's last line: what it said and what was found by computing it again. */
export interface Figure {
  readonly figure: string;
  readonly said: unknown;
  readonly found: unknown;
  readonly agrees: boolean;
}

/** @throws when a node does not answer, or not exactly one accepts writes. */
export function judge(folder: string): Promise<readonly Figure[]>;
