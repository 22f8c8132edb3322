/**
 * Preload for the orchestrator of `npm run crash`, `--import=file:///…/loaded.mjs?code=URL`: loads the code that the program is going to
 * import, and goes on to the program at a line on standard input. Loading takes longer than all else of a start and is the same each
 * time; so the process that comes after a kill has done it before. Nothing of the product has run by then. Without a line (whoever
 * would have written it has gone) it ends.
 */
import { readSync } from 'node:fs';

await import(new URL(import.meta.url).searchParams.get('code') ?? '');
if (readSync(0, Buffer.alloc(1)) === 0) process.exit(0);
