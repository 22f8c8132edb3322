import { compareVersions, type ItemVersion } from '@understudy/cluster';
import type { VersionPair } from '../platform.js';
import type { PatroniNode, PatroniSnapshot } from './snapshot.js';
import { apiOf, serverOf, unitOf } from './topology.js';

/**
 * What is installed and what runs, by the names that a patch set may use: `postgresql` and `patroni` with the product's own
 * versions, and each package (`postgresql-15`) with the distributor's. A package that was upgraded below a running server
 * shows here: the server goes on running the old binary until it is restarted.
 */
export function versionsOf(snapshot: PatroniSnapshot, node: PatroniNode): Readonly<Record<string, ItemVersion>> {
  const unit = unitOf(node);
  const running = runningServer(node);
  const major = majorOf(running ?? seenMajor(snapshot) ?? '');
  const installed = (unit?.binaries ?? [])
    .filter((version) => major === null || majorOf(version) === major)
    .sort(compareVersions);
  const patroni = apiOf(node)?.member.patroniVersion ?? null;
  return {
    postgresql: { installed: installed.at(-1) ?? null, running },
    patroni: { installed: upstream(unit?.packages['patroni']), running: patroni },
    ...packageVersions(node, major, running),
  };
}

function runningServer(node: PatroniNode): string | null {
  return serverOf(node)?.version ?? apiOf(node)?.member.serverVersion ?? null;
}

/** Of a node that does not run, the others tell which major version is its own. */
function seenMajor(snapshot: PatroniSnapshot): string | undefined {
  return snapshot.nodes.flatMap((node) => runningServer(node) ?? [])[0];
}

function packageVersions(node: PatroniNode, major: string | null, running: string | null): Readonly<Record<string, ItemVersion>> {
  const packages = unitOf(node)?.packages ?? {};
  const name = `postgresql-${major ?? ''}`;
  const installed = packages[name];
  if (installed === undefined) return {};
  // A server that does not name its package: by its own version, which is the first part of the package's.
  const told = serverOf(node)?.packageVersion;
  const runs = told ?? (running !== null && upstream(installed) === running ? installed : running);
  return { [name]: { installed, running: runs } };
}

/** `1:3.0.2-1` is 3.0.2 to its maker: no epoch, no revision of the distributor. */
function upstream(version: string | undefined): string | null {
  return (
    version
      ?.replace(/^\d+:/, '')
      .replace(/-[^-]*$/, '')
      .replace(/[+~].*$/, '') ?? null
  );
}

/**
 * PostgreSQL: binary replication needs one major version, and within it either direction reads the other's data and WAL.
 * Patroni: members of neighbouring versions live in one cluster, as its documentation of upgrades has it, within one major
 * version without exception; across majors keys and role names in the store change, and a member of the older one may not
 * read what the newer wrote. etcd: members may differ by one minor version, and none goes back below the version that the
 * cluster has agreed on.
 */
export function versionPair(item: string, from: string, to: string): VersionPair {
  if (/^postgresql(-(server-)?[\d.]+)?$/.test(item)) return postgresPair(from, to);
  if (/^patroni$/.test(item)) return patroniPair(from, to);
  if (/^etcd(-server)?$/.test(item)) return etcdPair(from, to);
  return {
    allowed: true,
    wayBack: 'lossless',
    reason: `${item} is neither PostgreSQL nor Patroni nor etcd: the data and the store do not depend on it.`,
  };
}

function postgresPair(from: string, to: string): VersionPair {
  const [before, after] = [majorOf(from), majorOf(to)];
  if (before === null || after === null || before !== after) {
    return refused(
      `Streaming replication works within one major version; ${from} to ${to} is a major upgrade. Use logical replication or pg_upgrade with a downtime.`,
    );
  }
  return {
    allowed: true,
    wayBack: 'lossless',
    reason: `${from} and ${to} share the format of data and WAL: nodes of both may lead in turn.`,
  };
}

function patroniPair(from: string, to: string): VersionPair {
  const [before, after] = [numbersOf(from), numbersOf(to)];
  if (before === null || after === null || before[0] !== after[0]) {
    return refused(
      `Patroni ${from} and ${to} are of different major versions: what the newer one writes into the store, the older one may not read. Follow Patroni's release notes, by hand.`,
    );
  }
  return {
    allowed: true,
    wayBack: 'lossless',
    reason: `Patroni ${from} and ${to} are of one major version: their members understand each other's entries in the store.`,
  };
}

function etcdPair(from: string, to: string): VersionPair {
  const [before, after] = [numbersOf(from), numbersOf(to)];
  if (before === null || after === null || before[0] !== after[0] || before[1] !== after[1]) {
    return refused(
      `etcd ${from} to ${to} is more than a patch release: once every member runs the newer minor version there is no way back. Follow etcd's upgrade guide, by hand.`,
    );
  }
  return {
    allowed: true,
    wayBack: 'lossless',
    reason: `etcd ${from} and ${to} are of one minor version: members of both form one cluster, either way.`,
  };
}

function refused(reason: string): VersionPair {
  return { allowed: false, wayBack: 'none', reason };
}

/** Since PostgreSQL 10 the first number is the major version; before, the first two. */
function majorOf(version: string): string | null {
  const [first, second] = numbersOf(version) ?? [];
  if (first === undefined) return null;
  return first >= 10 ? String(first) : `${first}.${second ?? 0}`;
}

/** The leading numbers of a version, without an epoch. */
function numbersOf(version: string): readonly number[] | null {
  const parts = /^(?:\d+:)?(\d+)(?:\.(\d+))?/.exec(version);
  return parts === null ? null : [Number(parts[1]), Number(parts[2] ?? 0)];
}
