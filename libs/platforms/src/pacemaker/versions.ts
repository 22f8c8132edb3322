import type { ItemVersion } from '@understudy/cluster';
import type { VersionPair } from '../platform.js';
import type { PacemakerNode } from './snapshot.js';
import { isOff, stackOf, viewOf } from './topology.js';

/** What is installed and what runs of the stack itself. What the resources run is not Pacemaker's to tell. */
export function versionsOf(node: PacemakerNode): Readonly<Record<string, ItemVersion>> {
  const stack = stackOf(node);
  if (stack === undefined) return {};
  const units = { pacemaker: stack.pacemaker, corosync: stack.corosync };
  return Object.fromEntries(
    Object.entries(units).map(([item, unit]) => {
      const installed = stack.packages[item] ?? null;
      // A program that was replaced under the running one: that is an older one, and nobody tells which.
      const isSame = !isOff(unit.activeState) && viewOf(node)?.replaced.includes(item) === false;
      return [item, { installed, running: isSame ? installed : null }];
    }),
  );
}

/**
 * A fix of the distributor keeps the version of the program. Of Pacemaker and Corosync a newer one joins a cluster of older ones; once all
 * are newer, an older one is not let in any more ("Rolling (node by node)" in "Upgrading" of Pacemaker Administration). PostgreSQL's
 * minor versions share data and stream. Of anything else that a resource runs, nobody here knows what it writes.
 */
export function versionPair(item: string, from: string, to: string): VersionPair {
  const [before, after] = [upstream(from), upstream(to)];
  if (before === null || after === null)
    return { allowed: false, wayBack: 'none', reason: `${from} and ${to} cannot be compared as versions of ${item}.` };
  if (before.join('.') === after.join('.'))
    return {
      allowed: true,
      wayBack: 'lossless',
      reason: `${item} ${from} and ${to} are the same version of the program, built by its distributor with other fixes.`,
    };
  const isUp = compare(before, after) < 0;
  if (/^postgresql(-[\d.]+)?$/.test(item) && before[0] === after[0])
    return { allowed: true, wayBack: 'lossless', reason: `PostgreSQL ${from} and ${to} share the format of data and WAL.` };
  if (before[0] !== after[0] || /^postgresql/.test(item))
    return { allowed: false, wayBack: 'none', reason: `${item} ${from} and ${to} are of different major versions.` };
  return isUp
    ? {
        allowed: true,
        wayBack: 'none',
        reason: `${item} ${to} takes part beside ${from}; once every node has it, or has written with it, ${from} may not be let in or may not read that.`,
      }
    : {
        allowed: false,
        wayBack: 'none',
        reason: `${item} ${to} is older than ${from}, which may not be let in or may not read what that wrote.`,
      };
}

/** The program's own version, without an epoch and the distributor's part. */
function upstream(version: string): readonly number[] | null {
  const parts = /^(?:\d+:)?(\d+(?:\.\d+)*)/.exec(version)?.[1];
  return parts === undefined ? null : parts.split('.').map(Number);
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
