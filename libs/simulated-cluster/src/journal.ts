import { withHost } from './change.js';
import { hostOf } from './read.js';
import type { SimulatedEntry, World } from './world.js';

/** The node journal of a simulated host, by the same rules as the real one: a key runs once, an epoch never goes back. */

export interface SimulatedFence {
  readonly logId: string;
  readonly epoch: number;
}

export type Entered =
  | { readonly status: 'begun' }
  | { readonly status: 'known'; readonly code: number }
  | { readonly status: 'open' }
  | { readonly status: 'fenced'; readonly seen: SimulatedFence };

export function raise(
  world: World,
  host: string,
  fence: SimulatedFence,
): { readonly world: World; readonly fenced: SimulatedFence | null } {
  const seen = hostOf(world, host).fence;
  if (seen !== null && (seen.logId !== fence.logId || seen.epoch > fence.epoch)) return { world, fenced: seen };
  return { world: withHost(world, host, { fence: { logId: fence.logId, epoch: fence.epoch } }), fenced: null };
}

export function enter(
  world: World,
  host: string,
  key: string,
  fence: SimulatedFence,
): { readonly world: World; readonly entered: Entered } {
  const raised = raise(world, host, fence);
  if (raised.fenced !== null) return { world, entered: { status: 'fenced', seen: raised.fenced } };
  const { journal } = hostOf(world, host);
  const known = journal.find((entry) => entry.key === key);
  if (known !== undefined)
    return { world, entered: known.ended === null ? { status: 'open' } : { status: 'known', code: known.ended.code } };
  const entry: SimulatedEntry = { key, epoch: fence.epoch, begunAtMs: world.nowMs, ended: null };
  return { world: withHost(raised.world, host, { journal: [...journal, entry] }), entered: { status: 'begun' } };
}

export function recordEnd(world: World, host: string, key: string, code: number): World {
  const journal = hostOf(world, host).journal.map((entry) =>
    entry.key === key && entry.ended === null ? { ...entry, ended: { atMs: world.nowMs, code } } : entry,
  );
  return withHost(world, host, { journal });
}
