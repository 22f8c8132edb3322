import type { ItemVersion } from '@understudy/cluster';
import type { VersionPair } from '../platform.js';
import type { RedisNode } from './snapshot.js';
import { serverOf, unitOf } from './topology.js';

/** What is installed and what runs: Redis by its own version, and its packages by the distributor's. */
export function versionsOf(node: RedisNode): Readonly<Record<string, ItemVersion>> {
  const [server, unit] = [serverOf(node), unitOf(node)];
  const running = server?.version ?? null;
  const packages = Object.entries(unit?.packages ?? {}).filter(([name]) => name === 'redis-server');
  return {
    redis: { installed: unit?.binary?.version ?? null, running },
    ...Object.fromEntries(packages.map(([name, installed]) => [name, { installed, running: packageRunning(node, installed) }])),
  };
}

/** A distributor's fix keeps Redis's version and changes its build: one that differs is not what is installed. */
function packageRunning(node: RedisNode, installed: string): string | null {
  const [server, binary] = [serverOf(node), unitOf(node)?.binary ?? null];
  if (server === undefined || binary === null) return null;
  const isSame =
    server.version === binary.version && (server.build === null || binary.build === null || server.build === binary.build);
  return isSame ? installed : `${server.version}, build ${server.build ?? 'unknown'}`;
}

/**
 * A replica reads the stream and the snapshot of a master of its own version or an older one; an older one may not read a newer one's
 * (its snapshots have another version). Within one minor version both directions work.
 * https://redis.io/docs/latest/operate/oss_and_stack/install/upgrade/
 */
export function versionPair(item: string, from: string, to: string): VersionPair {
  if (!/^redis(-server)?$/.test(item))
    return { allowed: true, wayBack: 'lossless', reason: `${item} is not Redis: its data and its stream do not depend on it.` };
  const [before, after] = [numbersOf(from), numbersOf(to)];
  if (before === null || after === null)
    return { allowed: false, wayBack: 'none', reason: `${from} and ${to} cannot be compared as versions of Redis.` };
  const [isSameMajor, isSameMinor] = [before[0] === after[0], before[0] === after[0] && before[1] === after[1]];
  if (isSameMinor)
    return {
      allowed: true,
      wayBack: 'lossless',
      reason: `Redis ${from} and ${to} are of one minor version: either follows the other.`,
    };
  const isUp = after[0] > before[0] || (isSameMajor && after[1] > before[1]);
  return isUp
    ? {
        allowed: true,
        wayBack: 'none',
        reason: `A replica of Redis ${to} follows a master of ${from}, and not the other way round: once ${to} has been the master, ${from} cannot read its data.`,
      }
    : { allowed: false, wayBack: 'none', reason: `A replica of Redis ${to} may not read what a master of ${from} sends.` };
}

/** The leading numbers of a version, without an epoch. */
function numbersOf(version: string): readonly [number, number] | null {
  const parts = /^(?:\d+:)?(\d+)\.(\d+)/.exec(version);
  return parts === null ? null : [Number(parts[1]), Number(parts[2])];
}
