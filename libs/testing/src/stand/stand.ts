import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { shell } from './shell.js';
import { StandHost } from './stand-host.js';

const UP_LIMIT_MS = 60_000;

/** Where the hosts of a run lie, and what they begin with: given to the tests by `npm run e2e:hosts`. */
export interface StandGround {
  /** Of this run alone; removed with everything in it when the run ends. */
  readonly folder: string;
  readonly base: string;
  readonly run: string;
}

/** @throws where the tests were not started by `npm run e2e:hosts`. */
export function standGround(): StandGround {
  const { UNDERSTUDY_HOSTS_FOLDER: folder, UNDERSTUDY_HOSTS_BASE: base, UNDERSTUDY_HOSTS_RUN: run } = process.env;
  if (folder === undefined || base === undefined || run === undefined)
    throw new Error('Test hosts live in namespaces of their own: run this by `npm run e2e:hosts`.');
  return { folder, base, run };
}

/** Once per run, in its own namespaces: the bridge that the hosts' cables end at, with the tests on it. */
export async function layNetwork(): Promise<void> {
  await shell(['mount', '--make-rprivate', '/']);
  await shell(['mkdir', '-p', '/run/netns']);
  await shell(['mount', '-t', 'tmpfs', 'tmpfs', '/run/netns']);
  await shell(['ip', 'link', 'set', 'lo', 'up']);
  await shell(['ip', 'link', 'add', 'br0', 'type', 'bridge']);
  await shell(['ip', 'addr', 'add', `${NETWORK}.1/24`, 'dev', 'br0']);
  await shell(['ip', 'link', 'set', 'br0', 'up']);
}

const NETWORK = '10.77.0';
let made = 0;

/** Starts hosts of these names, side by side, and waits until they are up. */
export async function standHosts(names: readonly string[]): Promise<readonly StandHost[]> {
  const { folder, base, run } = standGround();
  const places = names.map((name) => ({ name, address: `${NETWORK}.${10 + (made += 1)}` }));
  const hosts: StandHost[] = [];
  for (const { name, address } of places) {
    const own = join(folder, 'hosts', `${name}-${address}`);
    mkdirSync(own, { recursive: true });
    const host = new StandHost(name, address, own, `understudy-${run}-${name}-${address}`);
    await host.make(base, places);
    host.powerOn();
    hosts.push(host);
  }
  await Promise.all(hosts.map((host) => host.untilUp(UP_LIMIT_MS)));
  return hosts;
}
