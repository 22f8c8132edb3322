import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 50;

/**
 * Looks until there is something, and answers it. A look that throws has seen nothing yet.
 * @throws after `limitMs`, with the words and what the last look threw.
 */
export async function waitFor<T>(what: string, limitMs: number, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const until = performance.now() + limitMs;
  let last = '';
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
      last = '';
    } catch (error) {
      last = ` The last look: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > until) throw new Error(`Waited ${limitMs / 1000} s for: ${what}.${last}`);
    await pause(LOOK_EVERY_MS);
  }
}

/** As `waitFor`, for a condition. */
export async function waitUntil(what: string, limitMs: number, met: () => Promise<boolean> | boolean): Promise<void> {
  await waitFor(what, limitMs, async () => ((await met()) ? true : undefined));
}

/** What a promise answers, if it does so in time. @throws after `limitMs`, with the words. */
export async function inTime<T>(what: string, limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${limitMs / 1000} s for: ${what}.`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
