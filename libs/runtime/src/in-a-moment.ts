import { setTimeout as delay } from 'node:timers/promises';

const MOMENT_MS = 1_500;

/** What `asked` says within a moment; undefined when it fails or takes longer. For figures about what may be away, which must not make all others wait. */
export async function inAMoment<T>(asked: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  const late = delay(MOMENT_MS, undefined, { signal: over.signal }).catch(() => undefined);
  try {
    return await Promise.race([asked, late]);
  } catch {
    return undefined;
  } finally {
    over.abort();
  }
}
