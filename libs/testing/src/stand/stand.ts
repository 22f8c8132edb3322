import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from './files.js';
import { shell } from './shell.js';
import { StandHost } from './stand-host.js';

const UP_LIMIT_MS = 60_000;

/** Where the hosts of a run lie, and what they begin with: given to the tests by `npm run e2e:hosts`. */
export interface StandGround {
  /** Of this run alone; removed with everything in it when the run ends. */
  readonly folder: string;
  readonly roles: Readonly<Record<Role, string>>;
  /** Packages of the release in an older and a newer version. */
  readonly upgrades: string;
  readonly run: string;
}

/** @throws where the tests were not started by `npm run e2e:hosts`. */
export function standGround(): StandGround {
  const {
    UNDERSTUDY_HOSTS_FOLDER: folder,
    UNDERSTUDY_HOSTS_ROLES: roles,
    UNDERSTUDY_HOSTS_UPGRADES: upgrades,
    UNDERSTUDY_HOSTS_RUN: run,
  } = process.env;
  if (folder === undefined || roles === undefined || upgrades === undefined || run === undefined)
    throw new Error('Test hosts live in namespaces of their own: run this by `npm run e2e:hosts`.');
  return { folder, run, upgrades, roles: JSON.parse(roles) as Record<Role, string> };
}

/** The product's account on the hosts, with a key pair of its own. */
export interface Account {
  readonly user: string;
  /** A line of `authorized_keys`. */
  readonly publicKey: string;
  readonly privateKey: string;
}

/** Where the account keeps jobs and journals. */
export const ACCOUNT_ROOT = '/var/lib/understudy';

/** Makes a key pair of that name. Nothing of it is on a host yet. */
export function standAccount(name: string): Account {
  const file = join(standGround().folder, `key-${name}`);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'understudy', '-f', file]);
  return {
    user: 'understudy',
    publicKey: readFileSync(`${file}.pub`, 'utf8').trim(),
    privateKey: readFileSync(file, 'utf8'),
  };
}

/** In memory, gone with the namespaces; every account may go through it, as through no folder of a checkout. */
export const STAND_SCRATCH = '/run/understudy-stand';

/** Once per run, in its own namespaces: a place for what runs beside the hosts, and the bridge that their cables end at, with the tests on it. */
export async function layGround(): Promise<void> {
  await shell(['mount', '--make-rprivate', '/']);
  await shell(['mkdir', '-p', '/run/netns', STAND_SCRATCH]);
  await shell(['mount', '-t', 'tmpfs', 'tmpfs', '/run/netns']);
  await shell(['mount', '-t', 'tmpfs', '-o', 'mode=711', 'tmpfs', STAND_SCRATCH]);
  await shell(['ip', 'link', 'set', 'lo', 'up']);
  await shell(['ip', 'link', 'add', 'br0', 'type', 'bridge']);
  await shell(['ip', 'addr', 'add', `${NETWORK}.1/24`, 'dev', 'br0']);
  await shell(['ip', 'link', 'set', 'br0', 'up']);
}

const NETWORK = '10.77.0';
/** The bridge has the first address; a network has this many. */
const MOST_HOSTS = 240;

/**
 * An address that nobody of this run has, for a host or a service of that name. Of the whole run: a host that is gone leaves its
 * address behind, whose kernel goes on refusing connections.
 */
export function standAddress(name: string): string {
  const hosts = join(standGround().folder, 'hosts');
  mkdirSync(hosts, { recursive: true });
  const made = readdirSync(hosts).length;
  if (made >= MOST_HOSTS) throw new Error(`This run has given ${made} addresses, and its network holds ${MOST_HOSTS}.`);
  const address = `${NETWORK}.${11 + made}`;
  mkdirSync(ownFolder(name, address));
  return address;
}

function ownFolder(name: string, address: string): string {
  return join(standGround().folder, 'hosts', `${name}-${address}`);
}

/** Starts hosts of these names, side by side, and waits until they are up. */
export async function standHosts(names: readonly string[], role: Role = 'base'): Promise<readonly StandHost[]> {
  const { roles, run } = standGround();
  const places = names.map((name) => ({ name, address: standAddress(name) }));
  const hosts: StandHost[] = [];
  for (const { name, address } of places) {
    const own = ownFolder(name, address);
    const host = new StandHost(name, address, own, `understudy-${run}-${name}-${address}`);
    await host.make(roles[role], places);
    host.powerOn();
    hosts.push(host);
  }
  await Promise.all(hosts.map((host) => host.untilUp(UP_LIMIT_MS)));
  return hosts;
}
