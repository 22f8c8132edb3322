#!/usr/bin/env node
/**
 * `npm run e2e:hosts`: what needs hosts of its own, on light hosts with their own systemd, sshd, dpkg and boot id (see README.md here).
 * `npm run e2e:hosts -- apt` runs the files whose path contains that, `-t PATTERN` those whose name fits, and
 * `--short` leaves out the scenarios that only a release has to pass. Needs root on Debian; elsewhere it says what is missing and why, and fails under CI=true.
 *
 * The hosts and the tests live in namespaces that end with this process, however it ends. Kept is the cache of file systems alone.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HostFiles, layGround, shell } from '../../libs/testing/dist/stand/index.js';

const INSIDE = '--inside';
const HERE = fileURLToPath(import.meta.url);
const CACHE = process.env.UNDERSTUDY_HOSTS_CACHE ?? fileURLToPath(new URL('../../.cache/hosts', import.meta.url));
const GROUPS = ['systemd', 'unified', 'memory'].map((hierarchy) => join('/sys/fs/cgroup', hierarchy));
/** Programs that are needed, with the packages that hold them. */
const PROGRAMS = {
  mmdebstrap: 'mmdebstrap',
  'systemd-nspawn': 'systemd-container',
  'apt-ftparchive': 'apt-utils',
  'dpkg-deb': 'dpkg',
  'ssh-keygen': 'openssh-client',
  ip: 'iproute2',
  unshare: 'util-linux',
};

const SHORT = '--short';
/** `--program FILE WORDS...`: runs that module's `main(words)` on the ground in place of tests; it answers the exit code. */
const PROGRAM = '--program';

if (process.argv.includes(INSIDE)) await inside(process.argv.slice(process.argv.indexOf(INSIDE) + 1));
else process.exit(await outside(process.argv.slice(2)));

async function outside(words) {
  const why = await missing();
  if (why !== null) {
    console.log(`hosts: not run: ${why}`);
    return process.env.CI === 'true' || process.env.CI === '1' ? 1 : 0;
  }
  sweep();
  const files = new HostFiles(CACHE);
  const progress = (line) => console.log(`hosts: ${line}`);
  const roles = await files.roles(progress);
  const upgrades = await files.upgrades(roles, progress);
  mkdirSync(join(CACHE, 'runs'), { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'runs', 'run-'));
  const run = folder.slice(folder.lastIndexOf('-') + 1);
  writeFileSync(join(folder, 'owner'), `${process.pid} ${startOf(process.pid)}`);
  const isShort = words.includes(SHORT);
  const env = {
    ...process.env,
    ...(isShort ? { UNDERSTUDY_HOSTS_SHORT: 'yes' } : {}),
    UNDERSTUDY_HOSTS_FOLDER: folder,
    UNDERSTUDY_HOSTS_ROLES: JSON.stringify(roles),
    UNDERSTUDY_HOSTS_UPGRADES: upgrades,
    UNDERSTUDY_HOSTS_RUN: run,
    UNDERSTUDY_HOSTS_RESULTS: join(CACHE, 'results', new Date().toISOString().replaceAll(':', '')),
  };
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('unshare', [...namespaces, process.execPath, HERE, INSIDE, ...words.filter((word) => word !== SHORT)], {
    stdio: 'inherit',
    env,
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill('SIGKILL'));
  const code = await new Promise((resolve) => child.on('exit', (exitCode) => resolve(exitCode ?? 1)));
  remove(folder, run);
  return code;
}

/** @param words parts of paths; `-t PATTERN` runs the tests with such names alone. */
async function inside(words) {
  await layGround();
  if (words[0] === PROGRAM) {
    const { main } = await import(pathToFileURL(resolve(words[1] ?? '')).href);
    process.exit(await main(words.slice(2)));
  }
  const at = words.indexOf('-t');
  const [, testNamePattern] = at === -1 ? [] : words.splice(at, 2);
  const { startVitest } = await import('vitest/node');
  const config = fileURLToPath(new URL('vitest.config.mjs', import.meta.url));
  const vitest = await startVitest('test', words, { config, watch: false, reporters: ['verbose'], testNamePattern });
  await vitest.close();
  process.exit(process.exitCode ?? 0);
}

/** Why it cannot run here, in words; null: it can. Installs what is missing, where that is possible, and says so. */
async function missing() {
  if (process.getuid?.() !== 0) return 'namespaces, mounts and file systems of hosts need root';
  if (!existsSync('/etc/debian_version')) return 'it is made for Debian, whose packages it patches';
  const absent = Object.entries(PROGRAMS).filter(([program]) => spawnSync('which', [program]).status !== 0);
  if (absent.length === 0) return null;
  const packages = [...new Set(absent.map(([, name]) => name))];
  console.log(`hosts: installing ${packages.join(', ')}`);
  try {
    await shell(['apt-get', 'update'], { limitMs: 300_000 });
    const systemd = (await shell(['dpkg-query', '-W', '-f', '${Version}', 'systemd']).catch(() => '')).trim();
    // Another version of it would have apt replace this machine's systemd.
    const exact = packages.map((name) => (name === 'systemd-container' && systemd !== '' ? `${name}=${systemd}` : name));
    await shell(['apt-get', 'install', '-y', '--no-install-recommends', ...exact], { limitMs: 600_000 });
    return null;
  } catch (error) {
    return `${packages.join(', ')} could not be installed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** What runs that were killed left: their folders, and their hosts' groups of processes, in which nothing lives any more. */
function sweep() {
  const runs = join(CACHE, 'runs');
  for (const name of existsSync(runs) ? readdirSync(runs) : []) {
    const folder = join(runs, name);
    const [pid = '', start = ''] = readIf(join(folder, 'owner')).split(' ');
    if (pid === '' || startOf(Number(pid)) !== start) remove(folder, name.slice(name.lastIndexOf('-') + 1));
  }
}

function remove(folder, run) {
  rmSync(folder, { recursive: true, force: true });
  for (const group of GROUPS.filter((each) => existsSync(each)))
    for (const name of readdirSync(group).filter((each) => each.startsWith(`understudy-${run}-`))) removeGroup(join(group, name));
}

/** From the innermost on: the kernel removes a group only when it has none below. */
function removeGroup(group) {
  for (const entry of readdirSync(group, { withFileTypes: true })) if (entry.isDirectory()) removeGroup(join(group, entry.name));
  try {
    rmdirSync(group);
  } catch (error) {
    console.log(`hosts: ${group} stays: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** When a process began, in ticks since the boot: with its id it names the process for good. Empty: there is none. */
function startOf(pid) {
  return readIf(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? '';
}

function readIf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
