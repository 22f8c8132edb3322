/** Milliseconds since the epoch of an RFC 3339 time. Both directions are pure: no clock is read in this project. */
export function msOf(at: string): number {
  return Date.parse(at);
}

/** RFC 3339, UTC, with milliseconds. */
export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

export function later(at: string, byMs: number): string {
  return isoOf(msOf(at) + byMs);
}
