import { runWindow, type WindowOptions, type WindowResult } from './window.js';

/** So many windows are run at most to make one history smaller. */
const MOST_TRIES = 200;

export interface Shrunk {
  readonly result: WindowResult;
  /** The faults that are left, by their place in the seed's list. */
  readonly only: readonly number[];
  readonly tries: number;
}

/** Leaves out fault after fault for as long as the same invariant is broken: the fewest that still fail, none of which can go. */
export async function shrink(failed: WindowResult, options: WindowOptions): Promise<Shrunk> {
  const invariant = failed.breaches[0]?.invariant;
  let only = failed.planned.map((fault) => fault.id);
  let result = failed;
  let tries = 0;
  for (let size = Math.ceil(only.length / 2); size >= 1 && tries < MOST_TRIES; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < only.length && tries < MOST_TRIES;) {
      const fewer = [...only.slice(0, at), ...only.slice(at + size)];
      tries += 1;
      const tried = await runWindow({ ...options, only: fewer });
      if (tried.breaches[0]?.invariant === invariant) {
        only = fewer;
        result = tried;
      } else at += size;
    }
  }
  return { result, only, tries };
}
