/** Both directions are pure: no clock is read in this project. One decision asks for the same few moments again and again. */

/** Milliseconds since the epoch of an RFC 3339 time. */
export const msOf = remembered((at: string) => Date.parse(at));

/** RFC 3339, UTC, with milliseconds. */
export const isoOf = remembered((ms: number) => new Date(ms).toISOString());

export function later(at: string, byMs: number): string {
  return isoOf(msOf(at) + byMs);
}

/** Answers that are kept; when there are so many, all are forgotten. */
const MOST_REMEMBERED = 4_096;

/** The same function, remembering its answers. What it throws is thrown each time. */
function remembered<A, B>(work: (of: A) => B): (of: A) => B {
  const known = new Map<A, B>();
  return (of) => {
    const answer = known.get(of);
    if (answer !== undefined) return answer;
    if (known.size >= MOST_REMEMBERED) known.clear();
    const fresh = work(of);
    known.set(of, fresh);
    return fresh;
  };
}
