/**
 * Preload for the processes of a test, `--import file:///…/places.mjs?folder=DIR`: a process that comes to the place which
 * `DIR/<pid>.stop-at` begins with says so in `DIR/<pid>.stopped` and stops itself, there and then, as SIGSTOP does. The product only
 * publishes its places; that anybody stops there is known to this file alone.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = new URL(import.meta.url).searchParams.get('folder') ?? '';
const order = join(folder, `${process.pid}.stop-at`);

subscribe('understudy:crash-place', ({ place, detail }) => {
  const name = `${place} ${detail}`;
  if (!name.startsWith(wanted())) return;
  rmSync(order);
  writeFileSync(join(folder, `${process.pid}.stopped`), name);
  process.kill(process.pid, 'SIGSTOP');
});

/** No place's name holds a line's end. */
function wanted() {
  try {
    return readFileSync(order, 'utf8');
  } catch {
    return '\n';
  }
}
